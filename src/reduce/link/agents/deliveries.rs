//! Pairs the messages that agents sent with the items that delivered them.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::event::{AgentPath, ThreadId};
use crate::graph::{DeliveredMessage, ItemId};

/// The receiving thread and the text of a message.
type MessageKey<'a> = (&'a ThreadId, &'a str);

/// The items that deliver messages of other agents, each to be taken once.
#[derive(Default)]
pub(super) struct Deliveries<'a> {
    /// For each receiving thread and text, the index of the items in `items`.
    by_message: HashMap<MessageKey<'a>, usize>,
    items: Vec<DeliveringItems<'a>>,
    taken: HashSet<ItemId>,
}

/// The items that deliver one text to one thread, in order of item number.
#[derive(Default)]
struct DeliveringItems<'a> {
    all: VecDeque<ItemId>,
    /// Those of the items that name an author, by author.
    by_author: HashMap<&'a str, VecDeque<ItemId>>,
    /// Those of the items that name no author.
    without_author: VecDeque<ItemId>,
}

impl<'a> Deliveries<'a> {
    /// Adds an item that delivers a message to a thread. Ignores a message that is no single text.
    pub(super) fn add(&mut self, thread: &'a ThreadId, message: &'a DeliveredMessage, item: ItemId) {
        let Some(text) = message.text.as_deref() else { return };
        let index = *self.by_message.entry((thread, text)).or_insert(self.items.len());
        if index == self.items.len() {
            self.items.push(DeliveringItems::default());
        }
        if let Some(items) = self.items.get_mut(index) {
            items.all.push_back(item);
            match message.author.as_deref() {
                Some(author) => items.by_author.entry(author).or_default().push_back(item),
                None => items.without_author.push_back(item),
            }
        }
    }

    /// Takes the first item left that delivers the text to the thread and names the author. Returns `None` if there is
    /// none.
    pub(super) fn take_from(&mut self, thread: &ThreadId, text: &str, author: &AgentPath) -> Option<ItemId> {
        self.take(thread, text, |items| items.by_author.get_mut(author.as_str()))
    }

    /// Takes the first item left that delivers the text to the thread and whose author cannot differ from `author`,
    /// because one of the two is unknown. Returns `None` if there is none.
    pub(super) fn take_unattributed(
        &mut self,
        thread: &ThreadId,
        text: &str,
        author: Option<&AgentPath>,
    ) -> Option<ItemId> {
        self.take(thread, text, |items| match author {
            Some(_) => Some(&mut items.without_author),
            None => Some(&mut items.all),
        })
    }

    /// Takes the first item left of the queue that `select` returns.
    fn take(
        &mut self,
        thread: &ThreadId,
        text: &str,
        select: impl for<'q> FnOnce(&'q mut DeliveringItems<'a>) -> Option<&'q mut VecDeque<ItemId>>,
    ) -> Option<ItemId> {
        let index = *self.by_message.get(&(thread, text))?;
        let queue = select(self.items.get_mut(index)?)?;
        while let Some(item) = queue.pop_front() {
            if self.taken.insert(item) {
                return Some(item);
            }
        }
        None
    }
}
