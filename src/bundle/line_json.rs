//! The JSON of a line, as `serde_json` writes it, in a fraction of its time.
//!
//! Lines are keys, words and ids: nearly all of it text in which nothing need be escaped. That is looked for eight bytes
//! at a time, and text in which there is nothing is copied. All else is left to `serde_json`: text with something to
//! escape, numbers, and with [`Unusual`] the whole line where a value is of a shape that is not known here.

use std::fmt;
use std::io;

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeMap, SerializeSeq, SerializeStruct};

/// Writes `value` behind what is in `out`.
///
/// # Errors
/// What `serde_json` says of a value that has no JSON.
pub(super) fn write(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    let start = out.len();
    value.serialize(Json(out)).or_else(|Unusual| {
        out.truncate(start);
        Ok(serde_json::to_writer(out, value)?)
    })
}

/// The value is of a shape that is not known here, or has no JSON.
#[derive(Debug)]
struct Unusual;

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an unusual shape")
    }
}

impl std::error::Error for Unusual {}

impl ser::Error for Unusual {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl From<serde_json::Error> for Unusual {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

type Done = Result<(), Unusual>;

/// Writes one value.
struct Json<'a>(&'a mut Vec<u8>);

/// Writes the members of an object or of an array.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    end: u8,
}

impl<'a> Members<'a> {
    fn new(out: &'a mut Vec<u8>, start: u8, end: u8) -> Self {
        out.push(start);
        Self { out, is_first: true, end }
    }

    fn separate(&mut self) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
    }

    fn close(self) {
        self.out.push(self.end);
    }
}

fn text(out: &mut Vec<u8>, text: &str) -> Done {
    if has_to_be_escaped(text.as_bytes()) {
        return Ok(serde_json::to_writer(out, text)?);
    }
    quoted(out, text);
    Ok(())
}

/// Text in which nothing need be escaped.
fn quoted(out: &mut Vec<u8>, text: &str) {
    // Room for what follows it, too.
    out.reserve(text.len() + 4);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether there may be a quote, a backslash or a control character.
fn has_to_be_escaped(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    if words.iter().any(|word| may_hold_special(u64::from_ne_bytes(*word))) {
        return true;
    }
    match bytes.last_chunk::<8>() {
        // Some of it was looked at before.
        Some(last) => may_hold_special(u64::from_ne_bytes(*last)),
        None => rest.iter().any(|byte| matches!(byte, b'"' | b'\\' | ..0x20)),
    }
}

/// Whether one of eight bytes may be special. The usual trick: a byte below the one that is subtracted borrows into its
/// highest bit. A borrow may spill into the next byte, which then is taken for special, and is not: nobody is misled.
fn may_hold_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let (quotes, backslashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    (below(word, 0x20) | below(quotes, 1) | below(backslashes, 1)) & HIGH != 0
}

macro_rules! left_to_serde_json {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Done {
            Ok(serde_json::to_writer(self.0, &value)?)
        })*
    };
}

impl<'a> ser::Serializer for Json<'a> {
    type Ok = ();
    type Error = Unusual;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Impossible<(), Unusual>;
    type SerializeTupleStruct = Impossible<(), Unusual>;
    type SerializeTupleVariant = Impossible<(), Unusual>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Impossible<(), Unusual>;

    left_to_serde_json! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_char: char,
    }

    fn serialize_str(self, value: &str) -> Done {
        text(self.0, value)
    }

    fn serialize_bytes(self, _: &[u8]) -> Done {
        Err(Unusual)
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        text(self.0, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, _: &T) -> Done {
        Err(Unusual)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, Unusual> {
        Ok(Members::new(self.0, b'[', b']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unusual> {
        Err(Unusual)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unusual> {
        Err(Unusual)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unusual> {
        Err(Unusual)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Unusual> {
        Ok(Members::new(self.0, b'{', b'}'))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>, Unusual> {
        // Values that are no structs are passed on as structs with such names: JSON that is text already.
        if name.starts_with('$') { Err(Unusual) } else { Ok(Members::new(self.0, b'{', b'}')) }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unusual> {
        Err(Unusual)
    }
}

impl SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = Unusual;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.separate();
        value.serialize(Json(self.out))
    }

    fn end(self) -> Done {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Unusual;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Done {
        self.separate();
        // The names of our own fields are plain.
        quoted(self.out, key);
        self.out.push(b':');
        value.serialize(Json(self.out))
    }

    fn end(self) -> Done {
        self.close();
        Ok(())
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Unusual;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.separate();
        let start = self.out.len();
        key.serialize(Json(self.out))?;
        // A key that is no text is written as text by `serde_json`.
        if self.out.get(start) == Some(&b'"') { Ok(()) } else { Err(Unusual) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.out.push(b':');
        value.serialize(Json(self.out))
    }

    fn end(self) -> Done {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(value: &impl Serialize) {
        let mut out = b"before".to_vec();
        write(&mut out, value).expect("written");
        let expected = format!("before{}", serde_json::to_string(value).expect("written"));
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn every_shape_is_as_serde_json_writes_it() {
        #[derive(Serialize)]
        struct Shapes {
            text: &'static str,
            none: Option<u8>,
            some: Option<i64>,
            float: f64,
            nan: f32,
            unit: (),
            tuple: (u8, char),
            list: Vec<bool>,
            map: BTreeMap<u8, &'static str>,
            variant: Result<u8, String>,
            raw: Box<serde_json::value::RawValue>,
        }
        check(&Shapes {
            text: "a \"quoted\" \\ line\n",
            none: None,
            some: Some(i64::MIN),
            float: 1e300,
            nan: f32::NAN,
            unit: (),
            tuple: (1, '"'),
            list: vec![true, false],
            map: BTreeMap::from([(7, "x"), (8, "")]),
            variant: Err("e".to_owned()),
            raw: serde_json::value::to_raw_value(&[1, 2]).expect("JSON"),
        });
        check(&serde_json::json!({ "a": [], "b": {}, "c": [{ "d": null }, 1.5, "é\u{2028}"] }));
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for byte in 0..=0x7f_u8 {
            for place in 0..20 {
                let mut text = vec![b'a'; 20];
                text[place] = byte;
                check(&String::from_utf8(text).expect("ASCII"));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_as_serde_json_writes_it(text in "\\PC*|(?s).*") {
            check(&text);
        }
    }
}
