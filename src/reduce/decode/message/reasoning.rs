//! Parses the reasoning of a model: its text, and its signature or encrypted data.

use crate::graph::{Channel, ItemKind, Part, Role};
use crate::provider::{Reasoning, optional_text};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;

/// Creates a reasoning item without parts.
pub(super) fn new() -> ItemDraft {
    ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning)
}

/// Makes an item of reasoning.
pub(super) fn draft(reasoning: &Reasoning<'_>) -> Result<ItemDraft, DecodeError> {
    let Reasoning { text, signature, data } = *reasoning;
    let mut draft = new();
    optional_text(text)?.into_iter().for_each(|text| push_text(&mut draft, &text));
    for (label, sealed) in [("signature", signature), ("data", data)] {
        if let Some(sealed) = optional_text(sealed)?.filter(|sealed| !sealed.is_empty()) {
            draft.push_encoded(label, &sealed);
        }
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
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
