//! Reads everything in a body, for the fuzz target and the tests.

use serde_json::value::RawValue;

use super::{Content, Entries, Item, ItemContent, Message, Output, Part, PartContent, Request, Response};

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
        );
        request.instructions().iter().for_each(|instructions| read_content(instructions.content));
        request.entries().iter().for_each(read_entries);
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
        let _ = (response.usage(), response.call_ids(), response.is_recorded());
        response.sources().into_iter().for_each(|source| read_part(&source.part()));
        match response.output() {
            Output::Items(items) => items.iter().for_each(|item| read_entry(item)),
            Output::Choices(choices) => choices.iter().filter_map(|choice| choice.message).for_each(read_entry),
            Output::Content(content) => read_content(*content),
            Output::AttributeMessages(messages) => {
                read_entries(&Entries::read(messages, super::EntryFormat::AttributeMessages));
            }
            Output::Empty | Output::Unknown => {}
        }
    }
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

/// Reads a part and the parts inside of it. `serde_json` bounds the depth.
fn read_part(part: &Part<'_>) {
    let _ = part.label();
    if let PartContent::Result(result) = &part.content {
        result.content_parts().into_iter().flatten().for_each(|part| read_part(&part));
        result.parts_beside_value().iter().for_each(read_part);
    }
    if let PartContent::Cited(cited) = &part.content {
        let _ = cited.text.joined();
        cited.citations.iter().for_each(|citation| read_part(&Part::read_citation(citation)));
    }
    if let PartContent::Reasoning(entries) = &part.content {
        for entry in entries {
            let _ = (entry.text.joined(), entry.summary.joined(), entry.data.joined());
            let _ = entry.others.iter().map(|other| Part::read(other).label().map(str::len)).max();
        }
    }
}
