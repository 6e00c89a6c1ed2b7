//! References in the text of a line, wherever they are, and what must change of them.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::Location;
use super::super::store::is_pack;
use crate::event::PayloadRef;

/// Whatever in a line has the shape of a reference to a body.
pub(super) struct Reference<'l> {
    pub(super) read: PayloadRef,
    /// Where it is in the line.
    pub(super) span: Range<usize>,
    line: &'l str,
    members: Vec<Member>,
}

/// A member of an object: where it is in the line, and where its value.
struct Member {
    key: Range<usize>,
    value: Range<usize>,
}

/// A place in the terms of a reference.
const PLACE: [&str; 4] = ["path", "offset", "length", "hash"];

/// What a file's reference said where that can't be told from its id.
const UNPACKED: &str = "unpacked";

/// What `unpacked` says.
#[derive(Deserialize)]
struct Unpacked<'a> {
    #[serde(borrow)]
    path: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "even_null")]
    offset: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    length: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    hash: Option<&'a RawValue>,
}

/// A member that is there, though it says `null`.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Reference<'_> {
    /// The reference, where its body is in a pack now. `usual` is the path that it is given on the way back, unless
    /// another is said.
    pub(super) fn in_pack(&self, location: &Location, usual: Option<&str>) -> String {
        let mut more = String::new();
        // Writing to a text does not fail.
        let _ = write!(more, r#","offset":{}"#, location.offset.unwrap_or_default());
        let _ = write!(more, r#","length":{}"#, location.length.unwrap_or_default());
        let _ = write!(more, r#","hash":"{}""#, location.hash.as_deref().unwrap_or_default());
        if let Some(unpacked) = self.unpacked(usual) {
            let _ = write!(more, r#","{UNPACKED}":{unpacked}"#);
        }
        self.with(&quoted(&location.path), &more)
    }

    /// What must be said for the way back, as JSON.
    fn unpacked(&self, usual: Option<&str>) -> Option<String> {
        if is_pack(&self.read.path) {
            return self.value(UNPACKED).map(str::to_owned);
        }
        let said = PLACE.iter().filter_map(|name| Some((name, self.value(name)?)));
        let said: Vec<_> = said.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        let is_usual = said.len() == 1 && self.value("path").map(Cow::from) == usual.map(|it| Cow::from(quoted(it)));
        (!is_usual).then(|| format!("{{{}}}", said.join(",")))
    }

    /// The path that the body had as a file, where that was said.
    pub(super) fn unpacked_path(&self) -> Option<String> {
        serde_json::from_str(self.said_unpacked()?.path.get()).ok()
    }

    fn said_unpacked(&self) -> Option<Unpacked<'_>> {
        serde_json::from_str(self.value(UNPACKED)?).ok()
    }

    /// The reference, where its body is in a file of its own now, at this path.
    pub(super) fn in_file(&self, path: &str) -> String {
        let same = self.said_unpacked().filter(|said| {
            let said: Option<String> = serde_json::from_str(said.path.get()).ok();
            said.is_some_and(|said| super::same_steps(&said, path))
        });
        let Some(said) = same else { return self.with(&quoted(path), "") };
        let more = [("offset", said.offset), ("length", said.length), ("hash", said.hash)];
        let more = more.into_iter().filter_map(|(name, value)| Some(format!(r#","{name}":{}"#, value?.get())));
        self.with(said.path.get(), &more.collect::<String>())
    }

    /// The value of a member, as text.
    fn value(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().find(|member| self.name(member) == name)?;
        Some(&self.line[member.value.clone()])
    }

    fn name(&self, member: &Member) -> Cow<'_, str> {
        let text = &self.line[member.key.clone()];
        serde_json::from_str::<Cow<'_, str>>(text).unwrap_or(Cow::Borrowed(""))
    }

    /// The object with `path` as that member's value, and `more` behind it; without what else says a place. All other
    /// members, and what is between them, stay.
    fn with(&self, path: &str, more: &str) -> String {
        let mut text = String::with_capacity(self.span.len() + path.len() + more.len());
        let mut until = self.span.start;
        let mut is_first = true;
        for (place, member) in self.members.iter().enumerate() {
            let name = self.name(member);
            let is_dropped = name == UNPACKED || PLACE[1..].contains(&&*name);
            // The text before it belongs to it: a comma, or the opening brace.
            let before = &self.line[until..member.key.start];
            until = member.value.end;
            if is_dropped {
                if place == 0 {
                    text.push('{');
                }
                continue;
            }
            text.push_str(if is_first && place > 0 { before.trim_start().trim_start_matches(',') } else { before });
            is_first = false;
            text.push_str(&self.line[member.key.start..member.value.start]);
            if name == "path" {
                text.push_str(path);
                text.push_str(more);
            } else {
                text.push_str(&self.line[member.value.clone()]);
            }
        }
        text.push_str(&self.line[until..self.span.end]);
        text
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The references of a line in their order. None where it is no JSON.
pub(super) fn references_in(line: &[u8]) -> Vec<Reference<'_>> {
    let Ok(line) = str::from_utf8(line) else { return Vec::new() };
    // A name may be escaped, though nobody does it.
    let may_have = line.contains("raw_payload_id") || line.contains("\\u");
    if !may_have || serde_json::from_str::<IgnoredAny>(line).is_err() {
        return Vec::new();
    }
    let mut found: Vec<Reference<'_>> = Vec::new();
    for_each_object(line, |span, members| {
        let Ok(read) = serde_json::from_str::<PayloadRef>(&line[span.clone()]) else { return };
        // What is inside of a reference is a part of it.
        while found.last().is_some_and(|inner| inner.span.start > span.start) {
            found.pop();
        }
        found.push(Reference { read, span, line, members });
    });
    found
}

/// An object or array that is not over yet.
struct Open {
    start: usize,
    key: Option<Range<usize>>,
    members: Vec<Member>,
    is_object: bool,
}

/// Calls `see` with every object of a JSON value that has members enough to be a reference, inner ones first.
fn for_each_object(json: &str, mut see: impl FnMut(Range<usize>, Vec<Member>)) {
    let bytes = json.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let value = match byte {
            b'{' | b'[' => {
                open.push(Open { start, key: None, members: Vec::new(), is_object: byte == b'{' });
                continue;
            }
            b'}' | b']' => {
                let Some(closed) = open.pop() else { return };
                // Three of them a reference has at least.
                if closed.is_object && closed.members.len() >= 3 {
                    see(closed.start..at, closed.members);
                }
                closed.start..at
            }
            b'"' => {
                at = end_of_string(bytes, at);
                match open.last_mut() {
                    Some(object) if object.is_object && object.key.is_none() => {
                        object.key = Some(start..at);
                        continue;
                    }
                    Some(_) | None => start..at,
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => continue,
            // A number or a word.
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                at = bytes[at..].iter().position(is_end).map_or(bytes.len(), |length| at + length);
                start..at
            }
        };
        if let Some(object) = open.last_mut()
            && let Some(key) = object.key.take()
        {
            object.members.push(Member { key, value });
        }
    }
}

/// The end of a string whose content begins at `at`, behind its quote.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => return at,
            b'\\' => at += 1,
            _ => {}
        }
    }
    bytes.len()
}
