//! The handle of a code cell.

use std::sync::Arc;

use tracing::info_span;

use super::operation::impl_operation;
use super::span_handle::Handle;
use super::tool::{ToolCall, ToolCallMeta};
use super::turn::Turn;
use crate::bundle::Body;
use crate::event::{CellStatus, Timestamp};
use crate::layer::operation::{CodeCellFacts, CodeCellOperation};
use crate::layer::span::callsites::HANDLE_TARGET;
use crate::layer::span::operations::{ChildOperation, Operations};

/// A code cell: a script that a model wrote and a runtime runs. Created by [`Turn::code_cell`](super::Turn::code_cell),
/// before the script runs.
///
/// The tool call that submitted the script returns with a first [response](Self::responded). A script that yields runs
/// on, and the program may wait for it later, even in another turn: keep the handle until then. If the last clone of
/// the handle is dropped after the script has yielded, no end is written; if it is dropped without a response, the cell
/// is recorded as terminated.
///
/// ```
/// use otel_trace::{AgentThread, CellStatus, CodeCellMeta, Json, Operation, ThreadMeta, ToolCallMeta};
/// use serde_json::{Value, json};
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let cell = turn.code_cell(CodeCellMeta::new("await tools.exec_command('cargo test')").id("1").call_id("call_1"));
/// let nested = cell.tool_call(ToolCallMeta::new("exec_command").id("exec-1").runtime_id("tool-1"));
/// cell.responded(
///     CellStatus::Yielded,
///     Json(&json!({ "response": { "Yielded": { "cell_id": "1", "content_items": [] } } })),
/// );
/// nested.output("ok");
/// nested.complete();
/// let result = json!({ "cell_id": "1", "content_items": [], "stored_values": {}, "error_text": Value::Null });
/// cell.ended(CellStatus::Completed, Json(&json!({ "response": { "Result": result } })));
/// ```
#[derive(Debug, Clone)]
pub struct CodeCell(pub(super) Handle);

impl_operation!(CodeCell);

/// Attributes of a code cell that starts: its source code, and optional ids.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct CodeCellMeta<'a> {
    source: &'a str,
    id: Option<&'a str>,
    call_id: Option<&'a str>,
    tool_name: Option<&'a str>,
}

impl<'a> CodeCellMeta<'a> {
    /// Creates the attributes of a cell that runs this source code.
    pub fn new(source: &'a str) -> Self {
        Self { source, id: None, call_id: None, tool_name: None }
    }

    /// Sets the cell's id, as assigned by its runtime. Default: a generated id.
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Sets the provider's id of the tool call that submitted the script, which links the cell to the model's items.
    /// Default: the cell's id.
    pub fn call_id(self, id: &'a str) -> Self {
        Self { call_id: Some(id), ..self }
    }

    /// Sets the name of the tool that runs the script, `gen_ai.tool.name`. Default: `exec`.
    pub fn tool_name(self, name: &'a str) -> Self {
        Self { tool_name: Some(name), ..self }
    }

    fn facts(&self) -> CodeCellFacts {
        let Self { source, id, call_id, tool_name } = *self;
        CodeCellFacts {
            runtime_id: id.map(str::to_owned),
            call_id: call_id.map(str::to_owned),
            source: source.to_owned(),
            tool_name: tool_name.map(str::to_owned),
        }
    }
}

impl Turn {
    /// Starts a code cell. Call this before the script runs.
    pub fn code_cell(&self, script: CodeCellMeta<'_>) -> CodeCell {
        CodeCell::start(&self.0, script)
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
                gen_ai.tool.name = script.tool_name,
                gen_ai.tool.call.id = script.call_id,
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty,
            )
        };
        Self(Handle::new_inside(turn, make, |state| {
            let Some(turn) = state.enclosing().turn else { return };
            let cell = CodeCellOperation::new(turn, script.facts(), state.live().clone());
            state.open(ChildOperation::Cell(Arc::clone(&cell)).into());
            cell.start(Timestamp::now());
        }))
    }

    fn for_each(&self, act: impl Fn(&Arc<CodeCellOperation>)) {
        self.0.for_each(Operations::cell, act);
    }

    /// Records that the tool call that submitted the script returned, with a `tool_result` body. `status` is `Yielded`
    /// if the script runs on. Any status of a script that no longer runs also ends the cell.
    pub fn responded(&self, status: CellStatus, body: impl Body) {
        self.for_each(|cell| cell.record_response(status, &body));
    }

    /// Records that the script ended, with a `tool_result` body. Call this for a script that has yielded before.
    pub fn ended(&self, status: CellStatus, body: impl Body) {
        self.for_each(|cell| cell.record_end(status, &body));
    }

    /// Starts a tool call that the script makes. An id that is set in `call` is the one that the cell's runtime gave
    /// the call.
    pub fn tool_call(&self, call: ToolCallMeta<'_>) -> ToolCall {
        ToolCall::start(&self.0, call)
    }
}
