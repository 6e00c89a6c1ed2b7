//! The ways in which masking looks at a text. Every loop over bytes is here or uses these, so that a test can count the
//! bytes that are looked at.

/// Notes that a number of bytes was looked at.
#[inline]
pub(super) fn looked_at(bytes: usize) {
    #[cfg(test)]
    work::add(bytes);
    let _ = bytes;
}

/// Returns the number of bytes from index `from` on for which `is_part` returns `true`.
pub(super) fn run(text: &[u8], from: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| is_part(**byte)).count();
    looked_at(length + 1);
    length
}

/// Returns the number of bytes directly before index `to` for which `is_part` returns `true`.
pub(super) fn run_back(text: &[u8], to: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let length = text[..to].iter().rev().take_while(|byte| is_part(**byte)).count();
    looked_at(length + 1);
    length
}

/// Returns the index of the first byte `needle` at or after `from`.
pub(super) fn find(text: &[u8], from: usize, needle: u8) -> Option<usize> {
    let rest = text.get(from..)?;
    let found = memchr::memchr(needle, rest);
    looked_at(found.map_or(rest.len(), |length| length + 1));
    found.map(|length| from + length)
}

/// Returns the byte before index `at`, or a newline at the start of the text.
pub(super) fn before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b'\n', |before| text[before])
}

/// Returns the number of backslashes from index `at` on.
pub(super) fn backslashes(text: &[u8], at: usize) -> usize {
    run(text, at, |byte| byte == b'\\')
}

/// Returns `true` for a blank: a space or a tab.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Maximum length of the parameters of a terminal colour, in bytes.
const MAX_COLOUR: usize = 24;

/// The ways in which programs write the escape character of a terminal sequence, besides the character itself.
const ESCAPES: [&[u8]; 5] = [b"u001b", b"u001B", b"x1b", b"033", b"e"];

/// Returns the length of the terminal colour that begins at index `at`, with its escape character as it is or escaped.
/// Returns 0 if there is none.
fn colour_at(text: &[u8], at: usize) -> usize {
    let escape = match text.get(at) {
        Some(0x1b) => 1,
        Some(b'\\') => {
            let backslashes = backslashes(text, at);
            let rest = &text[at + backslashes..];
            match ESCAPES.iter().find(|escape| rest.starts_with(escape)) {
                Some(escape) => backslashes + escape.len(),
                None => return 0,
            }
        }
        Some(_) | None => return 0,
    };
    if text.get(at + escape) != Some(&b'[') {
        return 0;
    }
    let rest = &text[..text.len().min(at + escape + 1 + MAX_COLOUR)];
    let parameters = run(rest, at + escape + 1, |byte| byte.is_ascii_digit() || byte == b';');
    match text.get(at + escape + 1 + parameters) {
        Some(b'm' | b'K') => escape + 2 + parameters,
        Some(_) | None => 0,
    }
}

/// Returns the index before which a terminal colour ends that ends at index `to`. Returns `to` if there is none.
pub(super) fn before_colours(text: &[u8], mut to: usize) -> usize {
    while to > 0 && matches!(text[to - 1], b'm' | b'K') {
        let bounded = &text[to.saturating_sub(MAX_COLOUR + 1)..to - 1];
        let parameters = run_back(bounded, bounded.len(), |byte| byte.is_ascii_digit() || byte == b';');
        let Some(bracket) = (to - 1).checked_sub(parameters + 1).filter(|at| text[*at] == b'[') else { return to };
        if text[..bracket].ends_with(b"\x1b") {
            to = bracket - 1;
            continue;
        }
        let Some(escape) = ESCAPES.iter().find(|escape| text[..bracket].ends_with(escape)) else { return to };
        let letter = bracket - escape.len();
        let backslashes = run_back(text, letter, |byte| byte == b'\\');
        if backslashes == 0 {
            return to;
        }
        to = letter - backslashes;
    }
    to
}

/// Returns the index after the blanks and the terminal colours that begin at index `at`.
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    loop {
        at += run(text, at, is_blank);
        match colour_at(text, at) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Returns the index after the terminal colours that begin at index `at`.
pub(super) fn skip_colours(text: &[u8], mut at: usize) -> usize {
    loop {
        match colour_at(text, at) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Counts the bytes that masking looked at, in tests.
#[cfg(test)]
pub(super) mod work {
    use std::cell::Cell;

    thread_local! {
        static BYTES: Cell<u64> = const { Cell::new(0) };
    }

    /// Adds to the number of bytes that this thread looked at.
    pub(in crate::mask) fn add(bytes: usize) {
        BYTES.with(|count| count.set(count.get() + bytes as u64));
    }

    /// Returns the number of bytes that this thread looked at while `run` ran.
    pub(in crate::mask) fn during(run: impl FnOnce()) -> u64 {
        let before = BYTES.with(Cell::get);
        run();
        BYTES.with(Cell::get) - before
    }
}
