//! Messages of every shape but the Responses API's: Chat Completions, Anthropic Messages, Gemini and the GenAI
//! conventions. Their parts say what they are and never mean two things, so one reading serves all, and nobody has to
//! know which provider was asked.
//!
//! A message gives, in this order: what it thought before it spoke (`reasoning_content`, `reasoning`), its parts
//! (`parts`, else `content`), `refusal` and `audio`, its calls (`tool_calls`, `function_call`). What is an item of its
//! own becomes one where it stands; a run of text and other parts between two of these is one message item. Nothing
//! is made of empty text, so that `null`, `""` and `[]` are the same beside a call: programs turn one into the other
//! when they repeat a response as history. A message that says nothing at all is a message item with `empty_content`.
//!
//! Only what is said counts, and it counts the same in a response and in the history of the next request. So ids of
//! messages, names of speakers, citations, finish reasons and `cache_control`, which moves from request to request,
//! are passed over.

mod call;
mod output;
mod part;
mod pieces;
mod reasoning;

use serde_json::value::RawValue;

use super::object::{Object, is_null, list, text};
use super::reading::Reading;
use super::why::Why;
use crate::event::CallId;
use crate::graph::Role;
use pieces::Pieces;

/// Reads one message; `otherwise` is who speaks where it does not say.
pub(super) fn read(json: &str, otherwise: Option<Role>) -> Vec<Reading> {
    pieces_of(json, otherwise).unwrap_or_else(|why| vec![Err(why)])
}

/// Reads what stands for a message's content alone. Where nothing is said there is no item.
pub(super) fn read_content(json: &str, speaker: Role) -> Vec<Reading> {
    let Ok(content) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut pieces = Pieces::new(speaker, None);
    said(&mut pieces, content);
    pieces.finish()
}

fn pieces_of(json: &str, otherwise: Option<Role>) -> Result<Vec<Reading>, Why> {
    let message = Object::parse(json).ok_or("it is not an object")?;
    let mut pieces = Pieces::new(speaker(&message, otherwise)?, id(&message, "tool_call_id"));
    thought(&mut pieces, &message);
    if let Some(content) = message.first(&["parts", "content"]) {
        said(&mut pieces, content);
    }
    said_elsewhere(&mut pieces, &message);
    calls(&mut pieces, &message);
    Ok(pieces.finish_message())
}

fn speaker(message: &Object<'_>, otherwise: Option<Role>) -> Result<Role, Why> {
    if message.some("role").is_none() {
        return otherwise.ok_or("it has no role");
    }
    match message.text("role").as_deref() {
        Some("system") => Ok(Role::System),
        Some("developer") => Ok(Role::Developer),
        Some("user") => Ok(Role::User),
        Some("assistant" | "model") => Ok(Role::Assistant),
        Some("tool" | "function") => Ok(Role::Tool),
        Some(_) | None => Err("its role is unknown"),
    }
}

/// An id that links; an empty one does not.
fn id(object: &Object<'_>, name: &str) -> Option<CallId> {
    object.text(name).filter(|id| !id.is_empty()).map(|id| CallId::from(&*id))
}

/// What servers that follow Chat Completions put beside the content.
fn thought(pieces: &mut Pieces, message: &Object<'_>) {
    let texts = ["reasoning_content", "reasoning"].into_iter().filter_map(|name| message.text(name));
    if let Some(text) = texts.into_iter().find(|text| !text.is_empty()) {
        pieces.item(Ok(reasoning::of_text(&text)));
    }
}

/// Content: text, parts, or one part.
fn said(pieces: &mut Pieces, content: &RawValue) {
    if let Some(text) = text(content) {
        pieces.text(&text);
        return;
    }
    match list(content).or_else(|| parts_of(content)) {
        Some(parts) => parts.into_iter().for_each(|part| part::add(pieces, part)),
        None if is_null(content) => {}
        None => part::add(pieces, content),
    }
}

/// The parts of Gemini's `systemInstruction`, which is a message without a role.
fn parts_of(content: &RawValue) -> Option<Vec<&RawValue>> {
    Object::of(content).filter(|content| content.get("type").is_none())?.list("parts")
}

/// What Chat Completions put beside the content. A part `refusal` says the same as the field, and history repeats only
/// the id of audio.
fn said_elsewhere(pieces: &mut Pieces, message: &Object<'_>) {
    if let Some(refusal) = message.some("refusal") {
        pieces.other(|draft| draft.reference("refusal", Some(refusal)));
    }
    if let Some(audio) = message.some("audio") {
        let known_by = Object::of(audio).and_then(|audio| audio.some("id")).unwrap_or(audio);
        pieces.other(|draft| draft.reference("audio", Some(known_by)));
    }
}

fn calls(pieces: &mut Pieces, message: &Object<'_>) {
    if let Some(calls) = message.some("tool_calls") {
        match list(calls) {
            Some(calls) => calls.into_iter().for_each(|part| pieces.item(call::read(part))),
            None => pieces.item(Err("its tool_calls are no list")),
        }
    }
    if let Some(call) = message.some("function_call") {
        pieces.item(call::read(call));
    }
}
