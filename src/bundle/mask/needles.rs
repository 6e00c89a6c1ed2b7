//! Finds many short texts in one pass.

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, Span};

/// What to look for. By vector instructions where they are few and the machine has some.
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

    /// The first one at or after `from`: where it begins, and its number.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let found = match self {
            Self::Vectors(searcher) => searcher.find_in(text, Span { start: from, end: text.len() }),
            Self::Automaton(automaton) => automaton.find(aho_corasick::Input::new(text).span(from..text.len())),
            Self::Nothing => None,
        }?;
        Some((found.start(), found.pattern().as_usize()))
    }
}

/// A word in each mixture of small and capital letters.
pub(super) fn in_any_case(word: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..1_u32 << word.len()).filter_map(move |capitals| {
        let cased = |(place, byte): (usize, &u8)| {
            if capitals & (1 << place) == 0 { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() }
        };
        let word_in_case: Vec<u8> = word.iter().enumerate().map(cased).collect();
        // A digit has no case.
        let is_new = word.iter().enumerate().all(|(place, byte)| byte.is_ascii_alphabetic() || capitals & (1 << place) == 0);
        is_new.then_some(word_in_case)
    })
}
