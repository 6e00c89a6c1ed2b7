//! Commands that outlive the tool call that started them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, function, message, response};
use super::{stderr, stdout};

#[test]
fn background_command_is_killed_at_the_end_of_the_run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("pid");
    let cmd = format!("echo $$ > {}; echo on; exec sleep 600", file.display());
    let start = function("call_1", "exec_command", &json!({"cmd": cmd, "yield_time_ms": 1000}));
    let look = function("call_2", "write_stdin", &json!({"session_id": 1, "yield_time_ms": 1}));
    let endpoint = Endpoint::start(vec![response(&[start], 10), response(&[look], 10), message("It runs.")])?;
    let output = endpoint.agent("start it").output()?;
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    for number in [1, 2] {
        let output_sent = endpoint.tool_output(number)?;
        assert!(output_sent.starts_with("still running, session_id: 1\n"), "{output_sent}");
    }
    assert!(text.contains("  exit 137  "), "{text}");
    let pid = fs::read_to_string(&file).context("it never ran")?;
    let ps = Command::new("ps").args(["-o", "args=", "-p", pid.trim()]).output()?;
    assert!(!stdout(&ps).contains("sleep 600"), "{}", stdout(&ps));
    Ok(())
}

#[test]
fn ctrl_c_can_be_sent_to_a_command() -> Result<()> {
    let start = function("call_1", "exec_command", &json!({"cmd": "sleep 600; echo never", "yield_time_ms": 200}));
    let stop = function("call_2", "write_stdin", &json!({"session_id": 1, "chars": "\u{3}", "yield_time_ms": 30000}));
    let late = function("call_3", "write_stdin", &json!({"session_id": 1}));
    let replies = [start, stop, late].map(|call| response(&[call], 10));
    let endpoint = Endpoint::start(replies.into_iter().chain([message("It was stopped.")]).collect())?;
    let output = endpoint.agent("start it").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let output_sent = endpoint.tool_output(2)?;
    assert!(output_sent.starts_with("exit code: 130\n") && !output_sent.contains("never"), "{output_sent}");
    assert!(endpoint.tool_output(3)?.contains("there is no session 1"), "{}", endpoint.tool_output(3)?);
    Ok(())
}

#[test]
fn long_output_is_truncated_in_the_middle() -> Result<()> {
    let cmd = "echo first; yes | head -c 400000; echo last";
    let call = function("call_1", "exec_command", &json!({"cmd": cmd, "max_output_tokens": 500}));
    let endpoint = Endpoint::start(vec![response(&[call], 10), message("Long.")])?;
    assert!(endpoint.agent("print a lot").output()?.status.success());
    let output_sent = endpoint.tool_output(1)?;
    assert!(output_sent.len() < 2500, "{}", output_sent.len());
    assert!(
        output_sent.contains("first\n") && output_sent.ends_with("last\n") && output_sent.contains("bytes left out"),
        "{output_sent}"
    );
    Ok(())
}

#[test]
fn invalid_calls_return_an_error_to_the_model() -> Result<()> {
    let cases = [
        ("apply_patch", json!({}), "there is no tool \"apply_patch\""),
        ("exec_command", json!({"cmd": 7}), "expected a string"),
        ("exec_command", json!({"command": "ls"}), "unknown field `command`"),
        ("exec_command", json!({"cmd": "ls", "workdir": "nowhere"}), "not a directory"),
        ("exec_command", json!({"cmd": "ls", "workdir": ".."}), "outside the project"),
        ("exec_command", json!({"cmd": "l\u{0}s"}), "could not start"),
        ("write_stdin", json!({"session_id": 9}), "there is no session 9"),
        ("wait", json!({"cell_id": "9"}), "there is no cell 9"),
        ("spawn_agent", json!({"task_name": "No Name", "message": ""}), "lower-case letters"),
        ("send_message", json!({"target": "nobody", "message": "hi"}), "there is no agent /root/nobody"),
        ("close_agent", json!({"target": "/root"}), "/root is you"),
    ];
    let calls = cases.iter().enumerate();
    let calls: Vec<_> =
        calls.map(|(n, (name, arguments, _))| function(&format!("call_{n}"), name, arguments)).collect();
    let endpoint = Endpoint::start(vec![response(&calls, 10), message("Sorry.")])?;
    let output = endpoint.agent("do it").output()?;
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let requests = endpoint.requests();
    let items = requests[1]["input"].as_array().context("no input")?;
    for (n, (name, arguments, expected)) in cases.iter().enumerate() {
        let mine = |item: &&Value| item["call_id"] == format!("call_{n}") && item["type"] == "function_call_output";
        let output_sent = items.iter().find(mine).and_then(|item| item["output"].as_str()).context("no answer")?;
        assert!(
            output_sent.starts_with("error: ") && output_sent.contains(expected),
            "{name} {arguments}: {output_sent}"
        );
    }
    Ok(())
}
