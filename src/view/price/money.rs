//! Amounts of money, in integers.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// Picodollars in a US dollar.
const PICODOLLARS: u128 = 1_000_000_000_000;

/// An amount in US dollars, as an integer of picodollars (10⁻¹² dollars), so that sums of prices per token are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u128);

impl Money {
    /// Creates an amount of picodollars.
    pub const fn from_picodollars(picodollars: u128) -> Self {
        Self(picodollars)
    }

    /// Returns the amount in picodollars.
    pub const fn picodollars(self) -> u128 {
        self.0
    }

    /// Formats the exact amount in US dollars as a decimal number without a sign, such as `0.0213`.
    pub fn to_decimal(self) -> String {
        let fraction = format!("{:012}", self.0 % PICODOLLARS);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}", self.0 / PICODOLLARS)
    }

    /// Rounds the amount to `digits` decimal digits, at most 12, and formats it.
    fn round(self, digits: u32) -> String {
        let unit = 10_u128.pow(12_u32.saturating_sub(digits));
        let rounded = self.0.saturating_add(unit / 2) / unit;
        let one = 10_u128.pow(digits);
        format!("${}.{:0width$}", rounded / one, rounded % one, width = digits as usize)
    }
}

/// Formats an amount for people: `$12.34`, `$0.031`, `$0.00042`, `$0`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0 {
            0 => return f.pad("$0"),
            amount if amount >= 10 * PICODOLLARS => 2,
            amount if amount >= PICODOLLARS / 100 => 3,
            // Two digits that are not zero.
            amount => ((PICODOLLARS / amount).ilog10() + 2).min(12),
        };
        f.pad(&self.round(digits))
    }
}

impl Add for Money {
    type Output = Self;

    /// Adds two amounts. Saturates, because token counts may be forged.
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_the_digits_that_say_something() {
        let shown = |picodollars| Money(picodollars).to_string();
        assert_eq!(shown(0), "$0");
        assert_eq!(shown(12_345_000_000_000), "$12.35");
        assert_eq!(shown(1_234_500_000_000), "$1.235");
        assert_eq!(shown(31_400_000_000), "$0.031");
        assert_eq!(shown(9_990_000_000), "$0.0100");
        assert_eq!(shown(420_000_000), "$0.00042");
        assert_eq!(shown(1), "$0.000000000001");
    }

    #[test]
    fn exact_amounts_are_decimal_numbers() {
        let exact = |picodollars| Money(picodollars).to_decimal();
        assert_eq!(exact(0), "0");
        assert_eq!(exact(2_000_000_000_000), "2");
        assert_eq!(exact(21_300_000_000), "0.0213");
        assert_eq!(exact(1), "0.000000000001");
    }
}
