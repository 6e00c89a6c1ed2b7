//! The workload of a child process that records until it dies. After each call that has returned, it prints a report
//! to stdout.

use std::io::Write;
use std::thread;

use otel_trace::{
    AgentThread, CellStatus, CodeCellMeta, ExecutionStatus, Json, Model, Operation, ThreadMeta, ToolCallMeta, Turn,
};
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::info_span;

use crate::random::Random;
use crate::seal;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// The start of each line of stdout that reports a recorded event.
pub(crate) const REPORT_PREFIX: &str = "report: ";

/// A thread that records runs.
pub(crate) struct Worker {
    name: String,
    random: Random,
    last: u64,
}

impl Worker {
    pub(crate) fn new(number: u64, seed: u64) -> Self {
        Self { name: format!("w{number}"), random: Random::new(seed ^ (number << 32)), last: 0 }
    }

    /// Reports that an event of this type was recorded, and that the event or one of its payloads contains this text.
    fn report(&self, event: &str, text: &str) {
        let line = format!("{REPORT_PREFIX}{event} {text}\n");
        let mut stdout = std::io::stdout().lock();
        // The parent may have closed the pipe.
        let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
    }

    /// Returns a new unique name.
    fn name(&mut self) -> String {
        self.last += 1;
        format!("{}.{}", self.name, self.last)
    }

    /// Creates a sealed text of random length, usually short and sometimes several MiB, and returns its name and the text.
    fn sealed(&mut self) -> (String, String) {
        let name = self.name();
        let length = match self.random.below(40) {
            0 => self.random.below(2 << 20),
            1..6 => self.random.below(64 << 10),
            _ => self.random.below(300),
        };
        let text = seal::text(&name, length as usize);
        (name, text)
    }

    /// Records runs in an endless loop.
    pub(crate) fn record_forever(mut self) {
        loop {
            self.record_run();
            self.record_plain_run();
        }
    }

    /// Records a run with typed handles, which may spawn an agent.
    pub(crate) fn record_run(&mut self) {
        let id = self.name();
        let thread = AgentThread::start(ThreadMeta::new().id(&id).agent_name("coder").cwd("/work"));
        for _ in 0..=self.random.below(3) {
            let turn_id = self.name();
            let turn = thread.turn(Some(turn_id.as_str().into()));
            self.turn(&turn);
            self.report("thread_started", &id);
            self.report("codex_turn_started", &turn_id);
            if self.random.below(3) == 0 {
                self.spawn(&turn);
            }
            let (name, text) = self.sealed();
            thread.protocol_event("warning", Json(&json!({ "message": text })));
            self.report("protocol_event_observed", &name);
            turn.complete();
            self.report("codex_turn_ended", &turn_id);
        }
        thread.complete();
        self.report("thread_ended", &id);
    }

    fn spawn(&mut self, turn: &Turn) {
        let (call, child_id) = (self.name(), self.name());
        let spawning = turn.tool_call(ToolCallMeta::new("spawn_agent").id(&call));
        let child = spawning.spawn_thread(ThreadMeta::new().id(&child_id).task_name("look"));
        let inner = child.turn(None);
        self.turn(&inner);
        self.report("thread_started", &child_id);
        inner.complete();
        child.complete();
        self.report("thread_ended", &child_id);
        spawning.complete();
        self.report("tool_call_ended", &call);
    }

    fn turn(&mut self, turn: &Turn) {
        self.inference(turn);
        match self.random.below(4) {
            0 => self.cell(turn),
            1 => self.compaction(turn),
            _ => self.tool(turn),
        }
    }

    fn inference(&mut self, turn: &Turn) {
        let inference = turn.inference(MODEL);
        let (name, text) = self.sealed();
        inference.request(Json(&json!({ "input": [message("user", "input_text", &text)] })));
        self.report("inference_started", &name);
        let (name, text) = self.sealed();
        let items = [message("assistant", "output_text", &text)];
        inference.response(Json(&json!({ "response_id": name, "output_items": items })));
        inference.complete();
        self.report("inference_completed", &name);
    }

