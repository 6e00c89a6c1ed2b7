//! The calls of tools that models asked for in a turn.

use std::borrow::Cow;
use std::sync::Arc;

use super::turn::TurnOperation;
use crate::layer::session::Session;
use crate::layer::session::reentrancy::lock;

impl TurnOperation {
    /// Adds the ids of calls of tools that a model asked for.
    pub(super) fn add_requested_calls(self: &Arc<Self>, calls: Vec<String>) {
        for call in &calls {
            self.session().requested_calls().add(call, self);
        }
        lock(&self.requested_calls).extend(calls);
    }

    /// Removes the id of a call for which a tool call has started.
    pub(super) fn remove_requested_call(&self, call: &str) {
        let call = &*masked(self.session(), call);
        let mut calls = lock(&self.requested_calls);
        if let Some(index) = calls.iter().position(|requested| requested == call) {
            calls.swap_remove(index);
            drop(calls);
            self.session().requested_calls().remove(call, self);
        }
    }

    /// Returns the only open turn in which a model asked for the call `call` and no tool call has started for it. Returns
    /// `None` if there are several, as where a provider numbers the calls of each message.
    pub(in crate::layer) fn that_asked_for(session: &Session, call: &str) -> Option<Arc<Self>> {
        session.requested_calls().only_turn(&masked(session, call))
    }

    /// Returns the turn in which a model [asked for](Self::that_asked_for) the call `call`, if it is that of an agent that
    /// spans in this turn's thread name.
    pub(in crate::layer) fn agent_that_asked_for(&self, call: &str) -> Option<Arc<Self>> {
        Self::that_asked_for(self.session(), call).filter(|turn| turn.thread().is_agent_of(self.thread()))
    }

    /// Forgets the calls for which no tool call has started, because the turn ends.
    pub(super) fn forget_requested_calls(self: &Arc<Self>) {
        for call in std::mem::take(&mut *lock(&self.requested_calls)) {
            self.session().requested_calls().remove(&call, &**self);
        }
    }
}

/// Returns the id of a call as the response has it that was recorded: with its secrets masked.
fn masked<'c>(session: &Session, call: &'c str) -> Cow<'c, str> {
    session.options.masking.id(call).map_or(Cow::Borrowed(call), Cow::Owned)
}
