//! The parts of a message, each by its type; Gemini's by what they hold.

use serde_json::value::RawValue;

use super::pieces::Pieces;
use super::{call, output, reasoning};
use crate::reduce::decode::draft::Draft;
use crate::reduce::decode::object::{Object, is_null, text};
use crate::reduce::decode::why::{UNREADABLE, Why};

/// What a part of Gemini's may have beside what it is.
const BESIDE: [&str; 9] = [
    "type",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "partMetadata",
    "videoMetadata",
    "video_metadata",
    "mediaResolution",
    "media_resolution",
];

/// Fields by which a part is not known. A breakpoint for the provider's cache moves from request to request, and a
/// signature is told where it stands, as reasoning.
const PASSED_OVER: [&str; 3] = ["cache_control", "thoughtSignature", "thought_signature"];

/// Adds a part: an item of its own, or more of the run.
pub(super) fn add(pieces: &mut Pieces, raw: &RawValue) {
    let Some(part) = Object::of(raw) else {
        match text(raw) {
            Some(text) => pieces.text(&text),
            None => pieces.other(|draft| draft.reference("content", Some(raw))),
        }
        return;
    };
    match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text") => add_text(pieces, part.first(&["text", "content"])),
        Some("thinking" | "redacted_thinking" | "reasoning") => pieces.item(reasoning::read(&part)),
        Some("tool_use" | "tool_call") => pieces.item(call::of(&part)),
        Some("tool_result") => pieces.item(output::of_content(&part)),
        Some("tool_call_response") => pieces.item(output::of_value(&part)),
        Some("refusal") => pieces.other(|draft| draft.reference("refusal", part.some("refusal"))),
        Some(label) => {
            let label = label.to_owned();
            pieces.other(|draft| point_at(draft, &label, part));
        }
        None => add_untyped(pieces, part),
    }
}

/// Adds a part that can't be an item of its own: inside an answer.
pub(super) fn add_plain(draft: &mut Draft, raw: &RawValue) -> Result<(), Why> {
    let Some(part) = Object::of(raw) else {
        return match text(raw) {
            Some(text) => {
                draft.text(&text);
                Ok(())
            }
            None => draft.reference("content", Some(raw)),
        };
    };
    let label = match part.text("type").as_deref() {
        Some("text" | "input_text" | "output_text") => {
            let said = part.first(&["text", "content"]).map(|said| text(said).ok_or(UNREADABLE)).transpose()?;
            said.filter(|said| !said.is_empty()).into_iter().for_each(|said| draft.text(&said));
            return Ok(());
        }
        Some(label) => label.to_owned(),
        None => held(&part).unwrap_or("content").to_owned(),
    };
    point_at(draft, &label, part)
}

fn add_text(pieces: &mut Pieces, said: Option<&RawValue>) {
    match said.map(text) {
        None => {}
        Some(Some(text)) => pieces.text(&text),
        Some(None) => pieces.item(Err(UNREADABLE)),
    }
}

/// A part of Gemini's, in the spelling of its JSON or of its protocol buffers.
fn add_untyped(pieces: &mut Pieces, part: Object<'_>) {
    let signature = part.first(&["thoughtSignature", "thought_signature"]).and_then(text);
    let signature = signature.filter(|signature| !signature.is_empty());
    if let Some(called) = part.first(&["functionCall", "function_call"]) {
        pieces.item_after(signature.as_deref(), call::read_gemini(called));
    } else if let Some(answer) = part.first(&["functionResponse", "function_response"]) {
        pieces.item_after(signature.as_deref(), output::read_gemini(answer));
    } else if part.number("thought") == Some(true) {
        pieces.item(thought(part, signature.as_deref()));
    } else {
        signature.iter().for_each(|signature| pieces.seal(signature));
        match (part.some("text"), held(&part).map(str::to_owned)) {
            (Some(said), _) => add_text(pieces, Some(said)),
            (None, Some(label)) => pieces.other(|draft| point_at(draft, &label, part)),
            (None, None) if signature.is_some() => {}
            (None, None) => pieces.other(|draft| point_at(draft, "content", part)),
        }
    }
}

fn thought(part: Object<'_>, signature: Option<&str>) -> Result<Draft, Why> {
    let mut draft = reasoning::new();
    match (part.some("text").map(text), held(&part).map(str::to_owned)) {
        (Some(Some(said)), _) => reasoning::think(&mut draft, &said),
        (Some(None), _) => return Err(UNREADABLE),
        (None, Some(label)) => point_at(&mut draft, &label, part)?,
        (None, None) => {}
    }
    signature.into_iter().for_each(|signature| reasoning::seal(&mut draft, signature));
    draft.or_empty();
    Ok(draft)
}

/// What a part without a type holds.
fn held<'p>(part: &'p Object<'_>) -> Option<&'p str> {
    let is_it = |name: &str| !BESIDE.contains(&name) && !PASSED_OVER.contains(&name);
    part.fields().find(|(name, value)| is_it(name) && !is_null(value)).map(|(name, _)| name)
}

/// Points at a part. Null is as good as nothing: clients drop it when they repeat a response.
fn point_at(draft: &mut Draft, label: &str, part: Object<'_>) -> Result<(), Why> {
    draft.reference_to(label, part, |name, value| !PASSED_OVER.contains(&name) && !is_null(value))
}