    fn tool(&mut self, turn: &Turn) {
        let call = self.name();
        let tool = turn.tool_call(ToolCallMeta::new("bash").id(&call).arguments("{}"));
        let (name, text) = self.sealed();
        tool.runtime_started(Json(&json!({ "command": ["echo", text], "cwd": "/work" })));
        self.report("tool_call_started", &call);
        self.report("tool_call_runtime_started", &name);
        let (name, text) = self.sealed();
        tool.runtime_ended(ExecutionStatus::Completed, Json(&json!({ "exit_code": 0, "stdout": text, "stderr": "" })));
        self.report("tool_call_runtime_ended", &name);
        let (name, text) = self.sealed();
        tool.result(Json(&json!({ "type": "code_mode_response", "value": text })));
        tool.complete();
        self.report("tool_call_ended", &name);
    }

    fn cell(&mut self, turn: &Turn) {
        let id = self.name();
        let cell = turn.code_cell(CodeCellMeta::new("run()").id(&id).call_id(&format!("call of {id}")));
        let inner = self.name();
        drop(cell.tool_call(ToolCallMeta::new("look").id(&inner)));
        self.report("code_cell_started", &id);
        self.report("tool_call_ended", &inner);
        let (name, text) = self.sealed();
        cell.responded(CellStatus::Yielded, Json(&json!({ "response": { "text": text } })));
        self.report("code_cell_initial_response", &name);
        let (name, text) = self.sealed();
        cell.ended(CellStatus::Completed, Json(&json!({ "response": { "text": text } })));
        self.report("code_cell_ended", &name);
    }

    fn compaction(&mut self, turn: &Turn) {
        let compaction = turn.compaction(MODEL);
        let (name, text) = self.sealed();
        compaction.request(Json(&json!({ "input": [message("user", "input_text", &text)] })));
        self.report("compaction_request_started", &name);
        let (name, text) = self.sealed();
        let items = [message("user", "input_text", &text)];
        compaction.response(Json(&json!({ "output_items": items })));
        compaction.installed(Json(&json!({ "input_history": [], "replacement_history": items })));
        self.report("compaction_installed", &name);
        compaction.complete();
        self.report("compaction_request_completed", &name);
    }

    /// Records a run with plain spans.
    pub(crate) fn record_plain_run(&mut self) {
        let call = self.name();
        let (name, text) = self.sealed();
        let input = json!([{ "role": "user", "parts": [{ "type": "text", "content": text }] }]).to_string();
        info_span!("agent", gen_ai.operation.name = "invoke_agent").in_scope(|| {
            let chat = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.provider.name = "p",
                gen_ai.request.model = "m",
                gen_ai.input.messages = input,
                gen_ai.output.messages = Empty,
            );
            chat.in_scope(|| {});
            self.report("inference_started", &name);
            chat.record("gen_ai.output.messages", "[]");
            drop(chat);
            let tool = info_span!(
                "tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "bash",
                gen_ai.tool.call.id = call,
            );
            tool.in_scope(|| {});
            self.report("tool_call_started", &call);
            drop(tool);
            self.report("tool_call_ended", &call);
        });
    }
}

fn message(role: &str, kind: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] })
}

/// Number of threads that record concurrently.
pub(crate) const WORKERS: u64 = 4;

/// Starts the threads that record until the process dies.
pub(crate) fn start(seed: u64) {
    for number in 0..WORKERS {
        thread::spawn(move || Worker::new(number, seed).record_forever());
    }
}

/// Records a run with a single protocol event whose payload is this body.
pub(crate) fn record_body(body: &impl serde::Serialize) {
    AgentThread::start(ThreadMeta::new()).protocol_event("warning", Json(body));
}
