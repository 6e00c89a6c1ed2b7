//! Parses the reasoning of a model: its text, and its signature or encrypted data.

use crate::graph::{Channel, ItemKind, Part, Role};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;
use crate::reduce::decode::object::Object;

/// Creates a reasoning item without parts.
pub(super) fn new() -> ItemDraft {
    ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning)
}

/// Parses a part of type `thinking`, `redacted_thinking` or `reasoning`.
pub(super) fn parse(part: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = new();
    for name in ["thinking", "content", "text"] {
        if part.non_null(name).is_some() {
            part.optional_text(name)?.into_iter().for_each(|text| push_text(&mut draft, &text));
            break;
        }
    }
    for label in ["signature", "data"] {
        if let Some(sealed) = part.optional_text(label)?.filter(|sealed| !sealed.is_empty()) {
            draft.push_encoded(label, &sealed);
        }
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Creates a reasoning item from a text.
pub(super) fn from_text(text: &str) -> ItemDraft {
    let mut draft = new();
    push_text(&mut draft, text);
    draft
}

/// Creates a reasoning item from a signature alone.
pub(super) fn from_signature(signature: &str) -> ItemDraft {
    let mut draft = new();
    push_signature(&mut draft, signature);
    draft
}

/// Adds a text to a reasoning item, unless it is empty: providers send empty text if they hide the reasoning.
pub(super) fn push_text(draft: &mut ItemDraft, text: &str) {
    if !text.is_empty() {
        draft.push_text(text);
    }
}

/// Adds the signature by which a provider recognizes its reasoning.
pub(super) fn push_signature(draft: &mut ItemDraft, signature: &str) {
    draft.push_encoded("signature", signature);
}

/// Returns `true` if the item is reasoning without a signature.
pub(super) fn is_unsigned(draft: &ItemDraft) -> bool {
    let sealed = draft.parts.iter().any(|part| matches!(part.part, Part::Encoded { .. }));
    draft.kind == ItemKind::Reasoning && !sealed
}
