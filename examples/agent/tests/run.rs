//! Runs the program as a user does, against the embedded server and against endpoints that
//! behave worse.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// The program, with no endpoint set.
fn agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING"] {
        command.env_remove(name);
    }
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

/// An endpoint that sends prepared replies, one a connection, a byte at a time.
struct Endpoint {
    base_url: String,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Endpoint {
    fn start(replies: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let requests = Arc::<Mutex<Vec<Value>>>::default();
        let seen = Arc::clone(&requests);
        thread::spawn(move || -> Result<()> {
            for reply in replies {
                let (mut stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let request = read_body(&mut stream)?;
                if let Ok(mut seen) = seen.lock() {
                    seen.push(request);
                }
                // Splits lines, characters and events wherever they can be.
                for byte in reply.as_bytes() {
                    stream.write_all(&[*byte])?;
                }
            }
            Ok(())
        });
        Ok(Self { base_url, requests })
    }

    fn ask(&self, prompt: &str) -> Command {
        let mut command = agent();
        command.env("OPENAI_BASE_URL", &self.base_url).env("OPENAI_API_KEY", "sk-secret");
        command.arg(prompt);
        command
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().map(|requests| requests.clone()).unwrap_or_default()
    }
}

fn read_body(stream: &mut TcpStream) -> Result<Value> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(serde_json::from_str(body)?);
            }
        }
        if count == 0 {
            bail!("the request ended early: {text}");
        }
    }
}

fn error(status: &str, headers: &str, message: &str) -> String {
    let body = json!({"error": {"message": message, "code": null}});
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         x-request-id: req_77\r\n{headers}\r\n{body}"
    )
}

fn events(events: &[Value]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let events = events.iter().map(|data| format!("event: {}\r\ndata: {data}\r\n\r\n", data["type"]));
    format!("{head}{}", events.collect::<String>())
}

fn started() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1"}})
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "delta": text})
}

fn completed(item: Value) -> Vec<Value> {
    vec![
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "resp_1"}}),
    ]
}

fn message(text: &str) -> String {
    let item = json!({"type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": text}]});
    events(&[vec![started(), delta(text)], completed(item)].concat())
}

fn call(arguments: &str) -> String {
    events(&completed(json!({"type": "function_call", "id": "fc_1", "call_id": "call_1",
        "name": "exec_command", "arguments": arguments})))
}

#[test]
fn the_embedded_model_fixes_a_bug_that_is_new_every_time() -> Result<()> {
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
        // The second turn answers from the file itself.
        let changed = format!("`const CRATE_CENTS: u64 = {wrong};` is now `const CRATE_CENTS: u64 = {right};`");
        assert!(text.contains(&changed), "{text}");
        answers.push(answer);
    }
    assert_ne!(answers[0], answers[1]);
    Ok(())
}

#[test]
fn the_embedded_model_believes_what_the_tools_print() -> Result<()> {
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
fn a_stream_cut_in_the_middle_is_asked_for_again() -> Result<()> {
    let cut = events(&[started(), delta("Grü")]);
    let endpoint = Endpoint::start(vec![cut, message("Grüße … 🦀")])?;
    let output = endpoint.ask("say hello").output()?;
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
fn a_server_that_stays_down_is_asked_four_times() -> Result<()> {
    let down = error("503 Service Unavailable", "retry-after-ms: 1\r\n", "we are moving");
    let endpoint = Endpoint::start(vec![down; 9])?;
    let output = endpoint.ask("say hello").output()?;
    assert_eq!(output.status.code(), Some(1));
    let complaint = stderr(&output);
    assert!(complaint.contains("(attempt 4 of 4, request req_77)"), "{complaint}");
    assert!(complaint.contains("we are moving"), "{complaint}");
    assert_eq!(endpoint.requests().len(), 4);
    Ok(())
}

#[test]
fn a_wrong_key_is_said_to_be_one() -> Result<()> {
    let endpoint = Endpoint::start(vec![error("401 Unauthorized", "", "Incorrect key."); 2])?;
    let output = endpoint.ask("say hello").output()?;
    assert_eq!(output.status.code(), Some(1));
    let complaint = stderr(&output);
    assert!(complaint.contains("Incorrect key."), "{complaint}");
    assert!(complaint.contains("Is OPENAI_API_KEY right"), "{complaint}");
    assert!(!complaint.contains("sk-secret"), "{complaint}");
    assert_eq!(endpoint.requests().len(), 1);
    Ok(())
}

#[test]
fn arguments_that_are_not_json_go_back_to_the_model() -> Result<()> {
    let endpoint = Endpoint::start(vec![call("{\"cmd\": \"ls"), message("Sorry.")])?;
    let output = endpoint.ask("list the files").output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let requests = endpoint.requests();
    assert_eq!(requests.len(), 2);
    let input = requests[1]["input"].as_array().context("no input")?;
    assert_eq!(input[1]["arguments"], "{\"cmd\": \"ls");
    assert_eq!((&input[2]["type"], &input[2]["call_id"]), (&json!("function_call_output"), &json!("call_1")));
    let told = input[2]["output"].as_str().context("no output")?;
    assert!(told.starts_with("error: the arguments are not what exec_command takes"), "{told}");
    Ok(())
}

#[test]
fn commands_do_not_see_the_key() -> Result<()> {
    let arguments = json!({"cmd": "env | grep -c '^OPENAI_'; pwd"}).to_string();
    let endpoint = Endpoint::start(vec![call(&arguments), message("Done.")])?;
    let output = endpoint.ask("look around").output()?;
    assert!(output.status.success(), "{}", stderr(&output));
    let requests = endpoint.requests();
    let told = requests[1]["input"][2]["output"].as_str().context("no output")?;
    assert!(told.contains("stdout:\n0\n/"), "{told}");
    Ok(())
}

#[test]
fn ctrl_c_ends_the_command_and_cleans_up() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let pid_file = dir.path().join("pid");
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch)?;
    let cmd = format!("echo $$ > {0}.new && mv {0}.new {0} && exec sleep 600", pid_file.display());
    let endpoint = Endpoint::start(vec![call(&json!({"cmd": cmd}).to_string())])?;
    let run = endpoint.ask("wait").env("TMPDIR", &scratch).spawn_piped()?;
    let sleeper = wait_for_file(&pid_file)?;
    let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw).context("no pid")?;
    kill_process(pid, Signal::INT)?;
    let output = run.wait_with_output()?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&scratch)?.count(), 0, "the scratch project is still there");
    let ps = Command::new("ps").args(["-o", "args=", "-p", sleeper.trim()]).output()?;
    assert!(!stdout(&ps).contains("sleep 600"), "{}", stdout(&ps));
    Ok(())
}

#[test]
fn the_command_line_explains_itself() -> Result<()> {
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

fn wait_for_file(path: &Path) -> Result<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if path.exists() {
            return Ok(fs::read_to_string(path)?);
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("the command never ran")
}

trait SpawnPiped {
    fn spawn_piped(&mut self) -> Result<std::process::Child>;
}

impl SpawnPiped for Command {
    fn spawn_piped(&mut self) -> Result<std::process::Child> {
        Ok(self.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }
}
