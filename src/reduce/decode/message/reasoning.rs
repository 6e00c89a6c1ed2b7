//! What a model thought: text, and what seals it.

use crate::graph::{Channel, ItemKind, Part, Role};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::object::Object;
use crate::reduce::decode::why::Why;

pub(super) fn new() -> Draft {
    Draft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning)
}

/// A part of type `thinking`, `redacted_thinking` or `reasoning`.
pub(super) fn read(part: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = new();
    for name in ["thinking", "content", "text"] {
        if part.some(name).is_some() {
            part.said(name)?.into_iter().for_each(|text| think(&mut draft, &text));
            break;
        }
    }
    for label in ["signature", "data"] {
        if let Some(sealed) = part.said(label)?.filter(|sealed| !sealed.is_empty()) {
            draft.encoded(label, &sealed);
        }
    }
    draft.or_empty();
    Ok(draft)
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
