//! Finds payload references at any position in the text of a line, and rewrites them.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Component, Path};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::bundle::{Location, is_pack};
use crate::event::PayloadRef;

/// An object in a line that has the form of a payload reference.
pub(super) struct Reference<'l> {
    pub(super) read: PayloadRef,
    /// Byte range of the object in the line.
    pub(super) span: Range<usize>,
    line: &'l str,
    members: Vec<ObjectMember>,
}

/// A member of an object: the byte ranges of its key and its value in the line.
struct ObjectMember {
    key: Range<usize>,
    value: Range<usize>,
}

/// The members of a reference that make up the location of the payload.
const LOCATION_MEMBERS: [&str; 4] = ["path", "offset", "length", "hash"];

/// The member with the location of the payload as a file, for references from whose id it cannot be derived.
const UNPACKED: &str = "unpacked";

/// The value of the member `unpacked`.
#[derive(Deserialize)]
struct Unpacked<'a> {
    #[serde(borrow)]
    path: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "keep_null")]
    offset: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep_null")]
    length: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "keep_null")]
    hash: Option<&'a RawValue>,
}

/// Deserializes a member whose value may be `null`. An absent member is `None`, and `null` is `Some` with the text
/// `null`.
fn keep_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Reference<'_> {
    /// Returns the reference for a payload that is now in a pack. `default_path` is the path that the payload gets on
    /// the conversion back, unless the reference keeps another one.
    pub(super) fn in_pack(&self, location: &Location, default_path: Option<&str>) -> String {
        let mut more = String::new();
        // Writing to a `String` does not fail.
        let _ = write!(more, r#","offset":{}"#, location.offset.unwrap_or_default());
        let _ = write!(more, r#","length":{}"#, location.length.unwrap_or_default());
        let _ = write!(more, r#","hash":"{}""#, location.hash.as_deref().unwrap_or_default());
        if let Some(unpacked) = self.unpacked(default_path) {
            let _ = write!(more, r#","{UNPACKED}":{unpacked}"#);
        }
        self.rewrite(&quoted(&location.path), &more)
    }

    /// Returns the value for the member `unpacked`, which keeps the payload's location as a file. Returns `None` if the
    /// conversion back can derive that location from `default_path`.
    fn unpacked(&self, default_path: Option<&str>) -> Option<String> {
        if is_pack(&self.read.path) {
            return self.value(UNPACKED).map(str::to_owned);
        }
        let location = LOCATION_MEMBERS.iter().filter_map(|name| Some((name, self.value(name)?)));
        let location: Vec<_> = location.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        let is_default =
            location.len() == 1 && self.value("path").map(Cow::from) == default_path.map(|it| Cow::from(quoted(it)));
        (!is_default).then(|| format!("{{{}}}", location.join(",")))
    }

    /// Returns the path that the payload had as a file. Returns `None` if the reference does not keep it.
    pub(super) fn unpacked_path(&self) -> Option<String> {
        serde_json::from_str(self.parse_unpacked()?.path.get()).ok()
    }

    fn parse_unpacked(&self) -> Option<Unpacked<'_>> {
        serde_json::from_str(self.value(UNPACKED)?).ok()
    }

    /// Returns the reference for a payload that is now a file at `path`.
    pub(super) fn in_file(&self, path: &str) -> String {
        let unpacked = self.parse_unpacked().filter(|unpacked| {
            let old_path: Option<String> = serde_json::from_str(unpacked.path.get()).ok();
            old_path.is_some_and(|old_path| is_same_path(&old_path, path))
        });
        let Some(unpacked) = unpacked else { return self.rewrite(&quoted(path), "") };
        let more = [("offset", unpacked.offset), ("length", unpacked.length), ("hash", unpacked.hash)];
        let more = more.into_iter().filter_map(|(name, value)| Some(format!(r#","{name}":{}"#, value?.get())));
        self.rewrite(unpacked.path.get(), &more.collect::<String>())
    }

    /// Returns the value of a member as JSON text. Returns `None` if there is no such member.
    fn value(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().find(|member| self.name(member) == name)?;
        Some(&self.line[member.value.clone()])
    }

    fn name(&self, member: &ObjectMember) -> Cow<'_, str> {
        let text = &self.line[member.key.clone()];
        serde_json::from_str::<Cow<'_, str>>(text).unwrap_or(Cow::Borrowed(""))
    }

    /// Returns the object with `path` as the value of its member `path`, followed by `more`, and without the other
    /// members of the location. All other members, and the text between them, stay as they are.
    fn rewrite(&self, path: &str, more: &str) -> String {
        let mut text = String::with_capacity(self.span.len() + path.len() + more.len());
        let mut until = self.span.start;
        let mut is_first = true;
        for (place, member) in self.members.iter().enumerate() {
            let name = self.name(member);
            let is_dropped = name == UNPACKED || LOCATION_MEMBERS[1..].contains(&&*name);
            // The text before a member belongs to it: a comma, or the opening brace.
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

/// Returns the payload references of a line in order. Returns an empty list if the line is not JSON.
pub(super) fn references_in(line: &[u8]) -> Vec<Reference<'_>> {
    let Ok(line) = str::from_utf8(line) else { return Vec::new() };
    // A key may be escaped, although no known writer does so.
    let may_have = line.contains("raw_payload_id") || line.contains("\\u");
    if !may_have || serde_json::from_str::<IgnoredAny>(line).is_err() {
        return Vec::new();
    }
    let mut found: Vec<Reference<'_>> = Vec::new();
    for_each_object(line, |span, members| {
        let Ok(read) = serde_json::from_str::<PayloadRef>(&line[span.clone()]) else { return };
        // References inside of a reference are part of it.
        while found.last().is_some_and(|inner| inner.span.start > span.start) {
            found.pop();
        }
        found.push(Reference { read, span, line, members });
    });
    found
}

/// An object or array whose end is not reached yet.
struct OpenContainer {
    start: usize,
    key: Option<Range<usize>>,
    members: Vec<ObjectMember>,
    is_object: bool,
}

/// Calls `visit` with every object of a JSON value that has enough members for a reference, inner objects first.
fn for_each_object(json: &str, mut visit: impl FnMut(Range<usize>, Vec<ObjectMember>)) {
    let bytes = json.as_bytes();
    let mut open: Vec<OpenContainer> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let value = match byte {
            b'{' | b'[' => {
                open.push(OpenContainer { start, key: None, members: Vec::new(), is_object: byte == b'{' });
                continue;
            }
            b'}' | b']' => {
                let Some(closed) = open.pop() else { return };
                // A reference has at least three members.
                if closed.is_object && closed.members.len() >= 3 {
                    visit(closed.start..at, closed.members);
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
            // A number or a literal.
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                at = bytes[at..].iter().position(is_end).map_or(bytes.len(), |length| at + length);
                start..at
            }
        };
        if let Some(object) = open.last_mut()
            && let Some(key) = object.key.take()
        {
            object.members.push(ObjectMember { key, value });
        }
    }
}

/// Returns the index after the closing quote of a string whose content begins at `at`.
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

/// Returns `true` if two paths are equal after removing `.` components.
pub(super) fn is_same_path(a: &str, b: &str) -> bool {
    let steps = |path| Path::new(path).components().filter(|step| *step != Component::CurDir).collect::<Vec<_>>();
    steps(a) == steps(b)
}
