//! JSON of which each piece of a stream has some, or all of it so far, such as the sources of an answer.

use std::collections::{BTreeMap, HashSet};

use serde_json::value::RawValue;

use super::growing::Growing;
use crate::provider::object::{Object, is_null, list};

/// A JSON value whose pieces are values of their own: lists are joined without doubling what arrives again, objects are
/// merged, and of other values the last one counts.
#[derive(Debug)]
pub(in crate::provider) enum Gathered {
    /// A value without elements or members, or one that is nested too deeply.
    Json(String),
    List(GatheredList),
    Object(BTreeMap<String, Self>),
}

/// A list that arrives in pieces.
#[derive(Debug, Default)]
pub(in crate::provider) struct GatheredList {
    elements: Vec<Box<str>>,
    seen: HashSet<Box<str>>,
}

/// Number of levels of objects that are merged. Objects below are replaced.
const MAX_LEVELS: u8 = 8;

impl Gathered {
    /// Creates a value of its first piece.
    pub(in crate::provider) fn new(piece: &RawValue) -> Self {
        let mut gathered = Self::Json("null".to_owned());
        gathered.add(piece);
        gathered
    }

    /// Adds a piece. Null changes nothing.
    pub(in crate::provider) fn add(&mut self, piece: &RawValue) {
        self.add_levels(piece, MAX_LEVELS);
    }

    fn add_levels(&mut self, piece: &RawValue, levels: u8) {
        if is_null(piece) {
            return;
        }
        if let Some(elements) = list(piece) {
            let mut list = match std::mem::replace(self, Self::Json(String::new())) {
                Self::List(list) => list,
                Self::Json(_) | Self::Object(_) => GatheredList::default(),
            };
            list.extend(&elements);
            *self = Self::List(list);
            return;
        }
        match Object::from_value(piece).filter(|_| levels > 0) {
            Some(object) => {
                let mut members = match std::mem::replace(self, Self::Json(String::new())) {
                    Self::Object(members) => members,
                    Self::Json(_) | Self::List(_) => BTreeMap::new(),
                };
                for (name, value) in object.fields().filter(|(_, value)| !is_null(value)) {
                    let member = members.entry(name.to_owned()).or_insert_with(|| Self::Json("null".to_owned()));
                    member.add_levels(value, levels - 1);
                }
                *self = Self::Object(members);
            }
            None => *self = Self::Json(piece.get().to_owned()),
        }
    }

    /// Returns the value.
    pub(in crate::provider) fn finish(self) -> Growing {
        let mut out = String::new();
        self.write(&mut out);
        Growing::Json(out)
    }

    /// Appends the value to `out`, as JSON.
    fn write(&self, out: &mut String) {
        match self {
            Self::Json(json) => out.push_str(json),
            Self::List(list) => {
                out.push('[');
                out.push_str(&list.elements.join(","));
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    Growing::text(name).write(out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

impl GatheredList {
    /// Adds the elements of a piece. A piece that begins with all elements so far is the whole list. Of another piece,
    /// the elements that the list does not have are added.
    fn extend(&mut self, piece: &[&RawValue]) {
        let known = self.elements.len();
        let is_whole =
            piece.len() >= known && self.elements.iter().zip(piece).all(|(known, new)| **known == *new.get());
        for element in piece.iter().skip(if is_whole { known } else { 0 }) {
            let element: Box<str> = element.get().into();
            if self.seen.insert(element.clone()) || is_whole {
                self.elements.push(element);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(pieces: &[&str]) -> String {
        let mut all = Gathered::Json("null".to_owned());
        for piece in pieces {
            all.add(serde_json::from_str(piece).expect("JSON"));
        }
        let mut out = String::new();
        all.write(&mut out);
        out
    }

    #[test]
    fn lists_are_joined_without_doubling_what_arrives_again() {
        assert_eq!(gathered(&[r#"{"a":[1,2]}"#, r#"{"a":[3]}"#]), r#"{"a":[1,2,3]}"#);
        assert_eq!(gathered(&["[1,1]", "[1,1]", "[1,1,1]"]), "[1,1,1]");
        assert_eq!(gathered(&[r#"[{"u":1}]"#, r#"[{"u":2},{"u":1}]"#, r#"[{"u":2}]"#]), r#"[{"u":1},{"u":2}]"#);
    }

    #[test]
    fn last_value_counts_where_there_is_nothing_to_join() {
        assert_eq!(
            gathered(&[r#"{"a":"x","b":{"c":1}}"#, r#"{"a":"y","b":{"d":null,"e":2}}"#]),
            r#"{"a":"y","b":{"c":1,"e":2}}"#
        );
        assert_eq!(gathered(&["[1]", "null", r#""x""#]), r#""x""#);
        let deep = |leaf: &str| [r#"{"a":"#.repeat(20), leaf.to_owned(), "}".repeat(20)].concat();
        assert_eq!(gathered(&[&deep("1"), &deep("2")]), deep("2"));
    }
}
