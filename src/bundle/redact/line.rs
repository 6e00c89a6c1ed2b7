//! Redaction of a line of the log. Ids stay, and payload references are updated if their payload has moved or changed.

use std::ops::Range;

use super::super::Masking;
use super::meaning::{Document, Meaning, MeaningTracker};
use super::tokens::{Edit, Token, Tokens, apply_edits};
use crate::event::PayloadRef;

/// The changes in a payload reference whose payload has moved or changed.
pub(super) struct NewLocation {
    /// New path of the payload's file. `None` if the path is unchanged.
    pub(super) path: Option<String>,
}

/// Masks the secrets in a line or in the manifest. The ids of the format, payload references and field names stay as
/// they are.
pub(super) fn mask_json(json: &[u8], document: Document, masking: &Masking) -> Vec<u8> {
    let mut secrets = masking.find_secrets(json, true);
    if secrets.is_empty() {
        return json.to_vec();
    }
    let mut tracker = MeaningTracker::new(json, document);
    for token in Tokens::new(json) {
        let kept = match &token {
            Token::Text(range) if is_never_masked(tracker.meaning()) => Some(range),
            Token::Name(range) if !tracker.is_foreign() => Some(range),
            Token::Text(_) | Token::Name(_) | Token::Literal(_) | Token::Open { .. } | Token::Close { .. } => None,
        };
        if let Some(kept) = kept {
            secrets.retain(|secret_span| secret_span.range.end <= kept.start || kept.end <= secret_span.range.start);
        }
        tracker.advance(&token);
    }
    masking.replace_secrets(json, &secrets)
}

/// Returns `true` if strings of this meaning are exempt from masking, as they are while recording.
fn is_never_masked(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Reference | Meaning::Type | Meaning::Id { is_format_id: true } => true,
        Meaning::Id { is_format_id: false } | Meaning::Status | Meaning::Name | Meaning::Content => false,
    }
}

/// The fields of a JSON object that may be a payload reference.
struct ReferenceFields {
    start: usize,
    /// Fields whose values change with the payload, and the byte ranges of these values.
    values: Vec<(ReferenceField, Range<usize>)>,
}

/// A field of a payload reference that describes the payload's location or bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReferenceField {
    Path,
    Offset,
    Length,
    Hash,
}

impl ReferenceField {
    fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"path" => Some(Self::Path),
            b"offset" => Some(Self::Offset),
            b"length" => Some(Self::Length),
            b"hash" => Some(Self::Hash),
            _ => None,
        }
    }
}

/// Updates the payload references of a line. `locate` returns the changes for a reference, or `None` if the reference
/// needs no change.
pub(super) fn update_references<E>(
    line: &[u8],
    mut locate: impl FnMut(&PayloadRef) -> Result<Option<NewLocation>, E>,
) -> Result<Vec<u8>, E> {
    let mut edits = Vec::new();
    let mut open: Vec<ReferenceFields> = Vec::new();
    let mut name = None;
    for token in Tokens::new(line) {
        match token {
            Token::Open { at, is_object: _ } => {
                name = None;
                open.push(ReferenceFields { start: at, values: Vec::new() });
            }
            Token::Close { end } => {
                name = None;
                let Some(members) = open.pop() else { continue };
                // Few objects are references, and every reference has a path.
                if members.values.iter().any(|(member, _)| *member == ReferenceField::Path)
                    && let Ok(reference) = serde_json::from_slice::<PayloadRef>(&line[members.start..end])
                    && let Some(moved) = locate(&reference)?
                {
                    edits.extend(members.edits(&moved));
                }
            }
            Token::Name(range) => name = ReferenceField::from_name(&line[range]),
            Token::Text(range) => note(&mut open, name.take(), range.start - 1..range.end + 1),
            Token::Literal(range) => note(&mut open, name.take(), range),
        }
    }
    Ok(apply_edits(line, edits))
}

fn note(open: &mut [ReferenceFields], member: Option<ReferenceField>, value: Range<usize>) {
    if let (Some(members), Some(member)) = (open.last_mut(), member) {
        members.values.push((member, value));
    }
}

impl ReferenceFields {
    /// Returns the edits for a payload whose bytes or path have changed: the new path, and `null` for the fields that
    /// describe the old bytes.
    fn edits(self, moved: &NewLocation) -> impl Iterator<Item = Edit> {
        self.values.into_iter().filter_map(move |(member, range)| {
            let text = match (member, &moved.path) {
                (ReferenceField::Path, Some(path)) => serde_json::to_vec(path).ok()?,
                (ReferenceField::Path, None) => return None,
                (ReferenceField::Offset | ReferenceField::Length | ReferenceField::Hash, _) => b"null".to_vec(),
            };
            Some(Edit { range, text })
        })
    }
}
