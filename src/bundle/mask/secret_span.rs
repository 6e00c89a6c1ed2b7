//! Where secrets are in a text.

use std::ops::Range;

use super::salt::Salt;

/// A secret, and what its placeholder stands between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bundle) struct Spot {
    pub(in crate::bundle) range: Range<usize>,
    /// How often the text around a number is escaped, whose placeholder must be quoted.
    pub(super) quoted_at: Option<Level>,
}

/// How often text is escaped as JSON within the text that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level(u32);

/// More than this no text that fits into memory is escaped.
const MAX_LEVEL: u32 = 20;

impl Level {
    pub(super) const OUTER: Self = Self(0);

    /// The level at which a quote begins or ends a text that has so many backslashes before it.
    pub(super) fn of_quote(backslashes: usize) -> Option<Self> {
        let count = backslashes.checked_add(1)?;
        let level = count.trailing_zeros();
        (count.is_power_of_two() && level <= MAX_LEVEL).then_some(Self(level))
    }

    /// Backslashes before a quote that begins or ends a text.
    pub(super) fn before_quote(self) -> usize {
        (1 << self.0) - 1
    }

    /// Backslashes before the letter of an escape between the tokens, as in `\n`; none where there may be none.
    pub(super) fn before_letter(self) -> Option<usize> {
        Some(1 << self.0.checked_sub(1)?)
    }

    /// What a quote ends that has so many backslashes before it: the text of this level, or one that it stands in.
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

impl Spot {
    pub(super) fn plain(range: Range<usize>) -> Self {
        Self { range, quoted_at: None }
    }

    pub(super) fn number(range: Range<usize>, level: Level) -> Self {
        Self { range, quoted_at: Some(level) }
    }
}

/// Puts them in order. Those that overlap become one.
pub(super) fn merged(mut spots: Vec<Spot>) -> Vec<Spot> {
    spots.sort_by_key(|spot| spot.range.start);
    spots.dedup_by(|next, spot| {
        let overlaps = next.range.start < spot.range.end;
        if overlaps {
            spot.range.end = spot.range.end.max(next.range.end);
        }
        overlaps
    });
    spots
}

/// The text with placeholders in place of its secrets, which are in order.
pub(in crate::bundle) fn without(text: &[u8], spots: &[Spot], salt: &Salt) -> Vec<u8> {
    let mut masked = Vec::with_capacity(text.len() + 32 * spots.len());
    let mut done = 0;
    for Spot { range, quoted_at } in spots {
        masked.extend_from_slice(&text[done..range.start]);
        let quote = |masked: &mut Vec<u8>| {
            if let Some(level) = quoted_at {
                masked.resize(masked.len() + level.before_quote(), b'\\');
                masked.push(b'"');
            }
        };
        quote(&mut masked);
        masked.extend_from_slice(salt.placeholder(&text[range.clone()]).as_bytes());
        quote(&mut masked);
        done = range.end;
    }
    masked.extend_from_slice(&text[done..]);
    masked
}
