//! Parses the reasoning of a model: its text, and its signature or encrypted data.

use super::plain_part::push_part_reference;
use crate::graph::{self, Channel, ItemKind, Role};
use crate::provider::{Part, Reasoning, optional_text};
use crate::reduce::decode::decode_error::DecodeError;
use crate::reduce::decode::draft::ItemDraft;

/// Creates a reasoning item without parts.
pub(super) fn new() -> ItemDraft {
    ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning)
}

/// Makes one item of the entries of a piece of reasoning, in their order. `signature` is the one beside them, which
/// counts if they have none.
pub(super) fn draft(entries: &[Reasoning<'_>], signature: Option<&str>) -> Result<ItemDraft, DecodeError> {
    let mut draft = new();
    for entry in entries {
        push_entry(&mut draft, entry)?;
    }
    if let Some(signature) = signature.filter(|_| is_unsigned(&draft)) {
        push_signature(&mut draft, signature);
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

fn push_entry(draft: &mut ItemDraft, entry: &Reasoning<'_>) -> Result<(), DecodeError> {
    let Reasoning { object: _, text, summary, signature, data, others } = entry;
    text.joined()?.into_iter().for_each(|text| push_text(draft, &text));
    if let Some(summary) = summary.joined()?.filter(|summary| !summary.is_empty()) {
        draft.push_summary(&summary);
    }
    for (label, encoded) in [("signature", optional_text(*signature)?), ("data", data.joined()?)] {
        if let Some(encoded) = encoded.filter(|encoded| !encoded.is_empty()) {
            draft.push_encoded(label, &encoded);
        }
    }
    others.iter().try_for_each(|other| push_part_reference(draft, Part::read(other)))
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
    let sealed = draft.parts.iter().any(|part| matches!(part.part, graph::Part::Encoded { .. }));
    draft.kind == ItemKind::Reasoning && !sealed
}
