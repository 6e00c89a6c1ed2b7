//! Finds the operations that enclose those of a span.

use std::sync::Arc;

use super::fields::Fields;
use super::operation_kind::OperationKind;
use super::operations::Enclosing;
use super::span_state::SpanState;
use crate::layer::operation::{ThreadOperation, TurnOperation};

impl SpanState {
    /// Records that the span follows from another. A thread that does so is spawned by the thread of the other span.
    pub(super) fn follows(&self, other: &Self) {
        if self.parent.is_some() || self.follows.get().is_some() {
            return;
        }
        // Frameworks chain the spans of calls and tool calls with `follows_from`, which does not make one the parent of
        // the other. Both only share the enclosing operations, and the other span must not be started for this: it may
        // still wait for its name.
        let found = if other.is_child_operation() { other.enclosing() } else { other.child_enclosing() };
        if found.thread.is_some() {
            // Only the first `follows_from` takes effect.
            let _ = self.follows.set(found);
        }
    }

    /// Returns the enclosing operations of the span.
    pub(in crate::layer) fn enclosing(&self) -> Enclosing {
        match &self.parent {
            Some(parent) => parent.child_enclosing(),
            None => self.follows.get().cloned().unwrap_or_default(),
        }
    }

    /// Returns the enclosing operations of spans below this one.
    fn child_enclosing(&self) -> Enclosing {
        let mut innermost = self;
        loop {
            innermost.touch();
            if let Some(found) = innermost.operations().and_then(Enclosing::within) {
                return found;
            }
            match &innermost.parent {
                Some(parent) => innermost = parent,
                None => return innermost.follows.get().cloned().unwrap_or_default(),
            }
        }
    }

    /// Returns the enclosing operations of the span. Ids in its fields take precedence if they name an open thread or
    /// turn.
    pub(super) fn enclosing_for(&self, fields: &Fields) -> Enclosing {
        let mut found = self.enclosing();
        if let Some(id) = &fields.conversation_id
            && !found.thread.as_ref().is_some_and(|thread| thread.has_id(id))
            && let Some(named) = ThreadOperation::find(&self.session, id)
        {
            found = Enclosing { thread: Some(named), ..Enclosing::default() };
        }
        if let (Some(id), Some(thread)) = (&fields.turn_id, &found.thread)
            && let Some(named) = TurnOperation::find(thread, id)
        {
            found.turn = Some(named);
        }
        if let Some(turn) = self.turn_that_asked_for(fields, &found) {
            found = Enclosing { thread: Some(Arc::clone(turn.thread())), turn: Some(turn), ..Enclosing::default() };
        }
        found
    }

    /// Returns the turn in which a model asked for the call of a tool, where neither the ids of the tool's span nor its
    /// position tell the turn: frameworks run tools in tasks of their own, outside of all spans, and the tools of all
    /// agents below one span directly below that span.
    fn turn_that_asked_for(&self, fields: &Fields, found: &Enclosing) -> Option<Arc<TurnOperation>> {
        let (Some(OperationKind::Tool), Some(call)) = (fields.kind(), &fields.call_id) else { return None };
        match found {
            Enclosing { thread: None, .. } => TurnOperation::that_asked_for(&self.session, call.as_str()),
            Enclosing { turn: Some(turn), tool: None, cell: None, .. } if fields.turn_id.is_none() => {
                turn.agent_that_asked_for(call.as_str())
            }
            Enclosing { .. } => None,
        }
    }
}
