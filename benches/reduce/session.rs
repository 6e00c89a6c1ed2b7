//! Generated sessions of any length, as bundles on disk: in each round an agent reasons, writes a message, runs a
//! command and reads its output.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The content of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    /// Each request contains the whole history.
    Full,
    /// Each request contains only the new items since the previous response.
    Incremental,
}

/// A generated bundle.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) path: PathBuf,
    pub(crate) requests: Requests,
    pub(crate) calls: usize,
    /// Size of the log and all payloads, in bytes.
    pub(crate) bytes: u64,
    /// Size of the log and all payloads without repeated history, in bytes.
    pub(crate) unique_bytes: u64,
    /// Size of the largest payload, in bytes.
    pub(crate) largest: u64,
}

impl Session {
    /// Generates a session of `calls` calls below `root`.
    pub(crate) fn create(root: &Path, requests: Requests, calls: usize) -> io::Result<Self> {
        let path = root.join(format!("{requests:?}-{calls}"));
        fs::create_dir_all(path.join("payloads"))?;
        let manifest = json!({
            "schema_version": 1, "trace_id": "bench", "rollout_id": "bench", "root_thread_id": "thread",
            "started_at_unix_ms": 0, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads",
        });
        fs::write(path.join("manifest.json"), manifest.to_string())?;
        let log = BufWriter::new(File::create(path.join("trace.jsonl"))?);
        let session = Self { path, requests, calls, bytes: 0, unique_bytes: 0, largest: 0 };
        let mut recording = Recording { session, log, seq: 0, payloads: 0, words: Words(7) };
        recording.run()?;
        recording.log.flush()?;
        Ok(recording.session)
    }
}

struct Recording {
    session: Session,
    log: BufWriter<File>,
    seq: u64,
    payloads: u64,
    words: Words,
}

impl Recording {
    fn run(&mut self) -> io::Result<()> {
        self.event(&json!({ "type": "rollout_started", "trace_id": "bench", "root_thread_id": "thread" }))?;
        self.event(&json!({ "type": "thread_started", "thread_id": "thread", "agent_path": "/root" }))?;
        self.event(&json!({ "type": "codex_turn_started", "codex_turn_id": "turn", "thread_id": "thread" }))?;
        let task = self.words.next_text(400);
        let mut history =
            json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": task }] })
                .to_string();
        let mut new = history.clone();
        for call in 0..self.session.calls {
            let items = self.call(call, &history, &new)?;
            let output = self.tool(call)?;
            new = output;
            for item in [&items, &new] {
                history.push(',');
                history.push_str(item);
            }
        }
        self.event(&json!({ "type": "codex_turn_ended", "codex_turn_id": "turn", "status": "completed" }))?;
        self.event(&json!({ "type": "thread_ended", "thread_id": "thread", "status": "completed" }))?;
        self.event(&json!({ "type": "rollout_ended", "status": "completed" }))
    }

