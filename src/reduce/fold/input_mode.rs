//! Checks the input mode of a request, which its event may state, against the request's body.

use super::conversation::{ConversationBuilder, ItemSource};
use crate::event::{RequestInputMode, ResponseId};
use crate::graph::Code;
use crate::reduce::Diagnostics;

impl ConversationBuilder<'_> {
    /// Reports a request whose event and body name different responses that it continues. `by_body` is the response
    /// that the body names. A body that names none contradicts no event: an event may state what an API has no member
    /// for.
    pub(super) fn check_input_mode(
        &self,
        source: &ItemSource<'_>,
        mode: &RequestInputMode,
        by_body: Option<&ResponseId>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(by_body) = by_body else { return };
        let by_event = match mode {
            RequestInputMode::FullSnapshot => None,
            RequestInputMode::Incremental { previous_response_id }
            | RequestInputMode::IncrementalWithUntracedPrefix { previous_response_id, .. } => {
                Some(previous_response_id)
            }
        };
        let contradicts = match by_event {
            Some(by_event) => by_event != by_body,
            // A request that lists everything may continue a response without items, such as that of a warm-up.
            None => self.continues_items(source, by_body),
        };
        if contradicts {
            let by_event = by_event.map_or_else(|| "no response".to_owned(), |response| format!("response {response}"));
            let message = format!(
                "{} continues {by_event} by its event, but response {by_body} by its body; the event decides",
                source.subject
            );
            diagnostics.add(source.at, Code::InputModeConflict, message, Some(source.payload));
        }
    }

    /// Returns `true` if the thread has a completed call with this response id whose request or response has items.
    fn continues_items(&self, source: &ItemSource<'_>, response: &ResponseId) -> bool {
        let Some(call) = self.by_response_id.get(&(source.thread.clone(), response.clone())) else { return false };
        let request = self.requests.get(call).copied().flatten();
        self.paths.len(request) > 0 || self.responses.get(call).is_some_and(|items| !items.is_empty())
    }
}
