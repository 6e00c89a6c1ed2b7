//! Reads the reasoning that servers compatible with Chat Completions put beside the content of a message.
//!
//! The API has no field for it, so each dialect has its own: `reasoning_content`, `reasoning`, `reasoning_text` or
//! `thinking` with the text, `reasoning_opaque` with its encrypted form, `reasoning_details` or `thinking_blocks` with a
//! list of entries that also hold signatures and encrypted reasoning. Several of these fields may have the same content.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use crate::provider::object::{Object, is_null, list, list_or_one};
use crate::provider::part::{Part, PartContent};
use crate::provider::reasoning::{Pieces, Reasoning, thought_signature};

/// Fields that hold a list of entries.
const ENTRY_LISTS: [&str; 2] = ["reasoning_details", "thinking_blocks"];

/// Fields that hold a text.
const TEXTS: [&str; 4] = ["reasoning_content", "reasoning", "reasoning_text", "thinking"];

/// The field that holds reasoning in encrypted form, of the whole message.
const OPAQUE: &str = "reasoning_opaque";

/// Reads the reasoning beside the content of a message. Returns `None` if there is none.
pub(super) fn beside_content<'a>(message: &Object<'a>) -> Option<Part<'a>> {
    let (mut raw, mut entries) = (None, Vec::new());
    // A gateway may have it among the members of the provider, too.
    let of_provider = message.object("provider_specific_fields").unwrap_or_default();
    let lists = [message, &of_provider].into_iter().flat_map(|object| ENTRY_LISTS.map(|name| object.non_null(name)));
    for value in lists.flatten() {
        let listed = self::entries(value);
        raw = raw.or((!listed.is_empty()).then_some(value));
        add_other_entries(&mut entries, listed);
    }
    let texts = [message, &of_provider].into_iter().flat_map(|object| TEXTS.map(|name| object.non_null(name)));
    for value in texts.flatten() {
        let reasoning = Reasoning::from_value(value);
        if !reasoning.is_empty() && !repeats(&reasoning, &entries) {
            entries.push(reasoning);
            raw = raw.or(Some(value));
        }
    }
    if let Some(opaque) = message.non_null(OPAQUE) {
        entries.push(Reasoning { data: Pieces::from_text(Some(opaque)), ..Reasoning::default() });
        raw = raw.or(Some(opaque));
    }
    // A gateway may list the signatures of several parts.
    let listed = list_or_one(&of_provider, "thought_signatures").into_iter();
    let mut seen = HashSet::new();
    for signature in thought_signature(message).into_iter().chain(listed).filter(|signature| !is_null(signature)) {
        if seen.insert(signature.get()) {
            sign(&mut entries, signature);
            raw = raw.or(Some(signature));
        }
    }
    Some(Part::beside_content(raw?, PartContent::Reasoning(entries)))
}

/// Reads a list of entries, or one entry in place of a list. Entries with one index are pieces of one entry.
fn entries(value: &RawValue) -> Vec<Reasoning<'_>> {
    let mut entries = Vec::<Reasoning<'_>>::new();
    let mut by_index = HashMap::new();
    for raw in list(value).unwrap_or_else(|| vec![value]) {
        let entry = entry(raw);
        let key = entry.object.as_ref().and_then(entry_key);
        let earlier = key.as_ref().and_then(|key| entries.get_mut(*by_index.get(key)?));
        match earlier.filter(|earlier| have_one_id(earlier, &entry)) {
            Some(earlier) => earlier.append(entry),
            None => {
                by_index.extend(key.map(|key| (key, entries.len())));
                entries.push(entry);
            }
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Adds the entries of a second list. Some servers have each entry in two lists, and its signature in one of them.
fn add_other_entries<'a>(entries: &mut Vec<Reasoning<'a>>, listed: Vec<Reasoning<'a>>) {
    if entries.is_empty() {
        return entries.extend(listed);
    }
    let mut known: HashMap<_, _> =
        entries.iter().enumerate().filter_map(|(index, entry)| Some((entry_content(entry)?, index))).collect();
    for entry in listed {
        let repeated = entry_content(&entry).and_then(|content| known.remove(&content));
        match repeated.and_then(|index| entries.get_mut(index)) {
            Some(repeated) => repeated.signature = repeated.signature.or(entry.signature),
            None => entries.push(entry),
        }
    }
}

/// Returns the texts of an entry, the summary and the encrypted reasoning. Returns `None` if the entry has none of them,
/// or something else.
fn entry_content<'a>(entry: &Reasoning<'a>) -> Option<[Cow<'a, str>; 3]> {
    let joined = |pieces: &Pieces<'a>| pieces.joined().map(Option::unwrap_or_default);
    let content = [joined(&entry.text).ok()?, joined(&entry.summary).ok()?, joined(&entry.data).ok()?];
    Some(content).filter(|content| entry.others.is_empty() && content.iter().any(|text| !text.is_empty()))
}

