//! Merges two copies of one reasoning item. They are recognized by equal encrypted content; texts and summaries may be
//! missing from either.

use crate::graph::{Content, Part};

/// The result of merging a second copy into the first.
pub(super) enum MergedReasoning {
    /// The second copy adds nothing to the first.
    Unchanged,
    /// The second copy has texts or summaries that the first lacks. Contains the merged content.
    Extended(Content),
    /// Both copies have texts or summaries, and they differ.
    Conflict,
}

/// Merges the texts and the summaries of two copies of one reasoning item.
pub(super) fn merge_reasoning(first: &Content, second: &Content) -> MergedReasoning {
    let is_text = |part: &&Part| part.as_text().is_some();
    let is_summary = |part: &&Part| matches!(part, Part::Summary(_));
    let texts = pick_nonempty(first, second, is_text);
    let summaries = pick_nonempty(first, second, is_summary);
    let (Some(texts), Some(summaries)) = (texts, summaries) else { return MergedReasoning::Conflict };
    let rest = first.parts.iter().filter(|part| !is_text(part) && !is_summary(part));
    let parts: Vec<Part> = texts.into_iter().chain(summaries).chain(rest).cloned().collect();
    // A copy that adds nothing leaves the parts in the order of the first.
    if parts.len() == first.parts.len() {
        return MergedReasoning::Unchanged;
    }
    MergedReasoning::Extended(Content { parts: parts.into(), ..first.clone() })
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
