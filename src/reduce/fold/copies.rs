//! Merges two copies of one item. A copy may lack the name of its author, the failure of its tool, or the id of its call. Copies of
//! reasoning are recognized by equal encrypted content; texts and summaries may be missing from either.

use crate::graph::{Content, ItemKind, Part};

/// The result of merging a second copy into the first.
pub(super) enum MergedCopies {
    /// The second copy adds nothing to the first.
    Unchanged,
    /// The second copy has something that the first lacks. Contains the merged content.
    Extended(Content),
    /// Both copies have texts or summaries of reasoning, and they differ.
    Conflict,
}

/// Merges two copies of one item.
pub(super) fn merge_copies(first: &Content, second: &Content) -> MergedCopies {
    let Some(parts) = merged_parts(first, second) else { return MergedCopies::Conflict };
    // A copy that adds nothing leaves the parts in the order of the first.
    let has_more_parts = parts.len() != first.parts.len();
    let is_named = first.name.is_none() && second.name.is_some();
    let is_error = !first.is_error && second.is_error;
    let has_id = first.kind.is_call() && first.call_id.is_none() && second.call_id.is_some();
    if !has_more_parts && !is_named && !is_error && !has_id {
        return MergedCopies::Unchanged;
    }
    let parts = if has_more_parts { parts.into_iter().cloned().collect() } else { first.parts.clone() };
    let name = first.name.clone().or_else(|| second.name.clone());
    let call_id = if has_id { second.call_id.clone() } else { first.call_id.clone() };
    MergedCopies::Extended(Content { parts, name, call_id, is_error: first.is_error || is_error, ..first.clone() })
}

/// Returns the parts of the first copy, with the texts and the summaries of the copy that has any. Returns `None` if
/// both copies have some and they differ.
fn merged_parts<'c>(first: &'c Content, second: &'c Content) -> Option<Vec<&'c Part>> {
    // Copies of a call have equal arguments, which may be empty in another form.
    if first.kind.is_call() {
        return Some(first.parts.iter().collect());
    }
    let is_text = |part: &&Part| part.as_text().is_some();
    let is_summary = |part: &&Part| matches!(part, Part::Summary(_));
    // Copies of a message have one text, in one part or in several.
    let has_text = first.parts.iter().any(|part| is_text(&part));
    let texts = if first.kind == ItemKind::Message && has_text {
        first.parts.iter().filter(is_text).collect()
    } else {
        pick_nonempty(first, second, is_text)?
    };
    let summaries = pick_nonempty(first, second, is_summary)?;
    let rest = first.parts.iter().filter(|part| !is_text(part) && !is_summary(part));
    Some(texts.into_iter().chain(summaries).chain(rest).collect())
}

/// Returns the parts of one kind from the copy that has any. Returns `None` if both copies have some and they differ.
fn pick_nonempty<'c>(
    first: &'c Content,
    second: &'c Content,
    is_kind: impl Fn(&&Part) -> bool,
) -> Option<Vec<&'c Part>> {
    let of = |content: &'c Content| content.parts.iter().filter(|part| is_kind(part)).collect::<Vec<_>>();
    let (first, second) = (of(first), of(second));
    match (first.is_empty(), second.is_empty()) {
        (true, _) => Some(second),
        (false, true) => Some(first),
        (false, false) => (first == second).then_some(first),
    }
}