    /// Records an inference call. Returns the items of its response.
    fn call(&mut self, call: usize, history: &str, new: &str) -> io::Result<String> {
        let request = match (self.session.requests, call.checked_sub(1)) {
            (Requests::Incremental, Some(previous)) => {
                format!(r#"{{"model":"m","previous_response_id":"resp-{previous}","input":[{new}]}}"#)
            }
            (Requests::Incremental | Requests::Full, _) => format!(r#"{{"model":"m","input":[{history}]}}"#),
        };
        let request = self.payload("inference_request", &request, new.len())?;
        self.event(&json!({
            "type": "inference_started", "inference_call_id": format!("call-{call}"), "thread_id": "thread",
            "codex_turn_id": "turn", "model": "m", "provider_name": "p", "request_payload": request,
        }))?;
        let encrypted: String = self.words.next_text(260).replace(' ', "");
        let items = json!([
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": self.words.next_text(60) }],
              "encrypted_content": encrypted },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": self.words.next_text(160) }] },
            { "type": "function_call", "call_id": format!("c{call}"), "name": "exec_command",
              "arguments": json!({ "cmd": self.words.next_text(100), "n": call }).to_string() },
        ])
        .to_string();
        let response = format!(
            r#"{{"response_id":"resp-{call}","token_usage":{{"input_tokens":9,"cached_input_tokens":0,"output_tokens":9,"reasoning_output_tokens":1,"total_tokens":18}},"output_items":{items}}}"#
        );
        let response = self.payload("inference_response", &response, response.len())?;
        self.event(&json!({
            "type": "inference_completed", "inference_call_id": format!("call-{call}"),
            "response_id": format!("resp-{call}"), "response_payload": response,
        }))?;
        Ok(items.trim_start_matches('[').trim_end_matches(']').to_owned())
    }

    /// Records the command that the model requested. Returns the item with its output.
    fn tool(&mut self, call: usize) -> io::Result<String> {
        let tool = format!("tool-{call}");
        let printed = self.words.next_text(540);
        let mut command = json!({
            "call_id": format!("c{call}"), "process_id": format!("{call}"), "turn_id": "turn",
            "command": ["bash", "-lc", self.words.next_text(100)], "cwd": "/repo",
        });
        let invocation = json!({ "tool_name": "exec_command", "payload": { "type": "function", "arguments": "{}" } });
        let invocation = self.body("tool_invocation", &invocation)?;
        self.event(&json!({
            "type": "tool_call_started", "tool_call_id": tool, "model_visible_call_id": format!("c{call}"),
            "requester": { "type": "model" }, "kind": { "type": "exec_command" },
            "summary": { "type": "generic", "label": "exec_command" }, "invocation_payload": invocation,
        }))?;
        let begin = self.body("tool_runtime_event", &command)?;
        self.event(&json!({ "type": "tool_call_runtime_started", "tool_call_id": tool, "runtime_payload": begin }))?;
        command["stdout"] = Value::from(&*printed);
        command["stderr"] = Value::from("");
        command["exit_code"] = Value::from(0);
        command["formatted_output"] = Value::from(&*printed);
        let end = self.body("tool_runtime_event", &command)?;
        self.event(&json!({
            "type": "tool_call_runtime_ended", "tool_call_id": tool, "status": "completed", "runtime_payload": end,
        }))?;
        let item = json!({ "type": "function_call_output", "call_id": format!("c{call}"), "output": printed });
        let result = self.body("tool_result", &json!({ "type": "direct_response", "response_item": item }))?;
        self.event(&json!({
            "type": "tool_call_ended", "tool_call_id": tool, "status": "completed", "result_payload": result,
        }))?;
        Ok(item.to_string())
    }

    fn body(&mut self, kind: &str, body: &Value) -> io::Result<Value> {
        let body = body.to_string();
        self.payload(kind, &body, body.len())
    }

    /// Stores a payload, `unique` bytes of which are not repeated history, and returns its reference.
    fn payload(&mut self, kind: &str, body: &str, unique: usize) -> io::Result<Value> {
        self.payloads += 1;
        let path = format!("payloads/{}.json", self.payloads);
        fs::write(self.session.path.join(&path), body)?;
        self.session.bytes += body.len() as u64;
        self.session.unique_bytes += unique as u64;
        self.session.largest = self.session.largest.max(body.len() as u64);
        Ok(
            json!({ "raw_payload_id": format!("raw_payload:{}", self.payloads), "kind": { "type": kind }, "path": path }),
        )
    }

    fn event(&mut self, event: &Value) -> io::Result<()> {
        self.seq += 1;
        let has_context =
            event["type"].as_str().is_some_and(|name| !name.starts_with("rollout") && !name.starts_with("thread"));
        let line = json!({
            "schema_version": 1, "seq": self.seq, "wall_time_unix_ms": self.seq, "rollout_id": "bench",
            "thread_id": has_context.then_some("thread"), "codex_turn_id": has_context.then_some("turn"),
            "payload": event,
        });
        let line = format!("{line}\n");
        self.session.bytes += line.len() as u64;
        self.session.unique_bytes += line.len() as u64;
        self.log.write_all(line.as_bytes())
    }
}

/// A generator of text that neither compresses nor repeats, and is equal in every run.
struct Words(u64);

impl Words {
    /// Returns about `bytes` bytes of words with line breaks, quotes and multi-byte characters.
    fn next_text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = self.0 >> 33;
            let _ = match word % 23 {
                0 => writeln!(text, "{word:x}"),
                1 => write!(text, "\"{word:x}\" "),
                2 => write!(text, "é測{word:x} "),
                _ => write!(text, "{word:x} "),
            };
        }
        text
    }
}
