//! A search for many short texts in one pass.

use aho_corasick::automaton::Automaton as _;
use aho_corasick::dfa::DFA;
use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, Anchored, Span};

use super::scan;

/// A set of texts to search for. Uses vector instructions if the texts are few and the machine supports it.
#[derive(Debug)]
pub(super) enum Needles {
    Vectors(Searcher),
    Automaton(Box<AhoCorasick>),
    Nothing,
}

impl Needles {
    pub(super) fn new(needles: &[Vec<u8>]) -> Self {
        let packed = || aho_corasick::packed::Config::new().builder().extend(needles).build();
        match packed() {
            _ if needles.is_empty() => Self::Nothing,
            Some(searcher) => Self::Vectors(searcher),
            None => AhoCorasick::new(needles).map_or(Self::Nothing, |all| Self::Automaton(Box::new(all))),
        }
    }

    /// Returns the index of the first occurrence of any of the texts, at or after `from`. Returns `None` if none of
    /// them occurs.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let found = match self {
            Self::Vectors(searcher) => searcher.find_in(text, Span { start: from, end: text.len() }),
            Self::Automaton(automaton) => automaton.find(aho_corasick::Input::new(text).span(from..text.len())),
            Self::Nothing => None,
        };
        scan::looked_at(found.map_or(text.len().saturating_sub(from), |found| found.end() - from));
        Some(found?.start())
    }
}

/// Maximum length of a text, in bytes, for which [`AnyNeedle`] is asked first.
const SHORT: usize = 128;

/// A check for all texts of several searches at once. Most texts of events are short and have none of them: one pass byte by
/// byte is cheaper than the start of each search.
#[derive(Debug)]
pub(super) struct AnyNeedle(Option<Box<DFA>>);

impl AnyNeedle {
    pub(super) fn new(needles: &[Vec<u8>]) -> Self {
        Self(DFA::new(needles).ok().map(Box::new))
    }

    /// Returns `false` if the text is short and contains none of the needles.
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        if text.len() > SHORT {
            return true;
        }
        scan::looked_at(text.len());
        let Some(any) = &self.0 else { return true };
        let Ok(mut state) = any.start_state(Anchored::No) else { return true };
        // The search of the crate also looks for a prefilter and for the end of a match at each byte.
        text.iter().any(|byte| {
            state = any.next_state(Anchored::No, state, *byte);
            any.is_match(state)
        })
    }
}
