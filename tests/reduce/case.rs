//! Builder for small bundles, and accessors for the graphs that they reduce to.

use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::bundle::Reader;
use otel_trace::graph::{Code, Graph, InferenceCall, Item, Part, Snapshots, ToolCall};
use otel_trace::reduce::{Options, ReduceError, Reduction, reduce};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A bundle under construction.
///
/// It starts with the run, thread `t` and turn `u`. By default every event belongs to that thread and turn and happens
/// one millisecond after the previous event.
pub(crate) struct Case {
    dir: TempDir,
    lines: Vec<Vec<u8>>,
    bodies: u64,
    seq: u64,
}

impl Case {
    pub(crate) fn new() -> Self {
        let mut case = Self::empty();
        case.event(json!({ "type": "rollout_started", "trace_id": "trace", "root_thread_id": "t" }));
        case.thread("t", "/root");
        case.turn("u", "t");
        case
    }

    /// Creates a bundle whose log is empty.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("payloads")).unwrap();
        let manifest = json!({
            "schema_version": 1, "trace_id": "trace", "rollout_id": "r", "root_thread_id": "t",
            "started_at_unix_ms": 1000, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads",
        });
        fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
        Self { dir, lines: Vec::new(), bodies: 0, seq: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces one field of the manifest.
    pub(crate) fn manifest(&self, field: &str, value: Value) {
        let path = self.dir.path().join("manifest.json");
        let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest[field] = value;
        fs::write(path, manifest.to_string()).unwrap();
    }

    pub(crate) fn event(&mut self, event: Value) -> u64 {
        self.event_in(json!("t"), json!("u"), event)
    }

    pub(crate) fn event_in(&mut self, thread: Value, turn: Value, event: Value) -> u64 {
        let carries_none = ["rollout_started", "rollout_ended", "thread_started", "thread_ended"];
        let carries = !carries_none.contains(&event["type"].as_str().unwrap());
        let seq = self.seq + 1;
        self.line(json!({
            "schema_version": 1, "seq": seq, "wall_time_unix_ms": 1000 + seq, "rollout_id": "r",
            "thread_id": if carries { thread } else { Value::Null },
            "codex_turn_id": if carries { turn } else { Value::Null },
            "payload": event,
        }));
        seq
    }

    /// Appends a line verbatim. The line takes up one seq.
    pub(crate) fn line(&mut self, line: impl ToString) {
        self.bytes(line.to_string().as_bytes());
    }

    pub(crate) fn bytes(&mut self, line: &[u8]) {
        self.seq += 1;
        self.lines.push([line, b"\n"].concat());
    }

    pub(crate) fn skip_seq(&mut self) {
        self.seq += 1;
    }

    /// Swaps the last two lines.
    pub(crate) fn swap_last(&mut self) {
        let last = self.lines.pop().unwrap();
        self.lines.insert(self.lines.len() - 1, last);
    }

    pub(crate) fn body(&mut self, kind: &str, body: impl ToString) -> Value {
        self.body_bytes(kind, body.to_string().as_bytes())
    }

    pub(crate) fn body_bytes(&mut self, kind: &str, body: &[u8]) -> Value {
        self.bodies += 1;
        let path = format!("payloads/{}.json", self.bodies);
        fs::write(self.dir.path().join(&path), body).unwrap();
        json!({ "raw_payload_id": format!("raw_payload:{}", self.bodies), "kind": { "type": kind }, "path": path })
    }

    pub(crate) fn thread(&mut self, thread: &str, path: &str) {
        self.event(
            json!({ "type": "thread_started", "thread_id": thread, "agent_path": path, "metadata_payload": null }),
        );
    }

    pub(crate) fn turn(&mut self, turn: &str, thread: &str) {
        let event = json!({ "type": "codex_turn_started", "codex_turn_id": turn, "thread_id": thread });
        self.event_in(json!(thread), json!(turn), event);
    }

    pub(crate) fn end_turn(&mut self, turn: &str, status: &str) -> u64 {
        let event = json!({ "type": "codex_turn_ended", "codex_turn_id": turn, "status": status });
        self.event_in(Value::Null, Value::Null, event)
    }

    /// Records a request with these items in thread `t`, turn `u`.
    pub(crate) fn request(&mut self, call: &str, items: impl Into<Value>) -> u64 {
        self.request_body(call, json!({ "input": items.into() }))
    }

    pub(crate) fn request_after(&mut self, call: &str, previous: &str, items: impl Into<Value>) -> u64 {
        self.request_body(call, json!({ "input": items.into(), "previous_response_id": previous }))
    }

    pub(crate) fn request_body(&mut self, call: &str, body: impl ToString) -> u64 {
        self.request_in(call, "t", "u", body)
    }

    pub(crate) fn request_in(&mut self, call: &str, thread: &str, turn: &str, body: impl ToString) -> u64 {
        let body = self.body("inference_request", body);
        let event = json!({
            "type": "inference_started", "inference_call_id": call, "thread_id": thread, "codex_turn_id": turn,
            "model": "m", "provider_name": "p", "request_payload": body,
        });
        self.event_in(json!(thread), json!(turn), event)
    }

    /// Records the complete response of a call. Its id is `resp-<call>`.
    pub(crate) fn response(&mut self, call: &str, items: impl Into<Value>) -> u64 {
        self.response_body(call, json!({ "output_items": items.into() }))
    }

    pub(crate) fn response_body(&mut self, call: &str, body: impl ToString) -> u64 {
        let body = self.body("inference_response", body);
        self.event(json!({
            "type": "inference_completed", "inference_call_id": call, "response_id": format!("resp-{call}"),
            "response_payload": body,
        }))
    }

    /// Records that a call completed, with the bytes of its response alone.
    pub(crate) fn received(&mut self, call: &str, bytes: &[u8]) -> u64 {
        let (body, wire) = (self.body("inference_response", "{}"), self.body_bytes("inference_response", bytes));
        self.event(json!({
            "type": "inference_completed", "inference_call_id": call, "response_id": null, "response_payload": body,
            "wire_payload": wire,
        }))
    }

    /// Records that a call was cancelled, with the bytes that had arrived.
    pub(crate) fn cut(&mut self, call: &str, bytes: &[u8]) -> u64 {
        let wire = self.body_bytes("inference_response", bytes);
        self.event(json!({
            "type": "inference_cancelled", "inference_call_id": call, "reason": "gone",
            "partial_response_payload": null, "wire_payload": wire,
        }))
    }

    /// Records a chunk of the response of a call.
    pub(crate) fn chunk(&mut self, call: &str, number: u64, bytes: &[u8]) -> u64 {
        let chunk = self.body_bytes("inference_response", bytes);
        self.event(json!({
            "type": "other", "kind": "payload", "summary": "a chunk", "payloads": [chunk],
            "metadata": { "inference_call_id": call, "chunk": number },
        }))
    }

    pub(crate) fn tool(&mut self, tool: &str, call: Option<&str>, kind: Value, invocation: Option<Value>) -> u64 {
        self.tool_in(("t", "u"), tool, call, kind, invocation)
    }

    pub(crate) fn tool_in(
        &mut self,
        (thread, turn): (&str, &str),
        tool: &str,
        call: Option<&str>,
        kind: Value,
        invocation: Option<Value>,
    ) -> u64 {
        let invocation = invocation.map(|body| self.body("tool_invocation", body));
        let event = json!({
            "type": "tool_call_started", "tool_call_id": tool, "model_visible_call_id": call,
            "code_mode_runtime_tool_id": null, "requester": { "type": "model" }, "kind": kind,
            "summary": { "type": "generic", "label": "tool" }, "invocation_payload": invocation,
        });
        self.event_in(json!(thread), json!(turn), event)
    }

    pub(crate) fn runtime_start(&mut self, tool: &str, body: Value) -> u64 {
        let body = self.body("tool_runtime_event", body);
        self.event(json!({ "type": "tool_call_runtime_started", "tool_call_id": tool, "runtime_payload": body }))
    }

    pub(crate) fn runtime_end(&mut self, tool: &str, status: &str, body: Value) -> u64 {
        let body = self.body("tool_runtime_event", body);
        self.event(json!({
            "type": "tool_call_runtime_ended", "tool_call_id": tool, "status": status, "runtime_payload": body,
        }))
    }

    pub(crate) fn end_tool(&mut self, tool: &str, status: &str, result: Option<Value>) -> u64 {
        let result = result.map(|body| self.body("tool_result", body));
        self.event(
            json!({ "type": "tool_call_ended", "tool_call_id": tool, "status": status, "result_payload": result }),
        )
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        self.lines.concat()
    }

    fn write(&self) -> PathBuf {
        fs::write(self.dir.path().join("trace.jsonl"), self.log()).unwrap();
        self.dir.path().to_owned()
    }

    pub(crate) fn try_reduce(&self, options: &Options) -> Result<Reduction, ReduceError> {
        reduce(&Reader::open(&self.write()).unwrap(), options)
    }

    /// Reduces the payloads of this bundle under another log.
    pub(crate) fn with_log(&self, log: &[u8]) -> Graph {
        fs::write(self.dir.path().join("trace.jsonl"), log).unwrap();
        reduce(&Reader::open(self.dir.path()).unwrap(), &Options::default()).unwrap().graph
    }

    /// Reduces the bundle and checks that the diagnostics have exactly these codes.
    #[track_caller]
    pub(crate) fn check(&self, codes: &[Code]) -> Graph {
        let graph = self.try_reduce(&Options::default()).unwrap().graph;
        assert_eq!(self::codes(&graph), codes, "{:#?}", graph.diagnostics);
        graph
    }

    /// Reduces the bundle like [`check`](Self::check), and checks that a strict reduction gives an equal graph, or ends
    /// with the first of the codes that strict reductions reject.
    #[track_caller]
    pub(crate) fn check_strict(&self, codes: &[Code]) -> Graph {
        let graph = self.check(codes);
        let rejected = graph.diagnostics.iter().find(|found| found.code.stops_strict());
        match (self.try_reduce(&Options::default().strict(true)), rejected) {
            (Ok(strict), None) => assert_eq!(state(&strict.graph), state(&graph)),
            (Err(error), Some(rejected)) => assert_eq!(error.broken_rule(), Some(rejected)),
            (strict, rejected) => panic!("{:?}, expected {rejected:?}", strict.err()),
        }
        graph
    }

    /// Returns code, seq and line of the error that ends a strict reduction.
    #[track_caller]
    pub(crate) fn strict_error(&self) -> (Code, Option<u64>, Option<u64>) {
        let error = self.try_reduce(&Options::default().strict(true)).unwrap_err();
        let rule = error.broken_rule().unwrap();
        (rule.code, rule.seq.map(|seq| seq.0), rule.line)
    }
}

/// Returns a session with calls, a tool call and notes, whose texts have multi-byte characters.
pub(crate) fn session() -> Case {
    let mut case = Case::new();
    case.request("a", [user("héllo 測")]);
    case.response("a", [assistant("é"), function_call("c")]);
    case.tool("x", Some("c"), exec(), function_invocation("shell", "{}"));
    case.runtime_start("x", command_begin("7"));
    case.runtime_end("x", "completed", command_end("7", "out 測", 0));
    let process = json!({ "child_thread_id": "測", "tool_call_id": "x" });
    case.event(
        json!({ "type": "other", "kind": "process_spawned", "summary": "é", "payloads": [], "metadata": process }),
    );
    let result = json!({ "type": "direct_response", "response_item": function_output("c", "out 測") });
    case.end_tool("x", "completed", Some(result));
    case.request_after("b", "resp-a", [function_output("c", "out 測")]);
    case.response("b", [assistant("done")]);
    case.event(json!({ "type": "other", "kind": "note", "summary": "測 é", "payloads": [], "metadata": null }));
    case.end_turn("u", "completed");
    case.event(json!({ "type": "thread_ended", "thread_id": "t", "status": "completed" }));
    case.event(json!({ "type": "rollout_ended", "status": "completed" }));
    case
}

pub(crate) fn codes(graph: &Graph) -> Vec<Code> {
    graph.diagnostics.iter().map(|found| found.code).collect()
}

pub(crate) fn state(graph: &Graph) -> Value {
    let mut bytes = Vec::new();
    graph.write_state(&mut bytes, Snapshots::Expanded).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn call<'g>(graph: &'g Graph, id: &str) -> &'g InferenceCall {
    graph.inference_calls.get(id).unwrap()
}

