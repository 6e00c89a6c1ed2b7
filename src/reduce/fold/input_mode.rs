//! Checks the input mode of a request, which its event may state, against the request's body.

use super::conversation::{ConversationBuilder, ItemSource};
use crate::event::{RequestInputMode, ResponseId};
use crate::graph::Code;
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ProviderConversationId, Request};

impl ConversationBuilder<'_> {
    /// Reports a request whose event and body contradict each other in what the request continues. A body that continues
    /// nothing contradicts no event: an event may state what the provider's API has no member for.
    pub(super) fn check_input_mode(
        &self,
        source: &ItemSource<'_>,
        mode: &RequestInputMode,
        request: &Request,
        diagnostics: &mut Diagnostics,
    ) {
        let by_body = request.previous_response_id.as_ref();
        let by_event = match mode {
            RequestInputMode::FullSnapshot => None,
            RequestInputMode::Incremental { previous_response_id }
            | RequestInputMode::IncrementalWithUntracedPrefix { previous_response_id, .. } => {
                Some(previous_response_id)
            }
        };
        let contradicts = match (by_event, by_body) {
            // A request that lists everything may continue a call without items, such as a warm-up.
            (None, _) => self.continued_call(source, request).is_some_and(|call| self.has_items(call)),
            (Some(_), None) => false,
            (Some(by_event), Some(by_body)) => by_event != by_body,
        };
        if contradicts {
            let message = format!(
                "{} continues {} by its event, but {} by its body; the event decides",
                source.subject,
                continued(by_event, None),
                continued(by_body, request.conversation_id.as_ref())
            );
            diagnostics.add(source.at, Code::InputModeConflict, message, Some(source.payload));
        }
    }

    /// Returns the index of the completed call that the body of a request continues. Returns `None` if there is none.
    fn continued_call(&self, source: &ItemSource<'_>, request: &Request) -> Option<usize> {
        match (&request.previous_response_id, &request.conversation_id) {
            (Some(response), _) => self.by_response_id.get(&(source.thread.clone(), response.clone())).copied(),
            (None, Some(conversation)) => self.server_conversations.last_completed(source.thread, conversation),
            (None, None) => None,
        }
    }

    /// Returns `true` if the request or the response of a call has items.
    fn has_items(&self, call: usize) -> bool {
        let request = self.requests.get(&call).copied().flatten();
        self.paths.len(request) > 0 || self.responses.get(&call).is_some_and(|items| !items.is_empty())
    }
}

/// Returns the name of what a request continues, for messages of diagnostics.
fn continued(response: Option<&ResponseId>, conversation: Option<&ProviderConversationId>) -> String {
    match (response, conversation) {
        (Some(response), _) => format!("response {response}"),
        (None, Some(conversation)) => format!("conversation {conversation}"),
        (None, None) => "nothing".to_owned(),
    }
}
