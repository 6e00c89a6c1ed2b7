//! The spans in a log of rotel's, in its own words.

use std::collections::BTreeMap;

/// What is said of a span, by what it is called.
pub(crate) type Span = BTreeMap<String, String>;

const BEGINS: &str = "Span #";

/// How many have begun to be printed.
pub(crate) fn count(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with(BEGINS)).count()
}

/// All of them, by span id.
pub(crate) fn spans(log: &str) -> BTreeMap<String, Span> {
    let mut spans = BTreeMap::new();
    let begins = format!("\n{BEGINS}");
    let mut pieces = log.split(&begins);
    // The resource and the scope of the first.
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
    // Behind its number, and without what rotel says of itself, in colours.
    for line in text.lines().skip(1).filter(|line| !line.starts_with('\u{1b}')) {
        if line.starts_with("ResourceSpans #") || line.starts_with("ScopeSpans #") {
            break;
        }
        if let Some(number) = line.strip_prefix("SpanLink #") {
            link = Some(number.to_owned());
        } else if let Some((name, value)) = said(line) {
            let name = match &link {
                Some(number) => format!("link {number} {name}"),
                None => name.to_owned(),
            };
            assert_eq!(span.insert(name.clone(), value.to_owned()), None, "{name} is said twice");
        }
    }
    span
}

/// `-> key: value` of attributes and links; `Name : value` else. What only stands above a list says nothing.
fn said(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start().trim_start_matches("-> ").split_once(':')?;
    let value = value.strip_prefix(' ').unwrap_or(value);
    let is_heading = matches!(name, "Attributes" | "Links");
    (!is_heading).then_some((name.trim_end(), value))
}
