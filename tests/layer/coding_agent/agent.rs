//! One agent of the program: its history, its requests to a model and its tools.

use std::cell::RefCell;

use otel_trace::event::{ExecutionStatus, RolloutStatus};
use otel_trace::{
    AgentThread, CodeCell, CodeCellMeta, Inference, Json, Model, Operation, ThreadMeta, ToolCall, ToolCallMeta, Turn,
};
use serde_json::{Value, json};

use super::bodies;
use super::deeds::{CallDeed, CellDeed, Deeds, ThreadDeed, ToolDeed, TurnDeed};

pub(super) const MODEL: Model<'_> = Model { name: "gpt-5-mini", provider: "openai" };

/// An agent with the conversation that its model sees.
pub(super) struct Agent<'a> {
    deeds: &'a RefCell<Deeds>,
    thread: AgentThread,
    id: &'static str,
    path: &'static str,
    /// What the model has seen and written.
    history: Vec<Value>,
    /// What the next request adds.
    pending: Vec<Value>,
    previous_response: Option<String>,
}

/// How a request gives the history.
#[derive(Clone, Copy)]
pub(super) enum Sending {
    Whole,
    /// As what follows the previous response.
    Delta,
}

/// How a request ends.
pub(super) enum Answer<'a> {
    Items(&'a str, Vec<Value>),
    Failure(&'a str),
}

/// A turn that runs.
pub(super) struct RunningTurn {
    pub(super) turn: Turn,
    pub(super) id: &'static str,
}

impl<'a> Agent<'a> {
    /// Starts an agent. `start` starts its thread: as a root, or spawned by a tool.
    pub(super) fn start(
        deeds: &'a RefCell<Deeds>,
        (id, path, parent): (&'static str, &'static str, Option<&str>),
        start: impl FnOnce(ThreadMeta<'_>) -> AgentThread,
    ) -> Self {
        let thread = start(ThreadMeta::new().id(id).agent_path(path));
        let parent = parent.map(str::to_owned);
        let deed = ThreadDeed { path: path.to_owned(), parent, status: RolloutStatus::Running };
        deeds.borrow_mut().threads.push(deed);
        Self { deeds, thread, id, path, history: Vec::new(), pending: Vec::new(), previous_response: None }
    }

    pub(super) fn id(&self) -> &'static str {
        self.id
    }

    pub(super) fn path(&self) -> &'static str {
        self.path
    }

    pub(super) fn thread(&self) -> &AgentThread {
        &self.thread
    }

    pub(super) fn deeds(&self) -> &'a RefCell<Deeds> {
        self.deeds
    }

    pub(super) fn history(&self) -> &[Value] {
        &self.history
    }

    /// Adds an item to the next request.
    pub(super) fn add(&mut self, item: Value) {
        self.pending.push(item);
    }

    /// Replaces the history by a shorter one.
    pub(super) fn replace_history(&mut self, history: Vec<Value>) {
        self.history = history;
        self.previous_response = None;
    }

    pub(super) fn start_turn(&self, id: &'static str) -> RunningTurn {
        self.thread.protocol_event("turn_started", Json(&json!({ "turn_id": id })));
        let turn = self.thread.turn(Some(id.into()));
        self.deeds.borrow_mut().turns.push(TurnDeed { id: id.to_owned(), status: ExecutionStatus::Running });
        RunningTurn { turn, id }
    }

    pub(super) fn complete_turn(&self, turn: &RunningTurn) {
        turn.turn.complete();
        self.thread.protocol_event("turn_complete", Json(&json!({ "turn_id": turn.id })));
        self.set_turn_status(turn, ExecutionStatus::Completed);
    }

    pub(super) fn interrupt_turn(&self, turn: &RunningTurn) {
        turn.turn.cancel("interrupted");
        self.thread.protocol_event("turn_aborted", Json(&json!({ "turn_id": turn.id, "reason": "interrupted" })));
        self.set_turn_status(turn, ExecutionStatus::Cancelled);
    }

    fn set_turn_status(&self, turn: &RunningTurn, status: ExecutionStatus) {
        let mut deeds = self.deeds.borrow_mut();
        deeds.turns.iter_mut().find(|deed| deed.id == turn.id).unwrap().status = status;
    }

    pub(super) fn end(&self, status: RolloutStatus) {
        match status {
            RolloutStatus::Aborted => self.thread.cancel("interrupted"),
            RolloutStatus::Completed | RolloutStatus::Failed | RolloutStatus::Running => self.thread.complete(),
        }
        let mut deeds = self.deeds.borrow_mut();
        deeds.threads.iter_mut().find(|deed| deed.path == self.path).unwrap().status = status;
    }

    /// Sends a request, and leaves it open.
    pub(super) fn open_call(&mut self, turn: &RunningTurn, sending: Sending) -> Inference {
        let whole = || self.history.iter().chain(&self.pending).cloned().collect();
        let mut body = json!({ "model": MODEL.name, "stream": true });
        body["input"] = match sending {
            Sending::Whole => Value::Array(whole()),
            Sending::Delta => Value::Array(self.pending.clone()),
        };
        if let (Sending::Delta, Some(previous)) = (sending, &self.previous_response) {
            body["previous_response_id"] = json!(previous);
        }
        let call = turn.turn.inference(MODEL);
        call.request(Json(&body));
        let mut deeds = self.deeds.borrow_mut();
        for item in &self.pending {
            let shown = deeds.tools.iter_mut().find(|tool| item["call_id"] == *tool.id);
            shown.into_iter().for_each(|tool| tool.outputs = 1);
        }
        deeds.calls.push(CallDeed {
            turn: turn.id.to_owned(),
            status: ExecutionStatus::Running,
            response_id: None,
            error: None,
            seen: self.history.len() + self.pending.len(),
            written: 0,
            asked_for: Vec::new(),
        });
        call
    }

    /// Sends a request and records its end.
    pub(super) fn ask(&mut self, turn: &RunningTurn, sending: Sending, answer: Answer<'_>) {
        let call = self.open_call(turn, sending);
        let mut deeds = self.deeds.borrow_mut();
        let deed = deeds.calls.last_mut().unwrap();
        match answer {
            Answer::Failure(error) => {
                call.fail(error);
                (deed.status, deed.error) = (ExecutionStatus::Failed, Some(error.to_owned()));
            }
            Answer::Items(id, items) => {
                call.first_token();
                call.response_id(id);
                call.no_upstream_request_id();
                call.response(Json(&bodies::response(id, &items)));
                call.complete();
                let asked_for = items
                    .iter()
                    .filter(|item| item["name"] != "exec")
                    .filter_map(|item| Some(item["call_id"].as_str()?.to_owned()));
                deed.asked_for = asked_for.collect();
                deed.status = ExecutionStatus::Completed;
                deed.response_id = Some(id.to_owned());
                deed.written = items.len();
                self.history.append(&mut self.pending);
                self.history.extend(items);
                self.previous_response = Some(id.to_owned());
            }
        }
    }

    /// Starts a tool call that the model asked for.
    pub(super) fn tool(&self, turn: &RunningTurn, id: &str, meta: ToolCallMeta<'_>) -> ToolCall {
        self.add_tool(turn, id, None);
        turn.turn.tool_call(meta.id(id))
    }

    /// Starts a tool call that a script makes. `runtime_id` is the id that the script's runtime gave it.
    pub(super) fn nested_tool(
        &self,
        turn: &RunningTurn,
        (cell, script): (&CodeCell, &str),
        (id, runtime_id): (&str, &str),
        meta: ToolCallMeta<'_>,
    ) -> ToolCall {
        self.add_tool(turn, id, Some(script.to_owned()));
        let mut deeds = self.deeds.borrow_mut();
        deeds.cells.iter_mut().find(|deed| deed.call == script).unwrap().nested.push(id.to_owned());
        cell.tool_call(meta.id(id).runtime_id(runtime_id))
    }

    fn add_tool(&self, turn: &RunningTurn, id: &str, script: Option<String>) {
        let (id, turn) = (id.to_owned(), turn.id.to_owned());
        let deed = ToolDeed { id, turn, status: ExecutionStatus::Running, script, outputs: 0 };
        self.deeds.borrow_mut().tools.push(deed);
    }

    /// Ends a tool call with its output, which the next request shows to the model.
    pub(super) fn finish_tool(&mut self, id: &str, tool: &ToolCall, output: Value) {
        tool.output(output["output"].as_str().unwrap());
        tool.complete();
        self.set_tool_status(id, ExecutionStatus::Completed);
        self.add(output);
    }

    pub(super) fn set_tool_status(&self, id: &str, status: ExecutionStatus) {
        let mut deeds = self.deeds.borrow_mut();
        deeds.tools.iter_mut().find(|deed| deed.id == id).unwrap().status = status;
    }

    /// Starts a script that the model wrote.
    pub(super) fn script(&self, turn: &RunningTurn, (call, cell): (&str, &str), source: &str) -> CodeCell {
        let status = otel_trace::CellStatus::Running;
        let deed = CellDeed { call: call.to_owned(), status, has_yielded: false, nested: vec![], waits: vec![] };
        self.deeds.borrow_mut().cells.push(deed);
        turn.turn.code_cell(CodeCellMeta::new(source).id(cell).call_id(call))
    }
}
