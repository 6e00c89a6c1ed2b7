//! The conversations that a provider keeps, which requests continue by their ids.

use std::collections::{HashMap, HashSet};

use super::conversation::ItemSource;
use crate::event::ThreadId;
use crate::graph::Code;
use crate::reduce::Diagnostics;
use crate::reduce::decode::ProviderConversationId;

/// The conversations that a provider keeps, and the calls that belong to them.
#[derive(Default)]
pub(super) struct ServerConversations {
    /// The conversation that the request or the response of a call names, by the index of the call.
    by_call: HashMap<usize, ProviderConversationId>,
    /// Index of the call that completed last, of those of one thread and one conversation.
    last_completed: HashMap<(ThreadId, ProviderConversationId), usize>,
    reported: HashSet<ProviderConversationId>,
    /// The fields and ids of content that the provider keeps and that was reported.
    reported_content: HashSet<(&'static str, Box<str>)>,
}

impl ServerConversations {
    /// Assigns a call to the conversation that its request or response names. Reports each conversation once: the
    /// provider may have added to it what no recorded call contains.
    ///
    /// `source` is the request or the response.
    pub(super) fn assign(
        &mut self,
        source: &ItemSource<'_>,
        call: usize,
        conversation: &ProviderConversationId,
        diagnostics: &mut Diagnostics,
    ) {
        self.by_call.insert(call, conversation.clone());
        if self.reported.insert(conversation.clone()) {
            let message = format!(
                "{} belongs to conversation {conversation}, which the provider keeps: what it contained before the \
                 first recorded call, and what others added to it, is not in the evidence, so the model may have seen \
                 more than the listed items",
                source.subject
            );
            diagnostics.add(source.at, Code::ServerSideHistory, message, Some(source.payload));
        }
    }

    /// Reports content that the provider keeps and adds to a conversation, once for each content. `content` is the
    /// field of the request that names it, and its id.
    pub(super) fn report_content(
        &mut self,
        source: &ItemSource<'_>,
        content: &(&'static str, Box<str>),
        diagnostics: &mut Diagnostics,
    ) {
        if self.reported_content.insert(content.clone()) {
            let (field, id) = content;
            let message = format!(
                "{} names {id} in `{field}`, which the provider keeps: the model saw what it contains, which is not in \
                 the evidence",
                source.subject
            );
            diagnostics.add(source.at, Code::ServerSideContent, message, Some(source.payload));
        }
    }

    /// Sets the call, which has completed, as the one that the next request of its conversation continues.
    pub(super) fn complete(&mut self, thread: &ThreadId, call: usize) {
        if let Some(conversation) = self.by_call.get(&call) {
            self.last_completed.insert((thread.clone(), conversation.clone()), call);
        }
    }

    /// Returns the index of the call of the thread and the conversation that completed last. Returns `None` if none
    /// has completed.
    pub(super) fn last_completed(&self, thread: &ThreadId, conversation: &ProviderConversationId) -> Option<usize> {
        self.last_completed.get(&(thread.clone(), conversation.clone())).copied()
    }
}
