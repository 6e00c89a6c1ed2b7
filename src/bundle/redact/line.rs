//! A line of the log: its ids and references stay, or lead to where the bodies are now.

use std::ops::Range;

use super::super::Masking;
use super::meaning::{Document, Meaning, Meanings};
use super::tokens::{Edit, Token, Tokens, edited};
use crate::event::PayloadRef;

/// Where a body is now.
pub(super) struct Moved {
    /// The file, where it is another one.
    pub(super) path: Option<String>,
}

/// The line, or the manifest, without secrets. Its ids and references stay as they are, and what its parts
/// are called.
pub(super) fn masked(json: &[u8], document: Document, masking: &Masking) -> Vec<u8> {
    let mut spots = masking.spots(json, true);
    if spots.is_empty() {
        return json.to_vec();
    }
    let mut meanings = Meanings::of(json, document);
    for token in Tokens::of(json) {
        let kept = match &token {
            Token::Text(range) if is_formats_own(meanings.here()) => Some(range),
            Token::Name(range) if !meanings.is_foreign() => Some(range),
            Token::Text(_) | Token::Name(_) | Token::Word(_) | Token::Open { .. } | Token::Close { .. } => None,
        };
        if let Some(kept) = kept {
            spots.retain(|spot| spot.range.end <= kept.start || kept.end <= spot.range.start);
        }
        meanings.see(&token);
    }
    masking.without(json, &spots)
}

/// Whether masking leaves it alone when it is recorded.
fn is_formats_own(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Place | Meaning::Type | Meaning::Id { is_formats_own: true } => true,
        Meaning::Id { is_formats_own: false } | Meaning::Status | Meaning::Name | Meaning::Said => false,
    }
}

/// An object that may be a reference to a body.
struct Members {
    start: usize,
    /// Where the values of the members are that change with their body.
    values: Vec<(Member, Range<usize>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Path,
    Offset,
    Length,
    Hash,
}

impl Member {
    fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"path" => Some(Self::Path),
            b"offset" => Some(Self::Offset),
            b"length" => Some(Self::Length),
            b"hash" => Some(Self::Hash),
            _ => None,
        }
    }
}

/// The line with its references to bodies as `place` says where these are; none where one is as it was.
pub(super) fn with_bodies<E>(
    line: &[u8],
    mut place: impl FnMut(&PayloadRef) -> Result<Option<Moved>, E>,
) -> Result<Vec<u8>, E> {
    let mut edits = Vec::new();
    let mut around: Vec<Members> = Vec::new();
    let mut name = None;
    for token in Tokens::of(line) {
        match token {
            Token::Open { at, is_object: _ } => {
                name = None;
                around.push(Members { start: at, values: Vec::new() });
            }
            Token::Close { end } => {
                name = None;
                let Some(members) = around.pop() else { continue };
                // Few objects are one, and none without a path.
                if members.values.iter().any(|(member, _)| *member == Member::Path)
                    && let Ok(reference) = serde_json::from_slice::<PayloadRef>(&line[members.start..end])
                    && let Some(moved) = place(&reference)?
                {
                    edits.extend(members.edits(&moved));
                }
            }
            Token::Name(range) => name = Member::by_name(&line[range]),
            Token::Text(range) => note(&mut around, name.take(), range.start - 1..range.end + 1),
            Token::Word(range) => note(&mut around, name.take(), range),
        }
    }
    Ok(edited(line, edits))
}

fn note(around: &mut [Members], member: Option<Member>, value: Range<usize>) {
    if let (Some(members), Some(member)) = (around.last_mut(), member) {
        members.values.push((member, value));
    }
}

impl Members {
    /// What was said of the bytes is not true of others.
    fn edits(self, moved: &Moved) -> impl Iterator<Item = Edit> {
        self.values.into_iter().filter_map(move |(member, range)| {
            let text = match (member, &moved.path) {
                (Member::Path, Some(path)) => serde_json::to_vec(path).ok()?,
                (Member::Path, None) => return None,
                (Member::Offset | Member::Length | Member::Hash, _) => b"null".to_vec(),
            };
            Some(Edit { range, text })
        })
    }
}
