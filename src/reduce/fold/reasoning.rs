//! Reasoning that is read twice: encrypted content tells that it is one piece, its texts and summaries may be left out.

use crate::graph::{Content, Part};

/// What a second reading adds.
pub(super) enum Merged {
    AsBefore,
    More(Content),
    Conflict,
}

/// Two readings of one piece of reasoning: its texts and its summaries are there or not.
pub(super) fn merged(first: &Content, second: &Content) -> Merged {
    let is_text = |part: &&Part| part.as_text().is_some();
    let is_summary = |part: &&Part| matches!(part, Part::Summary(_));
    let texts = either(first, second, is_text);
    let summaries = either(first, second, is_summary);
    let (Some(texts), Some(summaries)) = (texts, summaries) else { return Merged::Conflict };
    let rest = first.parts.iter().filter(|part| !is_text(part) && !is_summary(part));
    let parts: Vec<Part> = texts.into_iter().chain(summaries).chain(rest).cloned().collect();
    if *parts == *first.parts {
        return Merged::AsBefore;
    }
    Merged::More(Content { parts: parts.into(), ..first.clone() })
}

/// The parts of one sort, from where there are any; `None` where there are different ones.
fn either<'c>(first: &'c Content, second: &'c Content, sort: impl Fn(&&Part) -> bool) -> Option<Vec<&'c Part>> {
    let of = |content: &'c Content| content.parts.iter().filter(|part| sort(part)).collect::<Vec<_>>();
    let (first, second) = (of(first), of(second));
    match (first.is_empty(), second.is_empty()) {
        (true, _) => Some(second),
        (false, true) => Some(first),
        (false, false) => (first == second).then_some(first),
    }
}
