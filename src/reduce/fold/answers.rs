//! Gives outputs without an id the id of the call that they answer. Some APIs name a tool in its output and not the
//! call: the outputs of a tool stand behind its calls, in their order.

use std::collections::HashMap;
use std::sync::Arc;

use super::conversation::ConversationBuilder;
use crate::event::CallId;
use crate::graph::{Content, ItemId};

/// The last calls of a tool that stand together in a list: no output of the tool stands between them.
#[derive(Default)]
struct CallRun {
    /// The ids of the calls. `None` for a call without one.
    calls: Vec<Option<CallId>>,
    /// Number of outputs behind the calls.
    outputs: usize,
}

impl CallRun {
    fn add_call(&mut self, id: Option<CallId>) {
        if self.outputs > 0 {
            *self = Self::default();
        }
        self.calls.push(id);
    }

    /// Returns the id of the call that the next output answers: the calls in order, then the last of them. Returns
    /// `None` if there is no call, or if it has no id.
    fn answer_next(&mut self) -> Option<CallId> {
        let last = self.calls.len().checked_sub(1)?;
        let answered = self.outputs.min(last);
        self.outputs += 1;
        self.calls.get(answered).cloned().flatten()
    }
}

impl ConversationBuilder<'_> {
    /// Gives those items of a list that are outputs without an id the id of the call of the same name that they answer.
    /// Does nothing if no such output was created since the last list.
    pub(super) fn answer_calls(&mut self, list: &[ItemId]) {
        if !std::mem::take(&mut self.has_unanswering_output) {
            return;
        }
        self.paths.step_count += list.len() as u64;
        let mut runs: HashMap<Box<str>, CallRun> = HashMap::new();
        for id in list {
            let Some(item) = self.items.get_mut(id.index()) else { continue };
            let Content { kind, call_id, name: Some(name), .. } = &*item.content else { continue };
            if kind.is_call() {
                runs.entry(name.clone()).or_default().add_call(call_id.clone());
            } else if kind.is_output()
                && let Some(answered) = runs.get_mut(name).and_then(CallRun::answer_next)
                && call_id.is_none()
            {
                item.content = Arc::new(Content { call_id: Some(answered), ..Content::clone(&item.content) });
            }
        }
    }
}
