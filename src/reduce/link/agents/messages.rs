//! What agents said, and what was delivered to them.

use std::collections::{HashMap, VecDeque};

use crate::event::{Seq, ThreadId, TurnId};
use crate::graph::{ItemId, ItemKind, Role};
use crate::reduce::Work;
use crate::reduce::fold::{Lives, Talk};

/// The assistant messages of all threads.
#[derive(Default)]
pub(super) struct Messages {
    /// What an agent itself said in a turn, in order.
    said: HashMap<(ThreadId, TurnId), Vec<(Seq, ItemId)>>,
    delivered: Deliveries,
}

/// Delivered messages by thread and text, in order of item number.
#[derive(Default)]
pub(super) struct Deliveries(HashMap<(ThreadId, Box<str>), VecDeque<ItemId>>);

impl Messages {
    pub(super) fn of(talk: &Talk, lives: &Lives, work: &mut Work) -> Self {
        let mut messages = Self::default();
        for item in &talk.items {
            if item.content.kind != ItemKind::Message || item.content.role != Role::Assistant {
                continue;
            }
            work.link_probes += 1;
            let Some(thread) = lives.threads.get(&item.thread_id) else { continue };
            match item.content.delivered_to(&thread.agent_path) {
                Some(Some(text)) => {
                    let key = (item.thread_id.clone(), text.into());
                    messages.delivered.0.entry(key).or_default().push_back(item.item_id);
                }
                Some(None) => {}
                None => {
                    let created = item.evidence.as_slice().first().map(|(seq, _)| *seq);
                    if let Some((turn, seq)) = item.turn_id.clone().zip(created) {
                        messages.said.entry((item.thread_id.clone(), turn)).or_default().push((seq, item.item_id));
                    }
                }
            }
        }
        messages
    }

    /// The last message that the agent said in that turn before this event.
    pub(super) fn last_said_before(&self, thread: &ThreadId, turn: &TurnId, seq: Seq) -> Option<ItemId> {
        let said = self.said.get(&(thread.clone(), turn.clone()))?;
        let before = said.partition_point(|(created, _)| *created < seq);
        said.get(before.checked_sub(1)?).map(|(_, item)| *item)
    }

    pub(super) fn into_deliveries(self) -> Deliveries {
        self.delivered
    }
}

impl Deliveries {
    /// The first message of that text to that thread that was not taken before.
    pub(super) fn take(&mut self, thread: &ThreadId, text: &str) -> Option<ItemId> {
        self.0.get_mut(&(thread.clone(), text.into()))?.pop_front()
    }
}
