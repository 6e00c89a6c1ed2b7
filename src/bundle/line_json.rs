//! A JSON serializer for lines of the log, with the same output as `serde_json` in a fraction of its time.
//!
//! Lines consist of keys, words and ids: nearly all strings need no escapes. Strings are checked eight bytes at a time,
//! and copied if they need none. Strings with escapes and numbers are left to `serde_json`, and so is the whole line if
//! a value has a shape that is [`Unsupported`] here.

use std::fmt;
use std::io;

use serde::Serialize;
use serde::ser::{self, Impossible, SerializeMap, SerializeSeq, SerializeStruct};

/// Appends the JSON of `value` to `out`.
///
/// # Errors
/// Returns the error of `serde_json` if the value cannot be written as JSON.
pub(super) fn write(out: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    let start = out.len();
    value.serialize(LineSerializer(out)).or_else(|Unsupported| {
        out.truncate(start);
        Ok(serde_json::to_writer(out, value)?)
    })
}

/// The error of a value whose shape is not supported here, or that cannot be written as JSON.
#[derive(Debug)]
struct Unsupported;

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an unsupported shape")
    }
}

impl std::error::Error for Unsupported {}

impl ser::Error for Unsupported {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl From<serde_json::Error> for Unsupported {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

type WriteResult = Result<(), Unsupported>;

/// A serializer that appends the JSON of one value to a buffer.
struct LineSerializer<'a>(&'a mut Vec<u8>);

/// A serializer for the members of an object or the elements of an array.
struct MemberWriter<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    end: u8,
}

impl<'a> MemberWriter<'a> {
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

/// Writes a JSON string, with escapes if needed.
fn write_string(out: &mut Vec<u8>, text: &str) -> WriteResult {
    if needs_escaping(text.as_bytes()) {
        return Ok(serde_json::to_writer(out, text)?);
    }
    write_quoted(out, text);
    Ok(())
}

/// Writes a JSON string that needs no escapes.
fn write_quoted(out: &mut Vec<u8>, text: &str) {
    // Reserves some bytes for the tokens that follow.
    out.reserve(text.len() + 4);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Returns `true` if `bytes` may contain a quote, a backslash or a control character. May return `true` for bytes that
/// contain none of these.
fn needs_escaping(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    if words.iter().any(|word| may_hold_special(u64::from_ne_bytes(*word))) {
        return true;
    }
    match bytes.last_chunk::<8>() {
        // Overlaps with the bytes checked above.
        Some(last) => may_hold_special(u64::from_ne_bytes(*last)),
        None => rest.iter().any(|byte| matches!(byte, b'"' | b'\\' | ..0x20)),
    }
}

/// Returns `true` if one of the eight bytes in `word` may need an escape. Uses the usual trick: subtracting a limit
/// from a smaller byte borrows into its highest bit. The borrow may carry into the next byte and cause a false
/// positive, which is harmless: the string is then left to `serde_json`.
fn may_hold_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let (quotes, backslashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    (below(word, 0x20) | below(quotes, 1) | below(backslashes, 1)) & HIGH != 0
}

macro_rules! left_to_serde_json {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> WriteResult {
            Ok(serde_json::to_writer(self.0, &value)?)
        })*
    };
}

impl<'a> ser::Serializer for LineSerializer<'a> {
    type Ok = ();
    type Error = Unsupported;
    type SerializeSeq = MemberWriter<'a>;
    type SerializeTuple = Impossible<(), Unsupported>;
    type SerializeTupleStruct = Impossible<(), Unsupported>;
    type SerializeTupleVariant = Impossible<(), Unsupported>;
    type SerializeMap = MemberWriter<'a>;
    type SerializeStruct = MemberWriter<'a>;
    type SerializeStructVariant = Impossible<(), Unsupported>;

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

    fn serialize_str(self, value: &str) -> WriteResult {
        write_string(self.0, value)
    }

    fn serialize_bytes(self, _: &[u8]) -> WriteResult {
        Err(Unsupported)
    }

    fn serialize_none(self) -> WriteResult {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> WriteResult {
        value.serialize(self)
    }

    fn serialize_unit(self) -> WriteResult {
        self.0.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> WriteResult {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> WriteResult {
        write_string(self.0, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> WriteResult {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> WriteResult {
        Err(Unsupported)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<MemberWriter<'a>, Unsupported> {
        Ok(MemberWriter::new(self.0, b'[', b']'))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unsupported> {
        Err(Unsupported)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MemberWriter<'a>, Unsupported> {
        Ok(MemberWriter::new(self.0, b'{', b'}'))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<MemberWriter<'a>, Unsupported> {
        // `serde_json` passes raw JSON as a struct whose name begins with `$`.
        if name.starts_with('$') { Err(Unsupported) } else { Ok(MemberWriter::new(self.0, b'{', b'}')) }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unsupported> {
        Err(Unsupported)
    }
}

impl SerializeSeq for MemberWriter<'_> {
    type Ok = ();
    type Error = Unsupported;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> WriteResult {
        self.separate();
        value.serialize(LineSerializer(self.out))
    }

    fn end(self) -> WriteResult {
        self.close();
        Ok(())
    }
}

impl SerializeStruct for MemberWriter<'_> {
    type Ok = ();
    type Error = Unsupported;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> WriteResult {
        self.separate();
        // Field names of structs in this crate need no escapes.
        write_quoted(self.out, key);
        self.out.push(b':');
        value.serialize(LineSerializer(self.out))
    }

    fn end(self) -> WriteResult {
        self.close();
        Ok(())
    }
}

impl SerializeMap for MemberWriter<'_> {
    type Ok = ();
    type Error = Unsupported;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> WriteResult {
        self.separate();
        let start = self.out.len();
        key.serialize(LineSerializer(self.out))?;
        // `serde_json` writes keys of other types as strings.
        if self.out.get(start) == Some(&b'"') { Ok(()) } else { Err(Unsupported) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> WriteResult {
        self.out.push(b':');
        value.serialize(LineSerializer(self.out))
    }

    fn end(self) -> WriteResult {
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
    fn every_shape_is_written_like_serde_json() {
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
    fn special_byte_is_escaped_at_every_position() {
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
        fn any_string_is_written_like_serde_json(text in "\\PC*|(?s).*") {
            check(&text);
        }
    }
}
