//! Parser for the spans in the output of rotel.

use std::collections::BTreeMap;

/// The printed fields of a span, by name.
pub(crate) type Span = BTreeMap<String, String>;

const SPAN_PREFIX: &str = "Span #";

/// Counts the spans in the output, including a partially printed span.
pub(crate) fn count(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with(SPAN_PREFIX)).count()
}

/// Parses all spans, by span id.
pub(crate) fn spans(log: &str) -> BTreeMap<String, Span> {
    let mut spans = BTreeMap::new();
    let separator = format!("\n{SPAN_PREFIX}");
    let mut pieces = log.split(&separator);
    // The text before the first span describes its resource and scope.
    pieces.next();
    for piece in pieces {
        let span = span(piece);
        let id = span["ID"].clone();
        assert_eq!(spans.insert(id.clone(), span), None, "{id} is printed twice");
    }
    spans
}

fn span(text: &str) -> Span {
    let mut span = Span::new();
    let mut link = None;
    // The first line is the number of the span; lines that start with an escape are log lines of rotel.
    for line in text.lines().skip(1).filter(|line| !line.starts_with('\u{1b}')) {
        if line.starts_with("ResourceSpans #") || line.starts_with("ScopeSpans #") {
            break;
        }
        if let Some(number) = line.strip_prefix("SpanLink #") {
            link = Some(number.to_owned());
        } else if let Some((name, value)) = key_value(line) {
            let name = match &link {
                Some(number) => format!("link {number} {name}"),
                None => name.to_owned(),
            };
            assert_eq!(span.insert(name.clone(), value.to_owned()), None, "{name} is printed twice");
        }
    }
    span
}

/// Parses `-> key: value` of attributes and links, or `Name : value`. Returns `None` for headings of lists.
fn key_value(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().trim_start_matches("-> ").split_once(':')?;
    let value = value.strip_prefix(' ').unwrap_or(value);
    let is_heading = matches!(name, "Attributes" | "Links");
    (!is_heading).then_some((name.trim_end(), value))
}
