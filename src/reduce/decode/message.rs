//! Makes items of messages, which all APIs other than the Responses API have.
//!
//! A message is parsed in this order: the reasoning beside its content, the tools that the provider ran, its parts
//! (`parts`, else `content`), annotations, images, `refusal` and `audio`, its calls (`tool_calls`, `function_call`).
//! Reasoning, calls and outputs become separate items, in place; a run of text and other parts between two of them is one
//! message item. Empty text adds no item, so that `null`, `""` and `[]` are equal beside a call: clients turn one into
//! another when they repeat a response as history. A message without any content is a message item with
//! `empty_content`. Annotations are parts, but do not count when a message is found again.
//!
//! Only content counts, and it counts equally in a response and in the history of the next request. So ids of messages,
//! finish reasons and `cache_control` (which moves from request to request) are ignored. Names of speakers and of tools
//! that answer are kept; clients add them to the answers of a model, so that they do not count there.

mod builder;
mod call;
mod output;
mod part;
mod plain_part;
mod reasoning;

use serde_json::value::RawValue;

use super::decode_error::DecodeError;
use super::parsed_item::ItemResult;
use super::role;
use super::sourced_answer::SourcedAnswer;
use crate::graph::Role;
use crate::provider::{Content, Message, RoleName, list};
use builder::{Author, MessageBuilder};

/// Parses one message into its items. `default_role` is the role of a message without a role.
pub(super) fn parse(json: &str, default_role: Option<Role>) -> Vec<ItemResult> {
    let raw: Option<&RawValue> = serde_json::from_str(json).ok();
    let read = if default_role.is_some() { Message::read_or_text } else { Message::read };
    let Some(message) = raw.and_then(read) else { return vec![Err("it is not an object")] };
    parse_message(message, default_role).unwrap_or_else(|error| vec![Err(error)])
}

/// Parses the message of a response, with its sources, into its items.
pub(super) fn parse_sourced(json: &str) -> Vec<ItemResult> {
    let Ok((message, sources)) = serde_json::from_str::<SourcedAnswer<'_>>(json) else {
        return vec![Err("it is not JSON")];
    };
    let message = message.map_or_else(|| Some(Message::default()), Message::read_or_text);
    let Some(mut message) = message else { return vec![Err("it is not an object")] };
    message.other_parts.annotations.extend(sources.iter().map(|source| source.part()));
    parse_message(message, Some(Role::Assistant)).unwrap_or_else(|error| vec![Err(error)])
}

/// Parses documents for the model to read into one item.
pub(super) fn parse_documents(json: &str) -> Vec<ItemResult> {
    let Ok(documents) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut builder = MessageBuilder::new(Author::new(Role::System));
    for document in list(documents).unwrap_or_else(|| vec![documents]) {
        builder.push_part(|draft| draft.push_reference("document", Some(document)));
    }
    builder.finish()
}

/// Parses the content of a message with the given role into its items. Returns no items for empty content.
pub(super) fn parse_content(json: &str, role: Role) -> Vec<ItemResult> {
    let Ok(content) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut builder = MessageBuilder::new(Author::new(role));
    Content(content).parts().into_iter().for_each(|part| part::add(&mut builder, part));
    builder.finish()
}

/// Parses one message into its items.
fn parse_message(message: Message<'_>, default_role: Option<Role>) -> Result<Vec<ItemResult>, DecodeError> {
    let mut builder = MessageBuilder::new(Author {
        role: message_role(&message, default_role)?,
        name: call::name(message.name),
        answered_call: call::id(message.call_id),
        is_error: message.is_error,
    });
    message.into_parts().into_iter().for_each(|part| part::add(&mut builder, part));
    Ok(builder.finish_message())
}

/// Returns the role of a message, or `default_role` if it has none.
fn message_role(message: &Message<'_>, default_role: Option<Role>) -> Result<Role, DecodeError> {
    match &message.role {
        RoleName::Absent => default_role.ok_or("it has no role"),
        RoleName::Named(role) => match &**role {
            "model" => Ok(Role::Assistant),
            "function" => Ok(Role::Tool),
            role => role::from_name(role).ok_or("its role is unknown"),
        },
        RoleName::NotText => Err("its role is unknown"),
    }
}
