//! Splits the text of a stream into the texts of its events.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The text of an event.
#[derive(Debug, PartialEq)]
pub(super) struct Frame<'t> {
    /// The name of a server-sent event. `None` if it has none, or the stream is of another format.
    pub(super) name: Option<&'t str>,
    pub(super) data: Cow<'t, str>,
    /// `true` if the text ends without the end of the event, so that the event may be incomplete.
    pub(super) is_last: bool,
}

impl<'t> Frame<'t> {
    fn whole(data: &'t str) -> Self {
        Self { name: None, data: Cow::Borrowed(data), is_last: false }
    }
}

/// The text that ends the streams of some APIs. It also stands for the end of a list.
pub(super) const END_MARKER: &str = "[DONE]";

/// Splits a text into events. Its first character decides on its format: a JSON list, JSON values on lines of their
/// own, or server-sent events. An element of a list that is cut is left out; a list that is not cut ends with
/// [`END_MARKER`].
pub(super) fn frames(text: &str) -> Vec<Frame<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => list_elements(text),
        Some(b'{') => json_lines(text),
        Some(_) | None => ServerSentEvents { rest: text }.collect(),
    }
}

fn json_lines(text: &str) -> Vec<Frame<'_>> {
    let lines = text.split_inclusive('\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| Frame { is_last: !line.ends_with('\n'), ..Frame::whole(line.trim_ascii()) }).collect()
}

/// Returns the elements of a JSON list, up to the first one that is not JSON.
fn list_elements(text: &str) -> Vec<Frame<'_>> {
    let mut elements = Vec::new();
    // An error ends a list that is cut. The elements before it have been added.
    let end = Elements(&mut elements).deserialize(&mut serde_json::Deserializer::from_str(text));
    let end_marker = end.ok().map(|()| Frame::whole(END_MARKER));
    elements.into_iter().map(|element: &RawValue| Frame::whole(element.get())).chain(end_marker).collect()
}

/// A visitor of a list that keeps the elements before an error.
struct Elements<'e, 't>(&'e mut Vec<&'t RawValue>);

impl<'t> DeserializeSeed<'t> for Elements<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'t> Visitor<'t> for Elements<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            self.0.push(element);
        }
        Ok(())
    }
}

/// The server-sent events in a text, as the HTML standard defines them. In contrast to the standard, an event at the
/// end of the text counts without an empty line after it: many servers leave it out.
struct ServerSentEvents<'t> {
    rest: &'t str,
}

impl<'t> ServerSentEvents<'t> {
    /// Takes the next line, without its end: LF, CR, or CR and LF. Returns `None` at the end of the text.
    fn take_line(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else { return Some(std::mem::take(&mut self.rest)) };
        let end_bytes = if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
        let line = &self.rest[..end];
        self.rest = &self.rest[end + end_bytes..];
        Some(line)
    }
}

impl<'t> Iterator for ServerSentEvents<'t> {
    type Item = Frame<'t>;

    fn next(&mut self) -> Option<Frame<'t>> {
        let (mut name, mut data) = (None, None::<Cow<'t, str>>);
        loop {
            let Some(line) = self.take_line() else { return Some(Frame { name, data: data?, is_last: true }) };
            if line.is_empty() {
                match data {
                    Some(data) => return Some(Frame { name, data, is_last: false }),
                    // An event without data is none.
                    None => name = None,
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => match &mut data {
                    None => data = Some(Cow::Borrowed(value)),
                    Some(data) => {
                        let data = data.to_mut();
                        data.push('\n');
                        data.push_str(value);
                    }
                },
                "event" => name = Some(value),
                // Comments, which have an empty field name, `id` and `retry`.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Vec<String> {
        frames(text).into_iter().map(|frame| frame.data.into_owned()).collect()
    }

    #[test]
    fn server_sent_events_have_any_line_ends() {
        for end in ["\n", "\r\n", "\r"] {
            let text = [": comment", "event: a", "data: 1", "data:2", "", "", "id: 7", "event: b", "", "data:  3", ""]
                .map(|line| format!("{line}{end}"))
                .concat();
            let frames = frames(&text);
            let names: Vec<_> = frames.iter().map(|frame| frame.name).collect();
            assert_eq!((data(&text), names), (vec!["1\n2".into(), " 3".into()], vec![Some("a"), None]), "{end:?}");
            assert!(frames.iter().all(|frame| !frame.is_last));
        }
        assert_eq!(data("\u{feff}data: 1\n\n"), ["1"]);
    }

    #[test]
    fn last_event_counts_without_an_empty_line() {
        let frames = frames("data: 1\n\ndata: 2");
        assert_eq!(frames.iter().map(|frame| frame.is_last).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn list_is_split_up_to_its_cut() {
        assert_eq!(data(" [ {\"a\":[1]},\n{\"b\":\"]\"} ]"), [r#"{"a":[1]}"#, r#"{"b":"]"}"#, END_MARKER]);
        assert_eq!(data(r#"[{"a":[1]},{"b":"#), [r#"{"a":[1]}"#]);
        assert_eq!(data("["), [""; 0]);
    }

    #[test]
    fn lines_of_json_are_events() {
        let frames = frames("{\"a\":1}\r\n\n{\"b\":");
        assert_eq!(frames, [Frame::whole("{\"a\":1}"), Frame { is_last: true, ..Frame::whole("{\"b\":") }]);
    }
}
