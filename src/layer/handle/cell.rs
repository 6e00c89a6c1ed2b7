//! The handle of a code cell.

use std::sync::Arc;

use tracing::info_span;

use super::{HANDLE_TARGET, Handle, ToolCall, ToolCallMeta, operation, within};
use crate::bundle::Body;
use crate::event::{CellStatus, Timestamp};
use crate::layer::operation::{CellFacts, CodeCellOperation};
use crate::layer::operations::{ChildOperation, Operations};

/// A code cell: a script that a model wrote and a runtime runs. Made by [`Turn::code_cell`](super::Turn::code_cell),
/// before the script runs.
///
/// The call that brought the script gets a first [`response`](Self::responded). A script that yields runs on, and may
/// be waited for later, in another turn too: keep the handle until then. Dropped after a yield it writes no end,
/// dropped without a response it was terminated.
///
/// ```
/// use otel_trace::{ToolCallMeta, CellStatus, Json, CodeCellMeta, AgentThread, ThreadMeta, Operation};
/// use serde_json::json;
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let cell = turn.code_cell(CodeCellMeta::new("await tools.exec_command('cargo test')").id("1").call_id("call_1"));
/// let nested = cell.tool_call(ToolCallMeta::new("exec_command"));
/// cell.responded(CellStatus::Yielded, Json(&json!({ "response": { "Yielded": { "cell_id": "1" } } })));
/// nested.output("ok");
/// nested.complete();
/// cell.ended(CellStatus::Completed, Json(&json!({ "response": { "Result": { "cell_id": "1" } } })));
/// ```
#[derive(Debug, Clone)]
pub struct CodeCell(Handle);

operation!(CodeCell);

/// What a code cell runs.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct CodeCellMeta<'a> {
    source: &'a str,
    id: Option<&'a str>,
    call_id: Option<&'a str>,
}

impl<'a> CodeCellMeta<'a> {
    /// This source.
    pub fn new(source: &'a str) -> Self {
        Self { source, id: None, call_id: None }
    }

    /// The cell, as its runtime numbered it.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The provider's id of the call that brought the script: it links the cell to the model's items.
    pub fn call_id(self, id: &'a str) -> Self {
        Self { call_id: Some(id), ..self }
    }

    fn facts(&self) -> CellFacts {
        let Self { source, id, call_id } = *self;
        CellFacts { runtime_id: id.map(str::to_owned), call_id: call_id.map(str::to_owned), source: source.to_owned() }
    }
}

impl CodeCell {
    pub(super) fn start(turn: &Handle, script: CodeCellMeta<'_>) -> Self {
        let make = || {
            info_span!(
                target: HANDLE_TARGET,
                parent: turn.span(),
                "code_cell",
                otel_trace.kind = "code_cell",
                otel_trace.code_cell.id = script.id,
                gen_ai.tool.call.id = script.call_id,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        let span = within(turn.span(), make);
        Self(Handle::new(span, |state| {
            let Some(turn) = state.surroundings().turn else { return };
            let cell = CodeCellOperation::new(turn, script.facts(), state.live().clone());
            state.open(ChildOperation::Cell(Arc::clone(&cell)).into());
            cell.start(Timestamp::now());
        }))
    }

    fn each(&self, act: impl Fn(&Arc<CodeCellOperation>)) {
        self.0.each(Operations::cell, act);
    }

    /// The call that brought the script returned, with a `tool_result` body: `Yielded` where the script runs on, else
    /// how it ended, which ends the cell too.
    pub fn responded(&self, status: CellStatus, body: impl Body) {
        self.each(|cell| cell.respond(status, &body));
    }

    /// The script ended after it had yielded, with a `tool_result` body.
    pub fn ended(&self, status: CellStatus, body: impl Body) {
        self.each(|cell| cell.ended(status, &body));
    }

    /// Starts a tool call that the script asks for. The call's id is that of the cell's runtime.
    pub fn tool_call(&self, call: ToolCallMeta<'_>) -> ToolCall {
        ToolCall::start(&self.0, call)
    }
}
