//! Messages that other agents sent: items of their own type, or the JSON that stands in a message's only text.

use super::draft::Draft;
use super::object::Object;
use crate::graph::{Delivery, ItemKind, Part, Role};

/// What another agent says in this item, if one does.
pub(super) fn delivery(draft: &Draft) -> Option<Delivery> {
    let mut parts = draft.parts.iter().map(|part| &part.part);
    let only = parts.next().filter(|_| parts.next().is_none());
    if draft.agent_message.is_some() {
        let text = only.and_then(|part| match part {
            Part::Text(text) | Part::Encoded { label: _, value: text } => Some(text.clone()),
            Part::Summary(_) | Part::Json { .. } | Part::Code { .. } | Part::PayloadRef { .. } => None,
        });
        return Some(Delivery { recipient: None, text });
    }
    if draft.kind != ItemKind::Message || draft.role != Role::Assistant {
        return None;
    }
    let message = Object::parse(only?.as_text().filter(|text| text.trim_start().starts_with('{'))?)?;
    message.text("author")?;
    message.number::<bool>("trigger_turn")?;
    let content = message.text("content")?;
    let text = message.text("encrypted_content").unwrap_or(content);
    Some(Delivery { recipient: Some(message.text("recipient")?.into()), text: Some(text.into()) })
}
