//! Objects with one long list, whose elements are told apart while the object is read: a request is mostly that, and
//! reading it twice would take twice the time.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{Object, Text};

/// The object that a text is, and the elements of the list that it has under `name`. Where there is no list under that
/// name, the field stays in the object.
pub(super) fn parse<'a>(text: &'a str, name: &str) -> Option<(Object<'a>, Option<Vec<&'a RawValue>>)> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Listing { name }.deserialize(&mut json).ok().filter(|_| json.end().is_ok());
    match read {
        Some((object, Found::List(list))) => Some((object, Some(list))),
        Some((object, Found::Nothing)) => Some((object, None)),
        Some((_, Found::Other)) | None => Some((Object::parse(text)?, None)),
    }
}

enum Found<'a> {
    Nothing,
    List(Vec<&'a RawValue>),
    Other,
}

struct Listing<'n> {
    name: &'n str,
}

impl<'de> DeserializeSeed<'de> for Listing<'_> {
    type Value = (Object<'de>, Found<'de>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Listing<'_> {
    type Value = (Object<'de>, Found<'de>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        let mut found = Found::Nothing;
        while let Some(Text(key)) = map.next_key()? {
            if key == self.name {
                found = map.next_value()?;
            } else {
                object.push(key, map.next_value()?);
            }
        }
        Ok((object, found))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Found<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Found<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(Found::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Found::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Found::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Found::Other)
            }
        }
        deserializer.deserialize_any(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_and_anything_else_stays() {
        let listed = |json| {
            parse(json, "input").map(|(object, list)| (object.get("input").is_some(), list.map(|list| list.len())))
        };
        assert_eq!(listed(r#"{"a":1,"input":[1,{"b":[]}],"c":2}"#), Some((false, Some(2))));
        assert_eq!(listed(r#"{"input":[1],"input":[1,2]}"#), Some((false, Some(2))));
        assert_eq!(listed(r#"{"input":"text"}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":{"a":1}}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":null}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":7}"#), Some((true, None)));
        assert_eq!(listed("{}"), Some((false, None)));
        assert_eq!(listed(r#"{"input":[]} x"#), None);
        assert_eq!(listed("[]"), None);
    }
}
