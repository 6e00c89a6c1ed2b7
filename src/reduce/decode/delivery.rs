//! Recognizes messages delivered by other agents: items of type `agent_message`, and messages whose only part is their
//! JSON.

use super::draft::{DraftPart, ItemDraft};
use crate::graph::{AgentMessage, DeliveredMessage, ItemKind, Part, Role};
use crate::provider::Object;

/// Returns the message of another agent that a conversation item delivers. Returns `None` if it delivers none.
pub(super) fn delivery(draft: &ItemDraft) -> Option<DeliveredMessage> {
    if let Some(AgentMessage { author, recipient: _ }) = &draft.agent_message {
        let author = (!author.is_empty()).then(|| author.clone());
        return Some(DeliveredMessage { author, recipient: None, text: text_of_item(&draft.parts) });
    }
    if draft.kind != ItemKind::Message || draft.role != Role::Assistant {
        return None;
    }
    let [only] = &*draft.parts else { return None };
    let message = Object::parse(only.part.as_text().filter(|text| text.trim_start().starts_with('{'))?)?;
    let author = message.text("author")?;
    message.number::<bool>("trigger_turn")?;
    let content = message.text("content")?;
    let text = message.text("encrypted_content").unwrap_or(content);
    Some(DeliveredMessage {
        author: (!author.is_empty()).then(|| author.into()),
        recipient: Some(message.text("recipient")?.into()),
        text: Some(text.into()),
    })
}

/// Returns the text that an item of type `agent_message` delivers: its only part, or its encrypted part if the other
/// part is a readable envelope around it. Returns `None` for any other parts.
fn text_of_item(parts: &[DraftPart]) -> Option<Box<str>> {
    match parts {
        [DraftPart { part: Part::Text(text) | Part::Encoded { label: _, value: text }, .. }]
        | [DraftPart { part: Part::Text(_), .. }, DraftPart { part: Part::Encoded { label: _, value: text }, .. }] => {
            Some(text.clone())
        }
        _ => None,
    }
}
