//! Parses parts that become parts of the item they stand in, and no items of their own.

use crate::provider::{Part, PartContent, is_null, text};
use crate::reduce::decode::decode_error::{DecodeError, UNREADABLE_VALUE};
use crate::reduce::decode::draft::ItemDraft;

/// Fields that are ignored when parts are compared. A cache breakpoint moves from request to request, and a signature
/// becomes part of the reasoning.
const IGNORED_FIELDS: [&str; 3] = ["cache_control", "thoughtSignature", "thought_signature"];

/// Adds a part to the output of a call, in which a part cannot be a separate item.
pub(super) fn add_plain(draft: &mut ItemDraft, part: Part<'_>) -> Result<(), DecodeError> {
    match part.content {
        PartContent::Value => match text(part.raw) {
            Some(text) => {
                draft.push_text(&text);
                Ok(())
            }
            None => draft.push_reference("content", Some(part.raw)),
        },
        PartContent::Text(content) => {
            let content = content.map(|content| text(content).ok_or(UNREADABLE_VALUE)).transpose()?;
            content.filter(|content| !content.is_empty()).into_iter().for_each(|content| draft.push_text(&content));
            draft.push_annotations(&part.annotations)
        }
        PartContent::Json(value) => draft.push_json(value),
        PartContent::CachePoint => Ok(()),
        PartContent::ReasoningText(_)
        | PartContent::SummaryText(_)
        | PartContent::Reasoning(_)
        | PartContent::Thought(_)
        | PartContent::Call(_)
        | PartContent::Result(_)
        | PartContent::Refusal(_)
        | PartContent::Audio(_)
        | PartContent::Image(_)
        | PartContent::Annotation
        | PartContent::Cited(_)
        | PartContent::Executed
        | PartContent::Instructions(_)
        | PartContent::Compaction(_)
        | PartContent::Other
        | PartContent::Malformed(_) => push_part_reference(draft, part),
    }
}

/// Adds a reference to a part that is an object. Null fields do not count: clients drop them when they repeat a
/// response.
pub(super) fn push_part_reference(draft: &mut ItemDraft, part: Part<'_>) -> Result<(), DecodeError> {
    let label = part.label().unwrap_or("content").to_owned();
    let object = part.object.unwrap_or_default();
    draft.push_object_reference(&label, object, |name, value| !IGNORED_FIELDS.contains(&name) && !is_null(value))
}
