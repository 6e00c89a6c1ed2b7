//! Adds the parts of a message to its items.

use serde_json::value::RawValue;

use super::builder::MessageBuilder;
use super::plain_part::{add_plain, push_part_reference};
use super::{call, output, reasoning};
use crate::graph::{Channel, HistoryEffect, ItemKind, Role};
use crate::provider::{Cited, Compaction, Content, Object, Part, PartContent, optional_text, text};
use crate::reduce::decode::decode_error::{DecodeError, UNREADABLE_VALUE};
use crate::reduce::decode::draft::ItemDraft;

/// Adds a part of a message: as a separate item, such as a tool call, or to the item in progress.
pub(super) fn add(builder: &mut MessageBuilder, part: Part<'_>) {
    let signature = part.signature.and_then(text).filter(|signature| !signature.is_empty());
    let signature = signature.as_deref();
    match &part.content {
        PartContent::Call(call) => builder.push_signed_item(signature, call::draft(call)),
        PartContent::Result(result) => builder.push_signed_item(signature, output::draft(result)),
        PartContent::Malformed(problem) => builder.push_signed_item(signature, Err(problem.as_str())),
        PartContent::Reasoning(reasoning) => builder.push_item(reasoning::draft(reasoning, signature)),
        PartContent::Thought(thought) => {
            let thought = *thought;
            builder.push_item(thought_draft(part, thought, signature));
        }
        PartContent::Value => match text(part.raw) {
            Some(text) => builder.push_text(&text),
            None => builder.push_part(|draft| draft.push_reference("content", Some(part.raw))),
        },
        PartContent::Text(content) => {
            signature.iter().for_each(|signature| builder.push_signature(signature));
            add_text(builder, *content);
            for annotation in &part.annotations {
                builder.push_annotation(&Part::read_annotation(annotation));
            }
        }
        PartContent::Refusal(refusal) => match refusal.map(text) {
            None => {}
            Some(Some(refusal)) => builder.push_refusal(&refusal),
            Some(None) => builder.push_item(Err(UNREADABLE_VALUE)),
        },
        PartContent::Image(image) => builder.push_part(|draft| draft.push_reference("image", Some(image))),
        PartContent::Annotation => builder.push_annotation(&part),
        PartContent::Cited(cited) => add_cited(builder, cited),
        PartContent::Executed => builder.push_item(executed_draft(part.raw)),
        PartContent::Instructions(content) => builder.push_item(instructions_draft(content.as_ref())),
        PartContent::Json(value) => builder.push_part(|draft| draft.push_json(value)),
        PartContent::CachePoint => {}
        PartContent::Compaction(compaction) => builder.push_item(compaction_draft(compaction)),
        // Audio is identified by its id, because the history repeats only that.
        PartContent::Audio(audio) => {
            let fields = Object::from_value(audio);
            let field = |name| fields.as_ref().and_then(|audio| audio.non_null(name));
            builder.push_part(|draft| {
                draft.push_reference("audio", Some(field("id").unwrap_or(audio)))?;
                optional_text(field("transcript"))?.into_iter().for_each(|text| draft.push_transcript(&text));
                Ok(())
            });
        }
        PartContent::ReasoningText(_) | PartContent::SummaryText(_) => {
            builder.push_part(|draft| push_part_reference(draft, part));
        }
        PartContent::Other => {
            signature.iter().for_each(|signature| builder.push_signature(signature));
            // A signature without content is no part.
            if signature.is_none() || part.label().is_some() {
                builder.push_part(|draft| push_part_reference(draft, part));
            }
        }
    }
}

/// Makes an item of a tool that the provider ran itself. The whole call is kept as JSON, with its result.
fn executed_draft(call: &RawValue) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Commentary), ItemKind::FunctionCall);
    draft.is_executed = true;
    draft.push_item(call)?;
    Ok(draft)
}

/// Adds a text and its sources to the item in progress.
fn add_cited(builder: &mut MessageBuilder, cited: &Cited<'_>) {
    match cited.text.joined() {
        Ok(text) => text.into_iter().for_each(|text| builder.push_text(&text)),
        Err(error) => builder.push_item(Err(error.into())),
    }
    cited.citations.iter().for_each(|citation| builder.push_annotation(&Part::read_citation(citation)));
}

/// Makes an item of instructions in the middle of a message of the user.
fn instructions_draft(content: Option<&Content<'_>>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::System, None, ItemKind::Message);
    for part in content.map(Content::parts).unwrap_or_default() {
        add_plain(&mut draft, part)?;
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Makes an item of the summary with which the provider replaces the conversation before it. A summary without text,
/// which the provider failed to make, replaces nothing.
fn compaction_draft(compaction: &Compaction<'_>) -> Result<ItemDraft, DecodeError> {
    let Compaction { summary, signature, encrypted } = *compaction;
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Summary), ItemKind::Message);
    if let Some(summary) = optional_text(summary)?.filter(|summary| !summary.is_empty()) {
        draft.push_text(&summary);
        draft.history_effect = HistoryEffect::Replaces;
    }
    for (label, encoded) in [("signature", signature), ("encrypted_content", encrypted)] {
        optional_text(encoded)?.into_iter().for_each(|encoded| draft.push_encoded(label, &encoded));
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Adds the text of a part to the item in progress.
fn add_text(builder: &mut MessageBuilder, content: Option<&RawValue>) {
    match content.map(text) {
        None => {}
        Some(Some(text)) => builder.push_text(&text),
        Some(None) => builder.push_item(Err(UNREADABLE_VALUE)),
    }
}

/// Makes an item of a part that is a thought.
fn thought_draft(
    part: Part<'_>,
    thought: Option<&RawValue>,
    signature: Option<&str>,
) -> Result<ItemDraft, DecodeError> {
    let mut draft = reasoning::new();
    match thought.map(text) {
        Some(Some(content)) => reasoning::push_text(&mut draft, &content),
        Some(None) => return Err(UNREADABLE_VALUE),
        None if part.label().is_some() => push_part_reference(&mut draft, part)?,
        None => {}
    }
    signature.into_iter().for_each(|signature| reasoning::push_signature(&mut draft, signature));
    draft.push_placeholder_if_empty();
    Ok(draft)
}
