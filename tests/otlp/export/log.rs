//! Builder for bundles in which any event can name any live span.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Start of the recording, in Unix milliseconds.
pub(crate) const STARTED_AT_MS: u64 = 1_760_000_000_000;

/// The trace of every live span.
pub(crate) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The id of the recording, from which the trace id of runs without live spans is derived.
pub(crate) const RECORDING: &str = "019d3c5e-7a4b-7c12-9d10-1f2e3a4b5c6d";

/// The live span of an event and its parent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Live {
    /// No live span.
    No,
    /// A live span without a recorded parent.
    Root(u64),
    /// Parent and id of a live span.
    Below(u64, u64),
}

/// Formats a span id as the log does.
pub(crate) fn hex(span: u64) -> String {
    format!("{span:016x}")
}

/// A bundle with root thread `T` and turn `U` under construction.
pub(crate) struct Log {
    root: TempDir,
    pub(crate) path: PathBuf,
    lines: Vec<Value>,
    bodies: usize,
}

impl Log {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("trace-1");
        fs::create_dir_all(path.join("payloads")).unwrap();
        let manifest = json!({
            "schema_version": 1, "trace_id": RECORDING, "rollout_id": "R", "root_thread_id": "T",
            "started_at_unix_ms": STARTED_AT_MS, "raw_event_log": "trace.jsonl", "payloads_dir": "payloads",
        });
        fs::write(path.join("manifest.json"), manifest.to_string()).unwrap();
        let mut log = Self { root, path, lines: Vec::new(), bodies: 0 };
        log.event(Live::No, json!({ "type": "rollout_started", "trace_id": RECORDING, "root_thread_id": "T" }));
        log
    }

    pub(crate) fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }

    pub(crate) fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Appends an event, one millisecond after the previous event.
    pub(crate) fn event(&mut self, live: Live, payload: Value) {
        let (trace, span, parent) = match live {
            Live::No => (None, None, None),
            Live::Root(span) => (Some(TRACE), Some(hex(span)), None),
            Live::Below(parent, span) => (Some(TRACE), Some(hex(span)), Some(hex(parent))),
        };
        let seq = self.lines.len() + 1;
        let mut line = json!({
            "schema_version": 1, "seq": seq, "wall_time_unix_ms": STARTED_AT_MS + seq as u64, "rollout_id": "R",
            "thread_id": "T", "codex_turn_id": "U", "payload": payload,
        });
        let ids =
            [("otel_trace_id", trace.map(str::to_owned)), ("otel_span_id", span), ("otel_parent_span_id", parent)];
        for (key, id) in ids {
            line.as_object_mut().unwrap().extend(id.map(|id| (key.to_owned(), id.into())));
        }
        self.lines.push(line);
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.path.join("trace.jsonl"), lines).unwrap();
    }

    /// Stores a payload and returns its reference.
    pub(crate) fn body(&mut self, kind: &str, body: &Value) -> Value {
        self.bodies += 1;
        let (path, id) = (format!("payloads/{}.json", self.bodies), format!("raw_payload:{}", self.bodies));
        fs::write(self.path.join(&path), body.to_string()).unwrap();
        json!({ "raw_payload_id": id, "kind": { "type": kind }, "path": path })
    }

    pub(crate) fn thread(&mut self, live: Live) {
        self.event(live, json!({ "type": "thread_started", "thread_id": "T", "agent_path": "/root" }));
    }

    /// Records an agent thread that `parent` spawned.
    pub(crate) fn agent(&mut self, live: Live, id: &str, parent: &str) {
        let spawn = json!({ "parent_thread_id": parent, "depth": 1 });
        let metadata = json!({ "nickname": id, "session_source": { "subagent": { "thread_spawn": spawn } } });
        let metadata = self.body("session_metadata", &metadata);
        let path = format!("/root/{id}");
        self.event(
            live,
            json!({ "type": "thread_started", "thread_id": id, "agent_path": path, "metadata_payload": metadata }),
        );
    }

    pub(crate) fn turn(&mut self, live: Live) {
        self.event(live, json!({ "type": "codex_turn_started", "codex_turn_id": "U", "thread_id": "T" }));
    }

    pub(crate) fn inference(&mut self, live: Live, id: &str) {
        let request = self.body("inference_request", &json!({ "model": "m", "input": "hello" }));
        let response = self.body("inference_response", &json!({ "response_id": "r", "output_items": [] }));
        let started = json!({
            "type": "inference_started", "inference_call_id": id, "thread_id": "T", "codex_turn_id": "U",
            "model": "m", "provider_name": "p", "request_payload": request,
        });
        self.event(live, started);
        self.event(
            live,
            json!({ "type": "inference_completed", "inference_call_id": id, "response_payload": response }),
        );
    }

    pub(crate) fn tool(&mut self, live: Live, id: &str) {
        let invocation = self.body("tool_invocation", &json!({ "tool_name": "find", "payload": {} }));
        let started = json!({
            "type": "tool_call_started", "tool_call_id": id, "requester": { "type": "model" },
            "kind": { "type": "other", "name": "find" },
            "summary": { "type": "generic", "label": "find" }, "invocation_payload": invocation,
        });
        self.event(live, started);
        self.event(live, json!({ "type": "tool_call_ended", "tool_call_id": id, "status": "completed" }));
    }
}
