//! Redaction of a line of the log. Ids stay unless they are secrets, and payload references are updated if their payload has moved or changed.

use std::ops::Range;

use super::meaning::{Document, Meaning, MeaningTracker};
use super::tokens::{Edit, Token, Tokens, apply_edits};
use crate::event::PayloadRef;
use crate::mask::{Masking, SecretSpan};

/// The changes in a payload reference whose payload has moved or changed.
pub(super) struct NewLocation {
    /// New path of the payload's file. `None` if the path is unchanged.
    pub(super) path: Option<String>,
}

/// Masks the secrets in a line or in the manifest. Payload references and field names stay as they are; of the ids of the
/// format, the secrets are masked that are secrets in any id.
pub(super) fn mask_json(json: &[u8], document: Document, masking: &Masking) -> Vec<u8> {
    let mut secrets = masking.find_secrets(json, true);
    if secrets.is_empty() && document != Document::Manifest {
        return json.to_vec();
    }
    let mut kept = Vec::new();
    let mut in_names = Vec::new();
    let mut tracker = MeaningTracker::new(json, document);
    for token in Tokens::new(json) {
        match &token {
            Token::Text(range) => {
                kept.extend(kept_in(tracker.meaning()).map(|what| (range.clone(), what)));
                if document == Document::Manifest && tracker.meaning() == Meaning::Reference {
                    in_names.extend(masking.find_in_directory(&json[range.clone()]).map(|it| it.behind(range.start)));
                }
            }
            Token::Name(range) if !tracker.is_foreign() => kept.push((range.clone(), Kept::Whole)),
            Token::Name(_) | Token::Literal(_) | Token::Open { .. } | Token::Close { .. } => {}
        }
        tracker.advance(&token);
    }
    remove_kept(&mut secrets, &kept);
    secrets.extend(in_names);
    secrets.sort_by_key(|secret_span| secret_span.range.start);
    masking.replace_secrets(json, &secrets)
}

/// Removes the secrets that overlap with what is kept. Both are in the order of the text.
fn remove_kept(secrets: &mut Vec<SecretSpan>, kept: &[(Range<usize>, Kept)]) {
    let mut first = 0;
    secrets.retain(|secret_span| {
        let Range { start, end } = secret_span.range;
        first += kept[first..].iter().take_while(|(range, _)| range.end <= start).count();
        let mut overlapping = kept[first..].iter().take_while(|(range, _)| range.start < end);
        overlapping.all(|(_, what)| *what == Kept::ButForIds && secret_span.is_in_id())
    });
}

/// What masking keeps of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Whole,
    /// Everything but secrets in an id.
    ButForIds,
}

/// Returns what is kept of strings of this meaning, as while recording. Returns `None` if they are masked like any text.
fn kept_in(meaning: Meaning) -> Option<Kept> {
    match meaning {
        Meaning::Reference | Meaning::Type => Some(Kept::Whole),
        Meaning::Id { is_format_id: true } => Some(Kept::ButForIds),
        Meaning::Id { is_format_id: false } | Meaning::Status | Meaning::Name | Meaning::Content => None,
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
