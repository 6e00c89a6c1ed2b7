//! Runs the program as a user does, against the embedded server and against endpoints that fail.

mod compaction;
mod endpoint;
mod interrupted;
mod left_running;
mod scripts;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use serde_json::json;

use endpoint::{Endpoint, call, delta, error, events, message, message_added, started};

/// Creates a command that runs the agent without an endpoint set.
fn agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING", "OPENAI_SCRIPTS"] {
        command.env_remove(name);
    }
    // Wide enough that nothing is cut.
    command.env("COLUMNS", "300");
    command.env("OTEL_TRACE_ROOT", concat!(env!("CARGO_TARGET_TMPDIR"), "/traces"));
    command.stdin(Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn embedded_model_fixes_a_random_bug() -> Result<()> {
    let mut answers = Vec::new();
    for run in [agent().spawn_piped()?, agent().spawn_piped()?] {
        let output = run.wait_with_output()?;
        let text = stdout(&output);
        assert!(output.status.success(), "{text}\n{}", stderr(&output));
        assert!(text.contains("! 429 ") && text.contains("! 503 "), "{text}");
        assert!(text.contains("fixed: `cargo test` passes, and the tests are untouched"), "{text}");

        let answer = text.lines().find(|line| line.starts_with("Fixed."));
        let answer = answer.context("no answer")?.to_owned();
        let (wrong, right) =
            between(&answer, "was ", " and").zip(between(&answer, "has to be ", ":")).context("no numbers")?;
        // The answer of the second turn comes from the file itself.
        let changed = format!("`const CRATE_CENTS: u64 = {wrong};` is now `const CRATE_CENTS: u64 = {right};`");
        assert!(text.contains(&changed), "{text}");
        answers.push(answer);
    }
    assert_ne!(answers[0], answers[1]);
    Ok(())
}

#[test]
fn embedded_model_depends_on_the_tool_outputs() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let cargo = dir.path().join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho 'error: the disk is full' >&2\nexit 101\n")?;
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755))?;
    let path = std::env::var("PATH")?;
    let output = agent().env("PATH", format!("{}:{path}", dir.path().display())).output()?;
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("I stop here") && text.contains("the disk is full"), "{text}");
    assert!(text.contains("not fixed: `cargo test` exits with 101"), "{text}");
    Ok(())
}

#[test]
fn truncated_stream_is_requested_again() -> Result<()> {
    let cut = events(&[started(), message_added(), delta("Grü")]);
    let endpoint = Endpoint::start(vec![cut, message("Grüße … 🦀")])?;
    let output = endpoint.agent("say hello").output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("the stream ended before the response was complete"), "{text}");
    assert!(text.contains("Grüße … 🦀"), "{text}");
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert_eq!(requests[0]["input"][0]["content"][0]["text"], "say hello");
    Ok(())
}

#[test]
fn unavailable_server_is_tried_four_times() -> Result<()> {
    let down = error("503 Service Unavailable", "retry-after-ms: 1\r\n", "we are moving");
    let endpoint = Endpoint::start(vec![down; 9])?;
    let output = endpoint.agent("say hello").output()?;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("(attempt 4 of 4, request req_77)"), "{message}");
    assert!(message.contains("we are moving"), "{message}");
    assert_eq!(endpoint.requests().len(), 4);
    Ok(())
}

#[test]
fn wrong_key_is_reported_without_showing_it() -> Result<()> {
    let endpoint = Endpoint::start(vec![error("401 Unauthorized", "", "Incorrect key."); 2])?;
    let output = endpoint.agent("say hello").output()?;
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("Incorrect key."), "{message}");
    assert!(message.contains("Is OPENAI_API_KEY right"), "{message}");
    assert!(!message.contains("sk-secret"), "{message}");
    assert_eq!(endpoint.requests().len(), 1);
    Ok(())
}

#[test]
fn invalid_json_arguments_return_an_error_to_the_model() -> Result<()> {
    let endpoint = Endpoint::start(vec![call("{\"cmd\": \"ls"), message("Sorry.")])?;
    let output = endpoint.agent("list the files").output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 2);
    let input = requests[1]["input"].as_array().context("no input")?;
    assert_eq!(input[1]["arguments"], "{\"cmd\": \"ls");
    assert_eq!((&input[2]["type"], &input[2]["call_id"]), (&json!("function_call_output"), &json!("call_1")));
    let output_sent = input[2]["output"].as_str().context("no output")?;
    assert!(output_sent.starts_with("error: invalid arguments for exec_command"), "{output_sent}");
    Ok(())
}

#[test]
fn commands_do_not_inherit_the_key() -> Result<()> {
    let arguments = json!({"cmd": "env | grep -c '^OPENAI_'; pwd"}).to_string();
    let endpoint = Endpoint::start(vec![call(&arguments), message("Done.")])?;
    let output = endpoint.agent("look around").output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let requests = endpoint.requests();
    let output_sent = requests[1]["input"][2]["output"].as_str().context("no output")?;
    assert!(output_sent.contains("output:\n0\n/"), "{output_sent}");
    Ok(())
}

#[test]
fn command_line_errors_and_help_name_the_options() -> Result<()> {
    let help = agent().arg("--help").output()?;
    assert!(help.status.success());
    assert!(stdout(&help).contains("OPENAI_BASE_URL"));

    let unknown = agent().arg("--fast").output()?;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("unknown option \"--fast\""), "{}", stderr(&unknown));

    let prompt = agent().arg("write a poem").output()?;
    assert_eq!(prompt.status.code(), Some(2));
    assert!(stderr(&prompt).contains("OPENAI_API_KEY"), "{}", stderr(&prompt));
    Ok(())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

trait SpawnPiped {
    fn spawn_piped(&mut self) -> Result<std::process::Child>;
}

impl SpawnPiped for Command {
    fn spawn_piped(&mut self) -> Result<std::process::Child> {
        Ok(self.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }
}
