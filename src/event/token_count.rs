//! The forms in which providers and programs report a count of tokens.

/// The value of a field that should be a count of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenCount {
    Tokens(u64),
    Negative,
    /// The value is not a whole number that a count can hold.
    Invalid,
}

impl TokenCount {
    /// Parses a number in the syntax of JSON, such as `7` or `7.0`.
    pub(crate) fn parse(number: &str) -> Self {
        let number = number.trim();
        // `f64` also parses names such as `inf`.
        if !number.strip_prefix('-').unwrap_or(number).starts_with(|c: char| c.is_ascii_digit()) {
            return Self::Invalid;
        }
        if let Ok(count) = number.parse() {
            return Self::Tokens(count);
        }
        match number.parse::<f64>() {
            Ok(number) if number < 0.0 => Self::Negative,
            // 2^64 is the first number that no count can hold.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^64")]
            Ok(number) if number.fract() == 0.0 && number < 18_446_744_073_709_551_616.0 => Self::Tokens(number as u64),
            Ok(_) | Err(_) => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_any_notation_are_counts() {
        let counts = [
            ("0", 0),
            ("7", 7),
            (" 7 ", 7),
            ("7.0", 7),
            ("7e2", 700),
            ("-0", 0),
            ("-0.0", 0),
            ("18446744073709551615", u64::MAX),
            ("1e19", 10_000_000_000_000_000_000),
        ];
        for (number, count) in counts {
            assert_eq!(TokenCount::parse(number), TokenCount::Tokens(count), "{number:?}");
        }
    }

    #[test]
    fn other_texts_are_negative_or_invalid() {
        for number in ["-1", "-7.5", "-1e99", "-99999999999999999999"] {
            assert_eq!(TokenCount::parse(number), TokenCount::Negative, "{number:?}");
        }
        let invalid = [
            "",
            "-",
            "7.5",
            "1e99",
            "1e999",
            "18446744073709551616",
            "+7",
            "inf",
            "NaN",
            "-inf",
            "7 tokens",
            "true",
            "[7]",
        ];
        for number in invalid {
            assert_eq!(TokenCount::parse(number), TokenCount::Invalid, "{number:?}");
        }
    }
}
