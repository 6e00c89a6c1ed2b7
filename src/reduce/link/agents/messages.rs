//! Indexes the assistant messages of all threads: those that the agent wrote, and those that other agents sent to it.

use std::collections::HashMap;

use super::deliveries::Deliveries;
use crate::event::{Seq, ThreadId, TurnId};
use crate::graph::{ItemId, ItemKind, Role};
use crate::reduce::Work;
use crate::reduce::fold::{Conversations, ThreadTables};

/// An index of the assistant messages of all threads.
#[derive(Default)]
pub(super) struct Messages<'a> {
    /// Messages that an agent wrote, by its thread and turn, in order. Each has the seq of the event that introduced
    /// it.
    own_messages: HashMap<(ThreadId, TurnId), Vec<(Seq, ItemId)>>,
    deliveries: Deliveries<'a>,
}

impl<'a> Messages<'a> {
    /// Indexes the messages of all threads.
    pub(super) fn new(conversations: &'a Conversations, thread_tables: &ThreadTables, work: &mut Work) -> Self {
        let mut messages = Self::default();
        for item in &conversations.items {
            if item.content.kind != ItemKind::Message || item.content.role != Role::Assistant {
                continue;
            }
            work.link_probes += 1;
            let Some(thread) = thread_tables.threads.get(&item.thread_id) else { continue };
            match item.content.delivered_to(&thread.agent_path) {
                Some(message) => messages.deliveries.add(&item.thread_id, message, item.item_id),
                None => {
                    let created = item.evidence.as_slice().first().map(|(seq, _)| *seq);
                    if let Some((turn, seq)) = item.turn_id.clone().zip(created) {
                        messages
                            .own_messages
                            .entry((item.thread_id.clone(), turn))
                            .or_default()
                            .push((seq, item.item_id));
                    }
                }
            }
        }
        messages
    }

    /// Returns the last message that the agent wrote in the turn before the event `seq`. Returns `None` if there is
    /// none.
    pub(super) fn last_message_before(&self, thread: &ThreadId, turn: &TurnId, seq: Seq) -> Option<ItemId> {
        let own_messages = self.own_messages.get(&(thread.clone(), turn.clone()))?;
        let before = own_messages.partition_point(|(created, _)| *created < seq);
        own_messages.get(before.checked_sub(1)?).map(|(_, item)| *item)
    }

    /// Returns the messages that other agents sent.
    pub(super) fn into_deliveries(self) -> Deliveries<'a> {
        self.deliveries
    }
}
