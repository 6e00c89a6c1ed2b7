//! Folds the requests of inference calls.

use super::state::{FirstRequest, InferenceFold, with_hint};
use crate::event::InferenceStarted;
use crate::graph::{Code, ItemId, Pointer};
use crate::reduce::Diagnostics;
use crate::reduce::decode::{ConversationFact, Logged, Payload, Request, RequestItems};
use crate::reduce::fold::conversation::ItemSource;
use crate::reduce::fold::history_edits::COMPACTION;
use crate::reduce::fold::provider_compactions::RequestCompaction;

impl InferenceFold<'_> {
    /// Adds the request of an inference call to the conversation of its thread.
    pub(super) fn request(
        &mut self,
        at: &Logged<ConversationFact>,
        index: usize,
        event: &InferenceStarted,
        request: &Payload<Request>,
        prefix: Option<&Payload<Request>>,
        diagnostics: &mut Diagnostics,
    ) {
        let Some(call) = self.calls.get_index_mut(index) else { return };
        let payload = &call.raw_request_payload_id;
        let subject = format!("the request of inference call {}", call.inference_call_id);
        let request = match request {
            Ok(request) => request,
            Err(unusable) => {
                diagnostics.add(
                    at,
                    unusable.code,
                    format!("{subject} is treated as absent: {}", unusable.reason),
                    Some(payload),
                );
                return;
            }
        };
        let Request {
            items,
            previous_response_id: _,
            conversation_id,
            server_side_content,
            instructions,
            separate_instructions: _,
            tools,
            permitted_edits,
            unread,
        } = &**request;
        let pointer = |pointer| Pointer { raw_payload_id: payload.clone(), pointer };
        call.instructions = instructions.clone().map(pointer);
        call.tools = tools.clone().map(pointer);
        let source =
            ItemSource { at, thread: &call.thread_id, turn: &call.turn_id, payload, producer: None, subject: &subject };
        if let Some(conversation) = conversation_id {
            self.conversation.server_conversations.assign(&source, index, conversation, diagnostics);
        }
        let possible = self.history_edits.permit(index, permitted_edits);
        call.history_edits = self.history_edits.possible(&source, possible, &[], diagnostics);
        if let Some(content) = server_side_content {
            self.conversation.server_conversations.report_content(&source, content, diagnostics);
        }
        let items = match items {
            RequestItems::Listed(items) => items,
            RequestItems::NotRecorded => {
                let message = with_hint(
                    &mut self.hint_given,
                    format!("{subject} was recorded without its body, so the input of the model is unknown"),
                );
                diagnostics.add(at, Code::RequestUnknown, message, Some(payload));
                return;
            }
            RequestItems::UnknownShape => {
                let message = format!("{subject} has no list of items, so the input of the model is unknown");
                diagnostics.add(at, Code::BadPayload, message, Some(payload));
                return;
            }
        };
        self.unread_fields.report(at, &subject, payload, unread, diagnostics);
        if let Some(Ok(prefix)) = prefix {
            self.unread_fields.report(at, &format!("the prefix of {subject}"), payload, &prefix.unread, diagnostics);
        }
        let mode = event.request_input_mode.as_deref();
        if let Some(mode) = mode {
            self.conversation.check_input_mode(&source, mode, request.previous_response_id.as_ref(), diagnostics);
        }
        let first_new = ItemId::from_index(self.conversation.items.len());
        call.request = self.conversation.add_request(&source, index, mode, request, prefix, items, diagnostics);
        match self.conversation.compaction_in_request(index, items) {
            RequestCompaction::None => {}
            RequestCompaction::Drops(item) => call.compacted_before = Some(item),
            RequestCompaction::MayDrop => {
                let possible = vec![COMPACTION.into()];
                call.history_edits.extend(self.history_edits.possible(&source, possible, &[], diagnostics));
            }
        }
        if self.turns_with_request.insert(call.turn_id.clone()) {
            self.first_requests.push(FirstRequest { call: index, first_new });
        }
    }
}
