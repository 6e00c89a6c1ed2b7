//! The ids of operations in the log: [`OperationIds`].

use crate::event::{CompactionId, CompactionRequestId, InferenceId, RuntimeCellId, ThreadId, ToolCallId, TurnId};
use crate::layer::span::operations::{ChildOperation, Enclosing, Operations};
use crate::mask::Masking;

/// The ids of an operation, and of the operations that enclose it, as the log has them. `None` for operations that there
/// are not, or that are not recorded. Returned by [`Operation::ids`](super::Operation::ids).
///
/// An id may differ from the one that the program gave: ids are unique in their bundle, and secrets in them are
/// [masked](crate::Masking). Operations are found by the ids that the program gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationIds {
    /// The thread.
    pub thread: Option<ThreadId>,
    /// The turn.
    pub turn: Option<TurnId>,
    /// The inference call.
    pub inference: Option<InferenceId>,
    /// The tool call.
    pub tool_call: Option<ToolCallId>,
    /// The code cell.
    pub code_cell: Option<RuntimeCellId>,
    /// The compaction, whose requests all have this id.
    pub compaction: Option<CompactionId>,
    /// The compaction request.
    pub compaction_request: Option<CompactionRequestId>,
}

impl OperationIds {
    /// Masks the secrets in the ids, as in the log.
    pub(super) fn masked_by(self, masking: &Masking) -> Self {
        fn masked<I: AsRef<str> + From<String> + Clone>(masking: &Masking, id: Option<I>) -> Option<I> {
            id.map(|id| masking.masked_id(&id).into_owned())
        }
        let Self { thread, turn, inference, tool_call, code_cell, compaction, compaction_request } = self;
        Self {
            thread: masked(masking, thread),
            turn: masked(masking, turn),
            inference: masked(masking, inference),
            tool_call: masked(masking, tool_call),
            code_cell: masked(masking, code_cell),
            compaction: masked(masking, compaction),
            compaction_request: masked(masking, compaction_request),
        }
    }

    /// Returns the ids of the operations that a span opened, and of those that enclose them.
    pub(super) fn from_operations(operations: &Operations) -> Self {
        let enclosing = Enclosing::within(operations).unwrap_or_default();
        let mut ids = Self {
            thread: enclosing.thread.and_then(|thread| thread.id().cloned()),
            turn: enclosing.turn.and_then(|turn| turn.id().cloned()),
            ..Self::default()
        };
        match &operations.child {
            Some(ChildOperation::Inference(inference)) => ids.inference = inference.allocate_id().cloned(),
            Some(ChildOperation::Tool(tool)) => ids.tool_call = tool.id().cloned(),
            Some(ChildOperation::Cell(cell)) => ids.code_cell = cell.id().cloned(),
            Some(ChildOperation::Compaction(compaction)) => {
                let (id, request_id) = compaction.allocate_ids().unzip();
                ids.compaction = id.cloned();
                ids.compaction_request = request_id.cloned();
            }
            None => {}
        }
        ids
    }
}
