//! Reads everything in a body, and puts streams together, for the fuzz targets and the tests.

use serde_json::value::RawValue;

use super::{
    ApiSet, Content, Entries, Item, ItemContent, Message, Output, Part, PartContent, Request, Response, assemble,
};

/// Reads arbitrary bytes as a request and as a response of every API, down to the last part.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "only the fuzz target is outside of the crate"))]
pub fn read_all(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Some(request) = Request::parse(text) {
        let _ = (
            request.settings(),
            request.previous_response_id(),
            request.conversation_id(),
            request.tools(),
            request.default_role(),
            request.documents(),
            request.last_outputs(),
        );
        request.instructions().iter().for_each(|instructions| read_content(instructions.content));
        request.entries().iter().for_each(read_entries);
        let _ = (request.permitted_edits(), request.unread_fields(request.api_set(ApiSet::default())));
    }
    if let Some(response) = Response::parse(text) {
        let _ = (
            response.id(),
            response.conversation_id(),
            response.model(),
            response.finish_reasons(),
            response.status(),
            response.stop_reason(),
        );
        let _ = (response.usage(), response.calls(), response.is_recorded());
        let _ = (response.applied_edits(), response.permitted_edits(), response.unread_fields());
        response.sources().into_iter().for_each(|source| read_part(&source.part()));
        match response.output() {
            Output::Items(items) => items.iter().for_each(|item| read_entry(item)),
            Output::Choices(choices) => {
                choices.iter().filter_map(|choice| choice.message).for_each(read_entry);
                choices.iter().filter_map(|choice| choice.reasoning).for_each(read_entry);
            }
            Output::Content(content) => read_content(*content),
            Output::AttributeMessages(messages) => {
                read_entries(&Entries::read(messages, super::EntryFormat::AttributeMessages));
            }
            Output::Empty | Output::Unknown => {}
        }
    }
}

/// Maximum size of an assembled body, in bytes for each byte of the stream. A short event may add a part with all its
/// members.
const MAX_GROWTH: usize = 32;

/// Maximum size of an assembled body of an empty stream, in bytes.
const MAX_START: usize = 1024;

/// Puts arbitrary bytes together as a stream of every API, and reads the response.
///
/// # Panics
/// Panics if the response is not a JSON object, or not in proportion to the stream.
#[cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "only the fuzz target is outside of the crate"))]
pub fn put_together(bytes: &[u8]) {
    let Ok(assembled) = assemble(bytes) else { return };
    let _ = assembled.problem();
    assert!(serde_json::from_str::<&RawValue>(&assembled.body).is_ok_and(|body| body.get().starts_with('{')));
    assert!(assembled.body.len() <= MAX_GROWTH * bytes.len() + MAX_START, "{} bytes", assembled.body.len());
    read_all(assembled.body.as_bytes());
}

fn read_entries(entries: &Entries<'_>) {
    entries.elements().into_iter().for_each(read_entry);
}

/// Reads a value as an item and as a message.
fn read_entry(raw: &RawValue) {
    if let Some(item) = Item::read(raw) {
        let _ = (item.call_id(), item.id(), item.has_only_id());
        match item.content {
            ItemContent::Message { content, .. } | ItemContent::AgentMessage { content, .. } => {
                content.into_iter().for_each(read_content);
            }
            ItemContent::Reasoning { texts, summaries, .. } => {
                texts.into_iter().chain(summaries).for_each(|part| read_part(&part));
            }
            ItemContent::FunctionCallOutput(result) | ItemContent::CustomToolCallOutput(result) => {
                result.content_parts().into_iter().flatten().for_each(|part| read_part(&part));
            }
            ItemContent::FunctionCall(_)
            | ItemContent::CustomToolCall(_)
            | ItemContent::HostedCall { .. }
            | ItemContent::HostedCallOutput { .. }
            | ItemContent::Approval
            | ItemContent::Compaction { .. }
            | ItemContent::Reference
            | ItemContent::AdditionalTools { .. }
            | ItemContent::Directive
            | ItemContent::Unknown { .. } => {}
        }
    }
    if let Some(message) = Message::read(raw) {
        message.into_parts().iter().for_each(read_part);
    }
}

fn read_content(content: Content<'_>) {
    content.parts().iter().for_each(read_part);
}

/// Number of levels of parts inside of parts that are read. A rule that reads a part reads no more than the parts in it.
const MAX_LEVELS: u8 = 4;

/// Reads a part and the parts inside of it.
fn read_part(part: &Part<'_>) {
    read_levels(part, MAX_LEVELS);
}

fn read_levels(part: &Part<'_>, levels: u8) {
    let _ = part.label();
    let Some(levels) = levels.checked_sub(1) else { return };
    if let PartContent::Result(result) = &part.content {
        result.content_parts().into_iter().flatten().for_each(|part| read_levels(&part, levels));
        result.parts_beside_value().iter().for_each(|part| read_levels(part, levels));
    }
    if let PartContent::Instructions(content) = &part.content {
        content.iter().flat_map(Content::parts).for_each(|part| read_levels(&part, levels));
    }
    if let PartContent::Cited(cited) = &part.content {
        let _ = cited.text.joined();
        cited.citations.iter().for_each(|citation| read_levels(&Part::read_citation(citation), levels));
    }
    if let PartContent::Reasoning(entries) = &part.content {
        for entry in entries {
            let _ = (entry.text.joined(), entry.summary.joined(), entry.data.joined());
            let _ = entry.others.iter().map(|other| Part::read(other).label().map(str::len)).max();
        }
    }
}