/// Reads one entry. An entry without a known field is kept as it is.
fn entry(raw: &RawValue) -> Reasoning<'_> {
    const KNOWN_FIELDS: [&str; 7] = ["text", "thinking", "content", "reasoning", "summary", "signature", "data"];
    let Some(object) = Object::from_value(raw) else { return Reasoning::from_value(raw) };
    if KNOWN_FIELDS.iter().all(|name| object.get(name).is_none()) {
        return Reasoning { others: vec![raw], ..Reasoning::default() };
    }
    let reasoning = Reasoning::from_object(&object);
    Reasoning { object: Some(object), ..reasoning }
}

/// Returns the index and the type of an entry: one index may have a summary and encrypted reasoning.
fn entry_key<'a>(entry: &Object<'a>) -> Option<(&'a str, Option<Cow<'a, str>>)> {
    Some((entry.non_null("index")?.get(), entry.text("type")))
}

/// Returns `true` unless two entries have different ids.
fn have_one_id(entry: &Reasoning<'_>, other: &Reasoning<'_>) -> bool {
    let id = |entry: &Reasoning<'_>| entry.object.as_ref().and_then(|object| object.text("id").map(Cow::into_owned));
    match (id(entry), id(other)) {
        (Some(id), Some(other)) => id == other,
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// Returns `true` if the text of the reasoning is that of the entries: their texts, their summaries, or both, joined.
fn repeats(reasoning: &Reasoning<'_>, entries: &[Reasoning<'_>]) -> bool {
    if !reasoning.others.is_empty() {
        return false;
    }
    let Ok(Some(whole)) = reasoning.text.joined() else { return false };
    let texts = || entries.iter().map(|entry| &entry.text);
    let summaries = || entries.iter().map(|entry| &entry.summary);
    let both = entries.iter().flat_map(|entry| [&entry.text, &entry.summary]);
    is_joined(&whole, texts()) || is_joined(&whole, summaries()) || is_joined(&whole, both)
}

/// Returns `true` if a text consists of these texts, with nothing but white space between them.
fn is_joined<'p, 'a: 'p>(whole: &str, texts: impl Iterator<Item = &'p Pieces<'a>>) -> bool {
    let mut rest = whole.trim();
    for text in texts {
        let Ok(text) = text.joined() else { return false };
        match rest.strip_prefix(text.unwrap_or_default().trim()) {
            Some(behind) => rest = behind.trim_start(),
            None => return false,
        }
    }
    rest.is_empty()
}

/// Adds the signature of the message to the last entry, or as an entry of its own if that is signed.
fn sign<'a>(entries: &mut Vec<Reasoning<'a>>, signature: &'a RawValue) {
    match entries.last_mut() {
        Some(last) if last.signature.is_none() && last.data.is_empty() => last.signature = Some(signature),
        Some(_) | None => entries.push(Reasoning { signature: Some(signature), ..Reasoning::default() }),
    }
}
