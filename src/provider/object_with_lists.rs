//! Parses objects with long lists, splitting the lists into their elements in the same pass: most of a request is such
//! a list, and parsing it twice would take twice the time.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::object::{FieldName, Object};

/// The elements of the lists that were split, by the name of the field that contains the list.
pub(super) type Lists<'a> = HashMap<&'static str, Vec<&'a RawValue>>;

/// Parses an object and splits the lists in the fields `names` into their elements. If one of these fields contains
/// anything but a list, all of them stay in the object unsplit. Returns `None` if the text is not an object.
pub(super) fn parse<'a>(text: &'a str, names: &[&'static str]) -> Option<(Object<'a>, Lists<'a>)> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = ObjectWithLists { names }.deserialize(&mut json).ok().filter(|_| json.end().is_ok());
    match read.and_then(|(object, found)| Some((object, lists(found)?))) {
        Some(read) => Some(read),
        None => Some((Object::parse(text)?, Lists::new())),
    }
}

fn lists<'a>(found: HashMap<&'static str, ListField<'a>>) -> Option<Lists<'a>> {
    found.into_iter().map(|(name, found)| Some((name, found.list()?))).collect()
}

/// The value of a field in which a list is expected.
enum ListField<'a> {
    List(Vec<&'a RawValue>),
    Other,
}

impl<'a> ListField<'a> {
    fn list(self) -> Option<Vec<&'a RawValue>> {
        match self {
            Self::List(list) => Some(list),
            Self::Other => None,
        }
    }
}

/// A visitor of a JSON object that splits the lists in the fields `names`.
struct ObjectWithLists<'n> {
    names: &'n [&'static str],
}

impl<'de> DeserializeSeed<'de> for ObjectWithLists<'_> {
    type Value = (Object<'de>, HashMap<&'static str, ListField<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectWithLists<'_> {
    type Value = (Object<'de>, HashMap<&'static str, ListField<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        let mut found = HashMap::new();
        while let Some(FieldName(key)) = map.next_key()? {
            match self.names.iter().find(|&&name| key.as_deref() == Some(name)) {
                Some(&name) => {
                    found.insert(name, map.next_value()?);
                }
                None => object.push_field(key, map.next_value()?),
            }
        }
        Ok((object, found))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ListField<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = ListField<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(ListField::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(ListField::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(ListField::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(ListField::Other)
            }
        }
        deserializer.deserialize_any(Elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_and_other_values_stay() {
        let listed = |json| {
            parse(json, &["input", "messages"])
                .map(|(object, lists)| (object.get("input").is_some(), lists.get("input").map(Vec::len)))
        };
        assert_eq!(listed(r#"{"a":1,"input":[1,{"b":[]}],"c":2}"#), Some((false, Some(2))));
        assert_eq!(listed(r#"{"input":[1],"input":[1,2]}"#), Some((false, Some(2))));
        assert_eq!(listed(r#"{"messages":[7],"input":[1,2]}"#), Some((false, Some(2))));
        assert_eq!(listed(r#"{"messages":"text","input":[1,2]}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":"text"}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":{"a":1}}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":null}"#), Some((true, None)));
        assert_eq!(listed(r#"{"input":7}"#), Some((true, None)));
        assert_eq!(listed("{}"), Some((false, None)));
        assert_eq!(listed(r#"{"input":[]} x"#), None);
        assert_eq!(listed("[]"), None);
    }
}
