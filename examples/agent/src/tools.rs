//! What the model can do: `exec_command`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::{Finished, Running, Workspace};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// As much of each stream as the model is sent.
const MODEL_BYTES: usize = 16 * 1024;

/// The tool as the model is told about it.
pub(crate) fn exec_command() -> Value {
    json!({
        "type": "function",
        "name": "exec_command",
        "description": "Runs a shell command with `sh -c` and returns its exit code, stdout and \
                        stderr. The command gets no input, and whatever it leaves running is \
                        killed when it ends.",
        "strict": false,
        "parameters": {
            "type": "object",
            "properties": {
                "cmd": {"type": "string", "description": "The command."},
                "workdir": {
                    "type": "string",
                    "description": "Where to run it, relative to the project [default: the project]"
                },
                "timeout_ms": {
                    "type": "integer",
                    "description": "Kill it after this long [default: 120000, at most 600000]"
                }
            },
            "required": ["cmd"],
            "additionalProperties": false
        }
    })
}

/// A call the model made.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FunctionCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    /// JSON, if the model got it right.
    pub(crate) arguments: String,
}

/// The calls among the items of a response.
pub(crate) fn calls_in(items: &[Value]) -> Vec<FunctionCall> {
    let calls = items.iter().filter(|item| item["type"] == "function_call");
    calls.filter_map(|item| FunctionCall::deserialize(item).ok()).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    cmd: String,
    workdir: Option<PathBuf>,
    timeout_ms: Option<u64>,
}

/// Starts what the call asks for. Every error is worded for the model, which can call again.
pub(crate) fn start(call: &FunctionCall, workspace: &Workspace) -> Result<Running> {
    if call.name != "exec_command" {
        bail!("there is no tool {:?}, only exec_command", call.name);
    }
    let arguments: Arguments =
        serde_json::from_str(&call.arguments).context("the arguments are not what exec_command takes")?;
    let timeout = arguments.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
    let workdir = arguments.workdir.unwrap_or_default();
    workspace.start(&arguments.cmd, &workdir, timeout.min(MAX_TIMEOUT))
}

impl Finished {
    /// What the model is sent.
    pub(crate) fn formatted_output(&self) -> String {
        let mut text = format!("exit code: {}\n", self.exit_code);
        let _ = writeln!(text, "wall time: {:.1} s", self.elapsed.as_secs_f64());
        if self.timed_out {
            text.push_str("note: it ran out of time and was killed\n");
        }
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                let _ = write!(text, "{name}:\n{}", shorten(stream, MODEL_BYTES));
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        text
    }
}

/// Cuts the middle out of a long text: both ends tell more.
fn shorten(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(limit / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - limit / 2)..];
    let cut = text.len() - head.len() - tail.len();
    format!("{head}\n[… {cut} bytes left out …]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> FunctionCall {
        FunctionCall { call_id: "call_1".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    async fn exec(arguments: Value) -> Result<Finished> {
        let dir = tempfile::tempdir()?;
        let workspace = Workspace::new(dir.path(), Vec::new());
        let running = start(&call("exec_command", &arguments.to_string()), &workspace)?;
        Ok(running.finish().await)
    }

    #[tokio::test]
    async fn streams_and_exit_code_arrive_apart() -> Result<()> {
        let finished = exec(json!({"cmd": "echo out; echo err >&2; exit 3"})).await?;
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.exit_code, 3);
        assert!(!finished.timed_out);
        let text = finished.formatted_output();
        assert!(text.starts_with("exit code: 3\n"), "{text}");
        assert!(text.ends_with("stdout:\nout\nstderr:\nerr\n"), "{text}");
        Ok(())
    }

    #[tokio::test]
    async fn a_long_output_loses_its_middle_and_says_so() -> Result<()> {
        let finished = exec(json!({"cmd": "echo first; yes | head -c 40000; echo last"})).await?;
        let text = finished.formatted_output();
        assert!(text.len() < MODEL_BYTES + 200, "{}", text.len());
        assert!(text.contains("first\n") && text.contains("last\n"), "{text}");
        assert!(text.contains("bytes left out"), "{text}");
        Ok(())
    }

    #[test]
    fn shortening_keeps_characters_whole() {
        let text = "é".repeat(100);
        let short = shorten(&text, 51);
        assert!(short.starts_with("éé") && short.ends_with("éé"), "{short}");
        assert_eq!(shorten(&text, 200), text);
    }

    #[test]
    fn calls_that_make_no_sense_are_explained_to_the_model() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let workspace = Workspace::new(dir.path(), Vec::new());
        let cases = [
            ("apply_patch", "{}", "only exec_command"),
            ("exec_command", "{\"cmd\": \"ls", "not what exec_command takes"),
            ("exec_command", "{\"cmd\": 7}", "expected a string"),
            ("exec_command", "{\"command\": \"ls\"}", "unknown field `command`"),
            ("exec_command", "{\"cmd\": \"ls\", \"workdir\": \"nowhere\"}", "not a directory"),
            ("exec_command", "{\"cmd\": \"l\\u0000s\"}", "could not start"),
        ];
        for (name, arguments, expected) in cases {
            let error = match start(&call(name, arguments), &workspace) {
                Ok(_) => panic!("started: {arguments}"),
                Err(error) => format!("{error:#}"),
            };
            assert!(error.contains(expected), "{arguments}: {error}");
        }
        Ok(())
    }
}
