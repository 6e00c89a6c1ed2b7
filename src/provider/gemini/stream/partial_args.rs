//! Calls whose arguments arrive in pieces. Each piece has a path into the arguments, such as `$.city` or `$.days[0]`,
//! and a value; the text of a value that continues is extended by the next piece with its path.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::provider::assembler::{Growing, GrowingObject, Mismatch, UnreadEvents};
use crate::provider::object::{Object, list};

/// A call of which pieces have arrived.
#[derive(Debug, Default)]
pub(super) struct StreamedCall {
    /// The members beside the arguments.
    members: GrowingObject,
    args: Map<String, Value>,
    is_continued: bool,
}

/// Members of a piece, in the spelling of JSON and of protocol buffers.
const ARGS_FIELDS: [&str; 2] = ["partialArgs", "partial_args"];
const CONTINUE_FIELDS: [&str; 2] = ["willContinue", "will_continue"];

/// Maximum number of steps of a path.
const MAX_STEPS: usize = 32;

/// A step of a path.
#[derive(Debug, PartialEq)]
enum Step<'p> {
    Member(&'p str),
    Element(usize),
}

impl StreamedCall {
    /// Returns `true` if further pieces follow this one, which is the first one of a call.
    pub(super) fn begins(piece: &Object<'_>) -> bool {
        piece.first(&ARGS_FIELDS).is_some() || will_continue(piece)
    }

    /// Returns `true` if a piece is of this call. The last piece may be empty.
    pub(super) fn continues_with(&self, piece: &Object<'_>) -> bool {
        self.is_continued && piece.get("name").is_none()
    }

    /// Adds a piece.
    pub(super) fn push(&mut self, piece: &Object<'_>, unread: &mut UnreadEvents) {
        self.is_continued = will_continue(piece);
        for (name, value) in piece.fields() {
            if ARGS_FIELDS.contains(&name) {
                for arg in list(value).unwrap_or_default() {
                    let path = "events[].candidates[].content.parts[].functionCall.partialArgs[]";
                    unread.check(self.push_arg(arg), format_args!("{path}"));
                }
            } else if !CONTINUE_FIELDS.contains(&name) {
                self.members.set(name, value);
            }
        }
    }

    /// Adds a piece of the arguments.
    ///
    /// # Errors
    /// Returns [`Mismatch`] if the path of the piece does not fit the arguments so far. The piece is left out.
    fn push_arg(&mut self, arg: &RawValue) -> Result<(), Mismatch> {
        let arg = Object::from_value(arg).ok_or(Mismatch)?;
        let path = arg.text("jsonPath").or_else(|| arg.text("json_path")).ok_or(Mismatch)?;
        let steps = steps(&path).ok_or(Mismatch)?;
        let (Step::Member(first), rest) = steps.split_first().ok_or(Mismatch)? else { return Err(Mismatch) };
        let value = argument(&arg);
        let root = self.args.entry(*first).or_insert(Value::Null);
        let place = rest.iter().try_fold(root, |place, step| child(place, step)).ok_or(Mismatch)?;
        match (place, value) {
            (Value::String(text), Value::String(piece)) => text.push_str(&piece),
            (place @ Value::Null, value) => *place = value,
            // The last piece of a value may be empty.
            (_, Value::Null) => {}
            (place, value) if *place == value => {}
            (Value::String(_) | Value::Array(_) | Value::Object(_), _) => return Err(Mismatch),
            (place, value) => *place = value,
        }
        Ok(())
    }

    /// Returns the members of the call.
    pub(super) fn finish(self) -> GrowingObject {
        let Self { mut members, args, .. } = self;
        members.insert("args", Growing::Json(Value::Object(args).to_string()));
        members
    }
}

/// Returns `true` if further pieces of a call follow.
fn will_continue(piece: &Object<'_>) -> bool {
    CONTINUE_FIELDS.iter().any(|name| piece.number(name) == Some(true))
}

/// Returns the value in a piece of the arguments. A piece without a value is null.
fn argument(arg: &Object<'_>) -> Value {
    if let Some(text) = arg.string("stringValue").or_else(|| arg.string("string_value")) {
        return Value::String(text);
    }
    let plain = arg.first(&["numberValue", "number_value", "boolValue", "bool_value"]);
    plain.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

/// Returns the place of a member or an element. Adds it if it is the next one. Returns `None` if there is no such place.
fn child<'v>(value: &'v mut Value, step: &Step<'_>) -> Option<&'v mut Value> {
    if value.is_null() {
        *value = match step {
            Step::Member(_) => Value::Object(Map::new()),
            Step::Element(_) => Value::Array(Vec::new()),
        };
    }
    match (value, step) {
        (Value::Object(members), Step::Member(name)) => Some(members.entry(*name).or_insert(Value::Null)),
        (Value::Array(elements), Step::Element(index)) => {
            if *index == elements.len() {
                elements.push(Value::Null);
            }
            elements.get_mut(*index)
        }
        (_, Step::Member(_) | Step::Element(_)) => None,
    }
}

/// Returns the steps of a path: `$.name`, `$['name']` or `$[0]` and so on. Returns `None` for other paths.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == MAX_STEPS {
            return None;
        }
        let step;
        (step, rest) = if let Some(name) = rest.strip_prefix('.') {
            let (name, rest) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            (Step::Member(name), rest)
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let (name, rest) = quoted.split_once("']")?;
            (Step::Member(name), rest)
        } else {
            let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
            (Step::Element(index.parse().ok()?), rest)
        };
        steps.push(step);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_put_together_by_their_paths() {
        let (mut call, mut unread) = (StreamedCall::default(), UnreadEvents::default());
        let pieces = [
            r#"{"name":"f","willContinue":true}"#,
            r#"{"partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true}"#,
            r#"{"partialArgs":[{"jsonPath":"$.a","stringValue":"y"},{"jsonPath":"$['b c'][0].d","numberValue":1}],"willContinue":true}"#,
            r#"{"partialArgs":[{"jsonPath":"$['b c'][1]","boolValue":true},{"jsonPath":"$['b c'][9]","numberValue":1}],"willContinue":true}"#,
            r#"{"partialArgs":[{"jsonPath":"a","numberValue":1},{"jsonPath":"$","nullValue":"NULL_VALUE"}],"willContinue":true}"#,
            "{}",
        ];
        for piece in pieces {
            let piece = Object::parse(piece).expect("an object");
            assert!(StreamedCall::begins(&piece) || call.continues_with(&piece), "{piece:?}");
            call.push(&piece, &mut unread);
        }
        assert!(!call.continues_with(&Object::default()));
        let mut out = String::new();
        call.finish().write(&mut out);
        assert_eq!(out, r#"{"args":{"a":"xy","b c":[{"d":1},true]},"name":"f"}"#);
    }
}
