//! Recognizes messages delivered by other agents: items of type `agent_message`, and messages whose only part is their
//! JSON.

use super::draft::ItemDraft;
use crate::graph::{DeliveredMessage, ItemKind, Part, Role};
use crate::provider::Object;

/// Returns the message of another agent that a conversation item delivers. Returns `None` if it delivers none.
pub(super) fn delivery(draft: &ItemDraft) -> Option<DeliveredMessage> {
    let mut parts = draft.parts.iter().map(|part| &part.part);
    let only = parts.next().filter(|_| parts.next().is_none());
    if draft.agent_message.is_some() {
        let text = only.and_then(|part| match part {
            Part::Text(text) | Part::LabelledText { label: _, text } | Part::Encoded { label: _, value: text } => {
                Some(text.clone())
            }
            Part::Summary(_) | Part::Json { .. } | Part::Code { .. } | Part::PayloadRef { .. } => None,
        });
        return Some(DeliveredMessage { recipient: None, text });
    }
    if draft.kind != ItemKind::Message || draft.role != Role::Assistant {
        return None;
    }
    let message = Object::parse(only?.as_text().filter(|text| text.trim_start().starts_with('{'))?)?;
    message.text("author")?;
    message.number::<bool>("trigger_turn")?;
    let content = message.text("content")?;
    let text = message.text("encrypted_content").unwrap_or(content);
    Some(DeliveredMessage { recipient: Some(message.text("recipient")?.into()), text: Some(text.into()) })
}
