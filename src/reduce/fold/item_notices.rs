//! Reports peculiarities of conversation items.

use std::collections::HashSet;

use super::item_source::ItemSource;
use crate::event::ThreadId;
use crate::graph::{Code, Content};
use crate::reduce::Diagnostics;
use crate::reduce::decode::ItemNotice;

/// The reports of peculiarities of items, some of which are given once for each thread.
#[derive(Debug, Default)]
pub(super) struct ItemNotices {
    /// Threads with calls or outputs that have no ids but name their tools. Some APIs define no ids.
    named_without_ids: HashSet<ThreadId>,
}

impl ItemNotices {
    /// Reports a peculiarity of an item.
    pub(super) fn report(
        &mut self,
        source: &ItemSource<'_>,
        content: &Content,
        notice: &ItemNotice,
        diagnostics: &mut Diagnostics,
    ) {
        let ItemSource { at, thread, subject, payload, .. } = source;
        let (code, message) = match notice {
            ItemNotice::UnknownType(unknown) => (
                Code::UnknownItemType,
                format!("{subject} has an item of unknown type {unknown:?}, which is kept as JSON"),
            ),
            ItemNotice::CallWithoutId => {
                let kind = if content.kind.is_call() { "a call" } else { "the output of a call" };
                let effect = match &content.name {
                    Some(_) if !self.named_without_ids.insert((*thread).clone()) => return,
                    Some(name) => format!(
                        "thread {thread} may have more, which are not reported; nothing but the name of its tool, {name}, \
                         can link it"
                    ),
                    None => "it cannot be linked to a tool call".to_owned(),
                };
                (Code::CallWithoutId, format!("{subject} has {kind} without an id; {effect}"))
            }
            ItemNotice::UnknownReference(id) => (
                Code::UnknownReference,
                format!(
                    "{subject} refers to item {id}, which no earlier item of thread {thread} is; the reference is kept \
                     as an item"
                ),
            ),
        };
        diagnostics.add(*at, code, message, Some(payload));
    }
}
