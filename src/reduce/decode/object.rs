//! JSON values one level deep: what is inside stays text until somebody asks for it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::why::{UNREADABLE, Why};

/// A JSON object, its values still text.
#[derive(Default)]
pub(crate) struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Whether it has a field whose name is no text: half a surrogate pair. Nobody asks for such a field.
    has_unreadable: bool,
}

impl<'a> Object<'a> {
    /// The object that this text is, if it is one.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn of(value: &'a RawValue) -> Option<Self> {
        Self::parse(value.get())
    }

    pub(super) fn push(&mut self, name: Option<Cow<'a, str>>, value: &'a RawValue) {
        match name {
            Some(name) => self.fields.push((name, value)),
            None => self.has_unreadable = true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && !self.has_unreadable
    }

    /// The value of a field; of the last one where it is repeated.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|&(_, value)| value)
    }

    /// The value of a field that is not null.
    pub(crate) fn some(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// The value of the first of these fields that is there and not null.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.some(name))
    }

    /// The fields, in the order of the text.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.fields.iter().map(|(name, value)| (&**name, *value))
    }

    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.get(name)?)
    }

    /// The text of a field that may be absent, or no text. What can't be read, as half a surrogate pair, is neither.
    pub(super) fn said(&self, name: &str) -> Result<Option<Cow<'a, str>>, Why> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match text(value) {
            None if value.get().starts_with('"') => Err(UNREADABLE),
            said => Ok(said),
        }
    }

    pub(crate) fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }

    pub(crate) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        list(self.get(name)?)
    }

    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::of(self.get(name)?)
    }

    pub(crate) fn number<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A name that some producers write as a number.
    pub(crate) fn name(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let digits = value.get();
        if digits.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Some(digits.to_owned());
        }
        text(value).map(Cow::into_owned)
    }

    /// The fields in ascending byte order, the last of repeated ones. `None` where one has no name.
    pub(super) fn into_sorted(self) -> Option<Vec<(Cow<'a, str>, &'a RawValue)>> {
        let Self { mut fields, has_unreadable } = self;
        fields.reverse();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields.dedup_by(|(later, _), (kept, _)| later == kept);
        (!has_unreadable).then_some(fields)
    }
}

/// The text that a value is.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    serde_json::from_str::<Text<'_>>(json).ok().map(|Text(text)| text)
}

/// The values of the list that a value is.
pub(crate) fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some(Name(name)) = map.next_key()? {
                    object.push(name, map.next_value()?);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The name of a field, borrowed where it has no escapes; `None` where it is no text.
pub(super) struct Name<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON string")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Name(str::from_utf8(name).ok().map(Cow::Borrowed)))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(str::from_utf8(name).ok().map(|name| Cow::Owned(name.to_owned()))))
            }
        }
        // As text, half a surrogate pair would cost the whole object.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A JSON string, borrowed where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Characters;
        impl<'de> Visitor<'de> for Characters {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Characters)
    }
}
