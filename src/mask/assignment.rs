//! Finds the value that is assigned to a sensitive name outside of JSON: by a command-line option, in a query string,
//! in variables and settings, in markup.

use std::ops::Range;

use super::harmless::template_length;
use super::line::LinePosition;
use super::names::NameKind;
use super::nesting::{ends_at, value_end};
use super::program_text::{inspected, is_argument, is_expression, is_program_text};
use super::scan::{self, is_blank};
use super::secret_span::SecretSpan;
use super::site::{Site, closes, is_option};
use super::surroundings::Surroundings;
use super::{command, header, markup, value};

/// The sign between a name and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Colon,
    Equals,
    /// No sign: only blanks.
    Blank,
}

/// Returns `true` if what stands around an unquoted name may assign a value to it. Rejects the words of sentences at
/// little cost.
pub(super) fn may_assign(text: &[u8], name: &Range<usize>) -> bool {
    let at = scan::skip_blanks(text, name.end);
    let is_tag = || text[..name.start].iter().rev().take(MAX_PREFIX).any(|byte| *byte == b'<');
    matches!(text.get(at), Some(b':' | b'='))
        || text[..name.start].ends_with(b"--")
        || (matches!(text.get(at), Some(b'>')) || at > name.end) && is_tag()
        || at > name.end && &text[name.clone()] == b"password"
}

/// Finds the secret in the value of the name at a site. Returns `None` if nothing is assigned to the name in a form that is
/// known, or if the value is not a secret.
pub(super) fn find(site: &Site<'_>, around: &mut Surroundings) -> Option<SecretSpan> {
    let position = LinePosition::at(site.text, site.name.start);
    let found = header::find(site, position)
        .or_else(|| site.assigned(site.path_position().unwrap_or(position), around))
        .or_else(|| markup::find(site))
        .or_else(|| command::netrc_password(site, position))?;
    value::secret_in(site.text, found, site.kind, site.names)
}

