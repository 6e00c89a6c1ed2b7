//! What a model thought: text, and what seals it.

use crate::graph::{Channel, ItemKind, Part, Role};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::object::{Object, text};

pub(super) fn new() -> Draft {
    Draft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning)
}

/// A part of type `thinking`, `redacted_thinking` or `reasoning`.
pub(super) fn read(part: &Object<'_>) -> Draft {
    let mut draft = new();
    if let Some(text) = part.first(&["thinking", "content", "text"]).and_then(text) {
        think(&mut draft, &text);
    }
    for label in ["signature", "data"] {
        if let Some(sealed) = part.text(label).filter(|sealed| !sealed.is_empty()) {
            draft.encoded(label, &sealed);
        }
    }
    draft.or_empty();
    draft
}

pub(super) fn of_text(text: &str) -> Draft {
    let mut draft = new();
    think(&mut draft, text);
    draft
}

pub(super) fn of_signature(signature: &str) -> Draft {
    let mut draft = new();
    seal(&mut draft, signature);
    draft
}

/// Text that was thought. Providers leave it empty where they do not show it.
pub(super) fn think(draft: &mut Draft, text: &str) {
    if !text.is_empty() {
        draft.text(text);
    }
}

pub(super) fn seal(draft: &mut Draft, signature: &str) {
    draft.encoded("signature", signature);
}

/// Whether this is reasoning that no signature seals yet.
pub(super) fn is_open(draft: &Draft) -> bool {
    let sealed = draft.parts.iter().any(|part| matches!(part.part, Part::Encoded { .. }));
    draft.kind == ItemKind::Reasoning && !sealed
}