pub(crate) fn tool<'g>(graph: &'g Graph, id: &str) -> &'g ToolCall {
    graph.tool_calls.get(id).unwrap()
}

/// Returns the numbers of the items of a request.
pub(crate) fn request_items(graph: &Graph, id: &str) -> Vec<u64> {
    graph.snapshot(&id.into()).map(|item| item.number()).collect()
}

/// Returns the numbers of the items of a response.
pub(crate) fn response_items(graph: &Graph, id: &str) -> Vec<u64> {
    call(graph, id).response_item_ids.iter().map(|item| item.number()).collect()
}

pub(crate) fn item(graph: &Graph, number: u64) -> &Item {
    graph.items().find(|item| item.item_id.number() == number).unwrap()
}

pub(crate) fn parts(graph: &Graph, number: u64) -> Vec<Part> {
    item(graph, number).content.parts.to_vec()
}

pub(crate) fn user(text: &str) -> Value {
    json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
}

pub(crate) fn assistant(text: &str) -> Value {
    json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] })
}

pub(crate) fn function_call(call: &str) -> Value {
    json!({ "type": "function_call", "call_id": call, "name": "shell", "arguments": "{}" })
}

pub(crate) fn function_output(call: &str, text: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": call, "output": text })
}

pub(crate) fn exec() -> Value {
    json!({ "type": "exec_command" })
}

pub(crate) fn write_stdin() -> Value {
    json!({ "type": "write_stdin" })
}

pub(crate) fn function_invocation(name: &str, arguments: impl ToString) -> Option<Value> {
    let arguments = arguments.to_string();
    Some(json!({ "tool_name": name, "payload": { "type": "function", "arguments": arguments } }))
}

pub(crate) fn command_begin(process: &str) -> Value {
    json!({ "call_id": "c", "process_id": process, "turn_id": "u", "command": ["echo", "hi there"], "cwd": "/repo" })
}

pub(crate) fn command_end(process: &str, stdout: &str, exit_code: i32) -> Value {
    let mut end = command_begin(process);
    end["stdout"] = json!(stdout);
    end["stderr"] = json!("");
    end["exit_code"] = json!(exit_code);
    end["formatted_output"] = json!(stdout);
    end
}