impl Site<'_> {
    /// Returns the position of the dotted path that the name ends, as in `spring.datasource.password`, or of the variable of a
    /// shell that it is, as in `$env:PASSWORD`. Returns `None` if the name stands alone, or if the path is that of a program.
    fn path_position(&self) -> Option<LinePosition> {
        let Self { text, name, .. } = self;
        if text[..name.start].ends_with(b"$env:") {
            return Some(LinePosition::at(text, name.start - b"$env:".len()));
        }
        text[..name.start].ends_with(b".").then_some(())?;
        let lowest = name.start.saturating_sub(MAX_PATH);
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let start = name.start - scan::run_back(&text[lowest..], name.start - lowest, is_part);
        let is_of_program = ["self.", "this."].iter().any(|it| text[start..].starts_with(it.as_bytes()));
        ((start > lowest || lowest == 0) && !is_of_program).then(|| LinePosition::at(text, start))
    }

    fn assigned(&self, position: LinePosition, around: &mut Surroundings) -> Option<Range<usize>> {
        let Self { text, name, .. } = self;
        // Dashes after a placeholder's `]` are the rest of a word, not an option.
        let is_option = text[..name.start].strip_suffix(b"--").is_some_and(|before| before.last() != Some(&b']'));
        let at = scan::skip_blanks(text, name.end);
        let (sign, behind) = match text.get(at) {
            Some(b':') => (Sign::Colon, at + 1),
            Some(b'=') => (Sign::Equals, at + 1),
            Some(_) if at > name.end => (Sign::Blank, at),
            Some(_) | None => return None,
        };
        let start = scan::skip_blanks(text, behind);
        let is_tight = sign == Sign::Equals
            && at == scan::skip_colours(text, name.end)
            && start == scan::skip_colours(text, behind);
        let is_doubled = sign != Sign::Blank && matches!(text.get(behind), Some(b'=' | b':' | b'>'));
        match sign {
            _ if is_option => self.option(sign, start),
            Sign::Equals if is_tight && begins_pair(&text[..name.start]) => Some(self.query(start)),
            Sign::Equals if is_tight && is_argument_of_option(&text[..name.start]) => Some(self.word(start, position)),
            Sign::Equals if is_tight && self.is_variable(position) => Some(self.word(start, position)),
            Sign::Blank => None,
            Sign::Equals if is_tight && position == LinePosition::LineStart { indentation: 0 } => {
                self.setting(position, sign, start, around)
            }
            Sign::Colon | Sign::Equals if is_doubled => None,
            Sign::Equals if is_tight && self.is_followed_by_pair(start) => Some(self.query(start)),
            Sign::Equals if is_tight => {
                self.attribute(start, around).or_else(|| self.setting(position, sign, start, around))
            }
            Sign::Colon | Sign::Equals => self.setting(position, sign, start, around),
        }
    }

    /// Returns `true` if the name is that of an environment variable, written in capitals, or one that the program added.
    fn is_variable(&self, position: LinePosition) -> bool {
        let Self { text, name, .. } = self;
        let is_upper_case = !text[name.clone()].iter().any(u8::is_ascii_lowercase);
        let is_exported = text[..name.start].ends_with(b"export ");
        // `NAME==value` and `NAME => value` compare or map; a value that begins with such a sign begins a word.
        let begins_word = position.is_start() || is_blank(scan::before(text, name.start));
        let has_operator = matches!(text.get(name.end + 1), Some(b'=' | b':' | b'>')) && !begins_word;
        (is_upper_case || is_exported || self.kind == NameKind::Custom) && !has_operator
    }

    /// Returns the value of an option: a quoted text or a word.
    fn option(&self, sign: Sign, start: usize) -> Option<Range<usize>> {
        let Self { text, name, .. } = self;
        let before = text[..name.start - 2].last().copied();
        let value = match self.quote_at(start) {
            Some(quoted) => quoted,
            None => start..self.end_of_word(start, before.filter(|byte| matches!(byte, b'\'' | b'`'))),
        };
        let content = &text[value.clone()];
        // Without a sign what follows may be another option, or a sentence that goes on.
        let is_value = sign != Sign::Blank || (!is_option(content) && content.len() > MAX_PARTICLE);
        is_value.then_some(value)
    }

    /// Returns the value of a `name=value` pair of a query string, a form or a connection string.
    fn query(&self, start: usize) -> Range<usize> {
        if let Some(length) = template_length(&self.text[start..]) {
            return start..start + length;
        }
        // Between semicolons, as in a connection string, a value may have the other signs.
        let is_connection = self.text[..self.name.start].ends_with(b";");
        let ends_query = |byte: u8| matches!(byte, b'&' | b'`' | b'<' | b'>') && !is_connection;
        let ends = |byte: u8| is_blank(byte) || matches!(byte, b';' | b'"' | b'\'') || ends_query(byte);
        start..value_end(self.text, start, self.depth, ends)
    }

    /// Returns a quoted text, or the word that ends before the next blank.
    fn word(&self, start: usize, position: LinePosition) -> Range<usize> {
        // The double quotes of strings are known already, by the depth.
        let quote = match position {
            LinePosition::Quoted(quote) => Some(quote),
            LinePosition::LineStart { .. }
            | LinePosition::Marked
            | LinePosition::PartStart
            | LinePosition::AfterOption
            | LinePosition::Inline => None,
        };
        let quote = quote.filter(|quote| *quote != b'"');
        self.quote_at(start).unwrap_or_else(|| start..self.end_of_word(start, quote))
    }

    fn end_of_word(&self, start: usize, quote: Option<u8>) -> usize {
        if let Some(length) = template_length(&self.text[start..]) {
            return start + length;
        }
        value_end(self.text, start, self.depth, |byte| is_blank(byte) || Some(byte) == quote)
    }

    /// Returns the value of `name: value` or `name = value` that fills its line.
    fn setting(
        &self,
        position: LinePosition,
        sign: Sign,
        start: usize,
        around: &mut Surroundings,
    ) -> Option<Range<usize>> {
        let Self { text, depth, .. } = self;
        let LinePosition::LineStart { indentation } = position else {
            return (sign == Sign::Colon).then(|| self.quoted_setting(position, start)).flatten();
        };
        // YAML wants a blank behind the colon; a path such as `token::Kind` is none.
        let has_colon =
            || text.get(scan::skip_colours(text, self.name.end)) == Some(&b':') && start > self.name.end + 1;
        (sign == Sign::Equals || has_colon()).then_some(())?;
        if let Some(quoted) = self.quote_at(start) {
            let close = quoted.end + scan::backslashes(text, quoted.end) + 1;
            return self.is_end_of_setting(close).then_some(quoted);
        }
        let inspected = inspected(text, start);
        let content = &inspected[start..value_end(inspected, start, *depth, |_| false)];
        if sign == Sign::Colon && is_block_sign(content) {
            return self.block(start, indentation);
        }
        let is_program = match sign {
            Sign::Equals if start > self.name.end + 1 => {
                is_expression(content) && (is_list(content) || !around.section.is_around(text, self.name.start))
            }
            Sign::Equals => indentation > 0 && is_argument(content),
            Sign::Colon | Sign::Blank => false,
        };
        (!is_program && !is_program_text(content)).then(|| start..value_end(text, start, *depth, |_| false))
    }

    /// Returns the lines of a YAML block: those behind the line of `start` that are more indented than the name.
    fn block(&self, start: usize, indentation: usize) -> Option<Range<usize>> {
        let Self { text, depth, .. } = self;
        let mut end = value_end(text, start, *depth, |_| false);
        let mut first = None;
        loop {
            let line = header::after_line_end(text, end);
            let content = line + scan::run(text, line, is_blank);
            if line == end || content - line <= indentation {
                break;
            }
            let next = value_end(text, content, *depth, |_| false);
            if next == content {
                break;
            }
            first = first.or(Some(content));
            end = next;
        }
        first.map(|first| first..end)
    }

    /// Returns `true` if nothing but closing signs or a comment follows in the line, behind a quoted value that ends at
    /// `close`.
    fn is_end_of_setting(&self, close: usize) -> bool {
        let text = self.text;
        let end = close + scan::run(text, close, |byte| is_blank(byte) || closes(byte) && byte != b'/');
        ends_at(text, end, self.depth) || text[end..].starts_with(b"#") || text[end..].starts_with(b"//")
    }

    /// Returns the value of a setting that is a quoted text by itself, as in `"password: …"`.
    fn quoted_setting(&self, position: LinePosition, start: usize) -> Option<Range<usize>> {
        let LinePosition::Quoted(quote) = position else { return None };
        (start > self.name.end + 1).then_some(())?;
        let end = value_end(self.text, start, self.depth, |byte| is_blank(byte) || byte == quote && quote != b'"');
        let is_one_word = !self.text.get(end).is_some_and(|byte| is_blank(*byte));
        is_one_word.then_some(start..end)
    }

    /// Returns `true` if a `name=value` pair of a form follows the value that begins at `start`.
    fn is_followed_by_pair(&self, start: usize) -> bool {
        let bounded = &self.text[..self.text.len().min(start + MAX_PAIR)];
        let end = value_end(bounded, start, self.depth, |byte| is_blank(byte) || byte == b'&');
        let next = match bounded.get(end) {
            Some(b'&') => end + 1,
            Some(b'\\') => end + scan::backslashes(bounded, end) + "u0026".len(),
            Some(_) | None => return false,
        };
        let name = scan::run(bounded, next, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        end > start && name > 0 && bounded.get(next + name) == Some(&b'=')
    }

    /// Returns the value of an attribute in a tag of markup.
    fn attribute(&self, start: usize, around: &mut Surroundings) -> Option<Range<usize>> {
        around.tag.is_around(self.text, self.name.start).then(|| self.quote_at(start)).flatten()
    }
}

