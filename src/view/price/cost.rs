//! The cost of calls, as far as their prices are known.

use std::fmt;
use std::iter::Sum;

use super::Money;

/// The cost of calls of models. What has no price is not counted as free: the cost is then incomplete, or unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    known: Option<Money>,
    is_incomplete: bool,
}

impl Cost {
    /// The cost of no call.
    pub const NONE: Self = Self { known: None, is_incomplete: false };

    /// The cost of tokens without a price.
    pub const UNKNOWN: Self = Self { known: None, is_incomplete: true };

    /// Creates a cost of a known amount.
    pub const fn of(amount: Money) -> Self {
        Self { known: Some(amount), is_incomplete: false }
    }

    /// Returns the sum of what has a price. `None` if nothing has.
    pub const fn known(self) -> Option<Money> {
        self.known
    }

    /// Returns `true` if something has no price, so that the cost is more than [`Cost::known`].
    pub const fn is_incomplete(self) -> bool {
        self.is_incomplete
    }

    /// Returns `true` if there was nothing to pay for.
    pub const fn is_none(self) -> bool {
        self.known.is_none() && !self.is_incomplete
    }

    /// Adds another cost.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let known = match (self.known, other.known) {
            (Some(one), Some(two)) => Some(one + two),
            (one, two) => one.or(two),
        };
        Self { known, is_incomplete: self.is_incomplete || other.is_incomplete }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::NONE, Self::plus)
    }
}

/// Formats a cost for people: `$0.031`, `–` if nothing has a price, `$0.031 + –` if a part has none, and nothing if there
/// is nothing to pay for.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known, self.is_incomplete) {
            (None, false) => f.pad(""),
            (None, true) => f.pad("–"),
            (Some(known), false) => f.pad(&known.to_string()),
            (Some(known), true) => f.pad(&format!("{known} + –")),
        }
    }
}
