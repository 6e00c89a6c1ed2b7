//! Text in a given number of columns.

use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Escaped;
use crate::event::UnixMillis;

/// Maximum number of characters per column of a cut text: characters without a width, such as combining ones, may follow
/// one another without end.
const CHARS_PER_COLUMN: usize = 4;

/// Maximum number of characters of a text of a bundle that a view keeps: more do not fit in any terminal.
pub(super) const MAX_CHARS: usize = 2_000;

/// Splits a text behind its first `max` characters.
pub(super) fn split_at_char(text: &str, max: usize) -> (&str, &str) {
    let end = text.char_indices().nth(max).map_or(text.len(), |(end, _)| end);
    text.split_at(end)
}

/// Formats a time as the clock on the wall shows it. A time that no calendar has stays a number.
pub(super) fn local(time: UnixMillis, zone: &TimeZone, format: &str) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(time.0) else { return time.0.to_string() };
    zone.to_datetime(time).strftime(format).to_string()
}

/// Returns the number of columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns a text on one line: white space is one blank, and what would control a terminal is escaped. Of a long text, no
/// more than its first `max` characters are looked at; the number of characters behind them is returned.
pub(super) fn one_line(text: &str, max: usize) -> (String, usize) {
    let (head, rest) = split_at_char(text, max);
    let words: Vec<&str> = head.split_whitespace().collect();
    (Escaped(words.join(" ")).to_string(), if rest.trim().is_empty() { 0 } else { rest.chars().count() })
}

/// Cuts a text to a number of columns, and says how many characters it left out: `a long te…+12`. `more` is the number of
/// characters that were left out before.
pub(super) fn cut(text: &str, columns: usize, more: usize) -> String {
    let total = text.chars().count();
    if more == 0 && width(text) <= columns && total <= columns.saturating_mul(CHARS_PER_COLUMN) {
        return text.to_owned();
    }
    // The count depends on where the text is cut, and its width on the count: at most all characters are left out.
    let sign_width = width(&sign(total + more));
    let kept = fit(text, columns.saturating_sub(sign_width));
    let left_out = total - kept.chars().count() + more;
    if columns < sign_width { fit(&sign(left_out), columns).to_owned() } else { format!("{kept}{}", sign(left_out)) }
}

/// Returns the sign of a cut.
fn sign(left_out: usize) -> String {
    format!("…+{left_out}")
}

/// Returns the beginning of a text that fits in a number of columns.
fn fit(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut end = 0;
    for (count, (place, character)) in text.char_indices().enumerate() {
        used += character.width().unwrap_or(0);
        if used > columns || count >= columns.saturating_mul(CHARS_PER_COLUMN) {
            break;
        }
        end = place + character.len_utf8();
    }
    text.get(..end).unwrap_or(text)
}

/// Groups the digits of a number by commas: `33,600`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number of tokens in at most six characters: `811`, `1,436`, `33.6k`, `1.2M`.
pub(super) fn tokens(count: u64) -> String {
    match count {
        0..10_000 => grouped(count),
        10_000..1_000_000 => tenths(count, 1_000, "k"),
        1_000_000..1_000_000_000 => tenths(count, 1_000_000, "M"),
        _ => tenths(count, 1_000_000_000, "G"),
    }
}

/// Formats a number in tenths of a unit, rounded down.
fn tenths(count: u64, unit: u64, name: &str) -> String {
    format!("{}.{}{name}", grouped(count / unit), count % unit / (unit / 10))
}

/// Formats a duration: `595 ms`, `4.61 s`, `2 m 05 s`, `3 h 02 m`, `2 d 03 h`.
pub(super) fn duration(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        _ if millis < 1_000 => format!("{millis} ms"),
        0..60 => format!("{seconds}.{:02} s", millis % 1_000 / 10),
        60..3_600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Formats a part of a whole in percent, rounded down, so that only all of it is 100 %.
pub(super) fn percent(part: u64, whole: u64) -> Option<String> {
    let percent = (u128::from(part) * 100).checked_div(u128::from(whole))?;
    Some(format!("{percent} %"))
}

/// Formats a count with its noun: `1 line`, `2 lines`.
pub(super) fn pluralize(count: usize, noun: &str) -> String {
    let count = grouped(count as u64);
    if count == "1" { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_texts_fit_and_count_what_is_missing() {
        assert_eq!(cut("short", 5, 0), "short");
        assert_eq!(cut("a long text", 8, 0), "a lo…+7");
        assert_eq!(cut("a long text", 8, 90), "a l…+98");
        assert_eq!(cut("端末端末端末", 9, 0), "端末端…+3");
        assert_eq!(cut("anything", 1, 0), "…");
        assert_eq!(cut("", 0, 0), "");
        let combining = format!("e{}", "\u{301}".repeat(1_000));
        let cut_combining = cut(&combining, 10, 0);
        assert!(cut_combining.chars().count() <= 50, "{}", cut_combining.chars().count());
        for columns in 0..40 {
            for text in ["plain text of some length", "端末🧪端末🧪端末🧪端末🧪", &combining] {
                assert!(width(&cut(text, columns, 0)) <= columns, "{text} in {columns}");
            }
        }
    }

    #[test]
    fn lines_are_joined_and_escaped() {
        assert_eq!(one_line("two\n  lines\t\x1b[31m", 100), ("two lines \\u001b[31m".to_owned(), 0));
        assert_eq!(one_line("12345678", 3), ("123".to_owned(), 5));
        assert_eq!(one_line("\u{202e}abc", 9).0, "\\u202eabc");
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<_> = [0, 999, 1_436, 9_999, 10_000, 33_649, 999_999, 1_250_000].map(tokens).into();
        assert_eq!(shown, ["0", "999", "1,436", "9,999", "10.0k", "33.6k", "999.9k", "1.2M"]);
        let shown: Vec<_> = [0, 595, 4_619, 125_000, 10_920_000, 183_600_000].map(duration).into();
        assert_eq!(shown, ["0 ms", "595 ms", "4.61 s", "2 m 05 s", "3 h 02 m", "2 d 03 h"]);
        assert_eq!(
            [percent(1, 3), percent(0, 0), percent(u64::MAX, u64::MAX)].map(|it| it.unwrap_or_default()),
            ["33 %", "", "100 %"]
        );
    }
}