/// Maximum length of the prefix of an element's name, in bytes.
const MAX_PREFIX: usize = 32;
/// Maximum length of a word after an option that is no value but the next word of a sentence, in bytes.
const MAX_PARTICLE: usize = 3;
/// Maximum length of a value and of the name of the pair behind it, in bytes.
const MAX_PAIR: usize = 512;

/// Maximum length of a dotted path before a name, in bytes.
const MAX_PATH: usize = 96;

/// Returns `true` for what stands before a block of lines in YAML: `|`, `>-`.
fn is_block_sign(content: &[u8]) -> bool {
    matches!(content, [b'|' | b'>', rest @ ..] if rest.len() <= 2 && rest.iter().all(|byte| matches!(byte, b'-' | b'+' | b'1'..=b'9')))
}

/// Returns `true` if a name that follows `before`, with the path that it ends, is the argument of an option that takes a
/// `name=value` pair: `-Dname=value`, `--set name=value`, `--from-literal=name=value`.
fn is_argument_of_option(before: &[u8]) -> bool {
    const OPTIONS: [&[u8]; 8] = [b"--build-arg", b"--env", b"--set", b"--set-string", b"--var", b"-e", b"-var", b"-X"];
    let lowest = before.len().saturating_sub(MAX_PATH);
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let path = before.len() - scan::run_back(&before[lowest..], before.len() - lowest, is_part);
    if before[path..].starts_with(b"-D") {
        return true;
    }
    let outside = &before[..path];
    let outside = outside.strip_suffix(b"'").or_else(|| outside.strip_suffix(b"\"")).unwrap_or(outside);
    if let Some(option) = outside.strip_suffix(b"=") {
        let lowest = option.len().saturating_sub(MAX_PREFIX);
        let name = scan::run_back(&option[lowest..], option.len() - lowest, |byte| {
            byte.is_ascii_alphanumeric() || byte == b'-'
        });
        return option[option.len() - name..].starts_with(b"--");
    }
    outside.strip_suffix(b" ").is_some_and(|before| OPTIONS.iter().any(|option| before.ends_with(option)))
}

/// Returns `true` for a list or a table, as in TOML.
fn is_list(content: &[u8]) -> bool {
    matches!(content, [b'[' | b'{', .., b']' | b'}'])
}

/// Returns `true` if a name that follows `before` starts a `name=value` pair of a query string or of a connection
/// string.
fn begins_pair(before: &[u8]) -> bool {
    matches!(before.last(), Some(b'?' | b'&' | b';')) || before.ends_with(b"\\u0026")
}
