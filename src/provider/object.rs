//! JSON values parsed one level deep: nested values stay text until they are needed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON object whose values are unparsed text.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// `true` if the object has a field whose name is not valid Unicode (an unpaired surrogate). Such a field cannot be
    /// looked up.
    has_unreadable: bool,
}

impl<'a> Object<'a> {
    /// Parses a JSON object. Returns `None` if the text is not a JSON object.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Parses the fields of a value. Returns `None` if the value is not an object.
    pub(crate) fn from_value(value: &'a RawValue) -> Option<Self> {
        // For a long text in place of an object, `serde_json` would decode it to report it.
        if value.get().starts_with('{') { Self::parse(value.get()) } else { None }
    }

    /// Adds a field. `name` is `None` if the field's name is not valid Unicode.
    pub(crate) fn push_field(&mut self, name: Option<Cow<'a, str>>, value: &'a RawValue) {
        match name {
            Some(name) => self.fields.push((name, value)),
            None => self.has_unreadable = true,
        }
    }

    /// Returns the value of a field, of the last one if the field is repeated. Returns `None` if it is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.iter().rev().find(|(key, _)| key == name).map(|&(_, value)| value)
    }

    /// Returns the value of a field. Returns `None` if it is absent or null.
    pub(crate) fn non_null(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    /// Returns the value of the first field in `names` that is present and not null. Returns `None` if there is none.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&'a RawValue> {
        names.iter().find_map(|name| self.non_null(name))
    }

    /// Returns the fields, in the order in which the object contains them.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.fields.iter().map(|(name, value)| (&**name, *value))
    }

    /// Returns the string in a field. Returns `None` if the field is absent or not a string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.get(name)?)
    }

    /// Returns the text of a field as a `String`. Returns `None` if it is absent or no text.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }

    /// Returns the elements of the list in a field. Returns `None` if the field is absent or not a list.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        list(self.get(name)?)
    }

    /// Returns the object in a field. Returns `None` if the field is absent or not an object.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::from_value(self.get(name)?)
    }

    /// Returns the number (or other plain value) in a field. Returns `None` if the field is absent or of another type.
    pub(crate) fn number<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Returns the string in a field that some producers write as a number. The digits of a number are kept unchanged.
    /// Returns `None` if the field is absent or of another type.
    pub(crate) fn text_or_number(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let digits = value.get();
        if digits.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Some(digits.to_owned());
        }
        text(value).map(Cow::into_owned)
    }

    /// Returns the fields in ascending byte order of their names. Of repeated fields only the last is returned. Returns
    /// `None` if the name of a field is not valid Unicode.
    pub(crate) fn into_sorted(self) -> Option<Vec<(Cow<'a, str>, &'a RawValue)>> {
        let Self { mut fields, has_unreadable } = self;
        fields.reverse();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        fields.dedup_by(|(later, _), (kept, _)| later == kept);
        (!has_unreadable).then_some(fields)
    }
}

/// Returns the text of a JSON string. Returns `None` if the value is not a string.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    serde_json::from_str::<Text<'_>>(json).ok().map(|Text(text)| text)
}

/// A string that cannot be decoded, such as one with an unpaired surrogate.
#[derive(Debug)]
pub(crate) struct UndecodableText;

/// Returns the text of a value. Returns `None` if there is no value, or it is no text.
///
/// # Errors
/// Returns an error for a string that cannot be decoded.
pub(crate) fn optional_text(value: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, UndecodableText> {
    let Some(value) = value else { return Ok(None) };
    match text(value) {
        None if value.get().starts_with('"') => Err(UndecodableText),
        optional_text => Ok(optional_text),
    }
}

/// Returns the elements of a value. Returns `None` if it is no list.
pub(crate) fn list(value: &RawValue) -> Option<Vec<&RawValue>> {
    if value.get().starts_with('[') { serde_json::from_str(value.get()).ok() } else { None }
}

/// Returns the elements of the list in a field, or any other value as the only element. Returns no elements if the
/// field is absent or null.
pub(crate) fn list_or_one<'a>(object: &Object<'a>, name: &str) -> Vec<&'a RawValue> {
    object.non_null(name).map(|value| list(value).unwrap_or_else(|| vec![value])).unwrap_or_default()
}

/// Returns `true` if the value is `null`.
pub(crate) fn is_null(value: &RawValue) -> bool {
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
                while let Some(FieldName(name)) = map.next_key()? {
                    object.push_field(name, map.next_value()?);
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The name of a field, borrowed if it has no escapes. `None` if it is not valid Unicode.
pub(super) struct FieldName<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for FieldName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = FieldName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON string")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(FieldName(str::from_utf8(name).ok().map(Cow::Borrowed)))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(FieldName(str::from_utf8(name).ok().map(|name| Cow::Owned(name.to_owned()))))
            }
        }
        // As a string, an unpaired surrogate would make the whole object unreadable.
        deserializer.deserialize_bytes(Bytes)
    }
}

/// A JSON string, borrowed if it has no escapes.
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
