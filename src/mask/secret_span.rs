//! Byte ranges of secrets in a text.

use std::ops::Range;

/// The byte range of a secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSpan {
    pub(crate) range: Range<usize>,
    pub(super) place: Place,
}

/// What a secret stands in, which decides on the form of its placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A text.
    Text,
    /// A number, whose placeholder needs quotes of this level.
    Number(Level),
    /// An id, which may be in the name of a directory.
    Id,
}

/// The number of JSON strings that a text is nested in: each level escapes quotes and backslashes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(u32);

/// Maximum level. Quotes of a higher level need more backslashes than fit into memory.
const MAX_LEVEL: u32 = 20;

impl Level {
    pub(super) const OUTER: Self = Self(0);

    /// Returns the level of the string that a quote with `backslashes` backslashes before it begins or ends. Returns
    /// `None` if no string can begin or end with such a quote.
    pub(super) fn for_quote(backslashes: usize) -> Option<Self> {
        let count = backslashes.checked_add(1)?;
        let level = count.trailing_zeros();
        (count.is_power_of_two() && level <= MAX_LEVEL).then_some(Self(level))
    }

    /// Returns the number of backslashes before a quote that begins or ends a string of this level.
    pub(super) fn before_quote(self) -> usize {
        (1 << self.0) - 1
    }

    /// Returns the number of backslashes before the letter of an escaped whitespace between tokens, as in `\n`. Returns
    /// `None` at the outermost level, where whitespace is not escaped.
    pub(super) fn before_letter(self) -> Option<usize> {
        Some(1 << self.0.checked_sub(1)?)
    }

    /// Returns the level of the innermost of `depth` strings. Returns `None` outside of strings, and where strings are
    /// nested deeper than any text.
    pub(super) fn inside(depth: u32) -> Option<Self> {
        depth.checked_sub(1).filter(|level| *level <= MAX_LEVEL).map(Self)
    }

    /// Returns the number of strings around a string of this level.
    pub(super) fn depth(self) -> u32 {
        self.0
    }

    /// Returns the number of backslashes before the letter of an escaped whitespace inside a string of this level.
    pub(super) fn before_inner_letter(self) -> usize {
        1 << self.0
    }

    /// Returns the level of the string that is ended by a quote with this number of backslashes before it: this level,
    /// or the level of an enclosing string. Returns `None` if the quote is part of the string.
    pub(super) fn ended_by(self, mut backslashes: usize) -> Option<Self> {
        for level in 0..self.0 {
            if backslashes.is_multiple_of(2) {
                return Some(Self(level));
            }
            backslashes /= 2;
        }
        backslashes.is_multiple_of(2).then_some(self)
    }
}

impl SecretSpan {
    /// Creates the range of a secret inside of text.
    pub(super) fn text(range: Range<usize>) -> Self {
        Self { range, place: Place::Text }
    }

    /// Creates the range of a number, whose placeholder must be quoted at the given level.
    pub(super) fn number(range: Range<usize>, level: Level) -> Self {
        Self { range, place: Place::Number(level) }
    }

    /// Returns the range of the secret in a text that has `length` more bytes before it.
    pub(crate) fn behind(self, length: usize) -> Self {
        Self { range: self.range.start + length..self.range.end + length, ..self }
    }

    /// Returns `true` if the secret stands in an id.
    pub(crate) fn is_in_id(&self) -> bool {
        self.place == Place::Id
    }
}

/// Sorts the ranges and merges ranges that overlap.
pub(super) fn merge(mut secrets: Vec<SecretSpan>) -> Vec<SecretSpan> {
    secrets.sort_by_key(|secret_span| secret_span.range.start);
    secrets.dedup_by(|next, secret_span| {
        let overlaps = next.range.start < secret_span.range.end;
        if overlaps {
            secret_span.range.end = secret_span.range.end.max(next.range.end);
        }
        overlaps
    });
    secrets
}
