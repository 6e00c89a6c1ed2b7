//! Reads the reasoning of a model.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, UndecodableText, list, text};

/// Reasoning: one of the entries of which a message's reasoning consists.
#[derive(Debug, Default)]
pub(crate) struct Reasoning<'a> {
    /// The fields of the entry. `None` if the part holds them, or if the entry is no object.
    pub(crate) object: Option<Object<'a>>,
    pub(crate) text: Pieces<'a>,
    /// Text that summarizes hidden reasoning.
    pub(crate) summary: Pieces<'a>,
    /// The signature of the text.
    pub(crate) signature: Option<&'a RawValue>,
    /// The encrypted reasoning, in place of the text.
    pub(crate) data: Pieces<'a>,
    /// Values in place of texts that are none, such as references.
    pub(crate) others: Vec<&'a RawValue>,
}

/// A text that a provider may return in several pieces.
#[derive(Debug, Default)]
pub(crate) struct Pieces<'a>(Vec<&'a RawValue>);

impl<'a> Pieces<'a> {
    /// Creates a text of one piece, or of none if the value is no text.
    pub(super) fn from_text(value: Option<&'a RawValue>) -> Self {
        Self(value.filter(|value| value.get().starts_with('"')).into_iter().collect())
    }

    /// Returns `true` if there is no text, or only empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| piece.get() == "\"\"")
    }

    /// Returns the text as a JSON string, in the spelling of the pieces. Returns `None` if there are no pieces.
    #[cfg(feature = "otlp")]
    pub(crate) fn as_json(&self) -> Option<Cow<'a, RawValue>> {
        if let [piece] = *self.0 {
            return Some(Cow::Borrowed(piece));
        }
        let unquoted = self.0.iter().filter_map(|piece| piece.get().strip_prefix('"')?.strip_suffix('"'));
        let joined = RawValue::from_string(format!("\"{}\"", unquoted.collect::<String>())).ok()?;
        (!self.0.is_empty()).then_some(Cow::Owned(joined))
    }

    /// Returns the pieces joined to one text. Returns `None` if there are no pieces.
    ///
    /// # Errors
    /// Returns an error for a piece that cannot be decoded.
    pub(crate) fn joined(&self) -> Result<Option<Cow<'a, str>>, UndecodableText> {
        let decode = |piece: &&'a RawValue| text(piece).ok_or(UndecodableText);
        match &*self.0 {
            [] => Ok(None),
            [piece] => decode(piece).map(Some),
            pieces => pieces.iter().map(decode).collect::<Result<String, _>>().map(|text| Some(text.into())),
        }
    }

    /// Adds a text or a list of its pieces. Adds what is neither to `others`. Reads one level of lists and no more, so
    /// that no body can exhaust the stack.
    pub(super) fn add(&mut self, value: &'a RawValue, others: &mut Vec<&'a RawValue>) {
        for piece in list(value).unwrap_or_else(|| vec![value]) {
            match piece_text(piece) {
                Some(text) => self.0.push(text),
                None if piece.get().starts_with(['{', '[']) => others.push(piece),
                None => {}
            }
        }
    }
}

/// Fields of a part that may hold a text.
pub(super) const TEXT_FIELDS: [&str; 2] = ["text", "content"];

/// Fields of a part or of an entry that hold the text of the reasoning.
const TEXT_NAMES: [&str; 4] = ["thinking", "content", "text", "reasoning"];

/// Fields of a part or of an entry that hold the text of the reasoning or its summary.
pub(crate) const REASONING_FIELDS: [&str; 5] = ["thinking", "content", "text", "reasoning", "summary"];

impl<'a> Reasoning<'a> {
    /// Reads a value in place of reasoning: a text, a list of its pieces, or one piece.
    pub(super) fn from_value(value: &'a RawValue) -> Self {
        let mut reasoning = Self::default();
        reasoning.text.add(value, &mut reasoning.others);
        reasoning
    }

    /// Reads the reasoning in a part or an entry. The fields decide, not the type: clients that join the pieces of a
    /// stream may put a summary and encrypted reasoning into one entry.
    pub(super) fn from_object(object: &Object<'a>) -> Self {
        let mut reasoning = Self { signature: object.non_null("signature"), ..Self::default() };
        let Self { text, summary, data, others, .. } = &mut reasoning;
        for (pieces, names) in [(text, &TEXT_NAMES[..]), (summary, &["summary"]), (data, &["data"])] {
            object.first(names).into_iter().for_each(|value| pieces.add(value, others));
        }
        reasoning
    }

    /// Returns `true` if there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        let is_unsigned = self.signature.is_none_or(|signature| signature.get() == "\"\"");
        self.text.is_empty() && self.summary.is_empty() && self.data.is_empty() && is_unsigned && self.others.is_empty()
    }

    /// Adds a later piece of the same reasoning.
    pub(super) fn append(&mut self, piece: Self) {
        let Self { object: _, text, summary, signature, data, others } = piece;
        self.text.0.extend(text.0);
        self.summary.0.extend(summary.0);
        self.signature = signature.or(self.signature);
        self.data.0.extend(data.0);
        self.others.extend(others);
    }
}

/// Returns the text of a piece: a text, or a part that is a text.
fn piece_text(piece: &RawValue) -> Option<&RawValue> {
    let is_text = |value: &RawValue| value.get().starts_with('"');
    if is_text(piece) {
        return Some(piece);
    }
    Object::from_value(piece)?.first(&TEXT_FIELDS).filter(|text| is_text(text))
}

/// Returns the signature that Gemini puts into a part of any type, in the spelling of its own API or of a Chat
/// Completions server. It signs the reasoning before the part.
pub(super) fn thought_signature<'a>(part: &Object<'a>) -> Option<&'a RawValue> {
    const FIELDS: [&str; 2] = ["thoughtSignature", "thought_signature"];
    const EXTENSIONS: [&str; 2] = ["extra_content", "provider_specific_fields"];
    let of_extension = |name: &&str| {
        let extension = part.object(name)?;
        let of_provider = |(_, value)| Object::from_value(value)?.first(&FIELDS);
        extension.first(&FIELDS).or_else(|| extension.fields().find_map(of_provider))
    };
    part.first(&FIELDS).or_else(|| EXTENSIONS.iter().find_map(of_extension))
}
