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
//! names of speakers, finish reasons and `cache_control` (which moves from request to request) are ignored.

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
use crate::provider::{Content, Message, RoleName, Source, list};
use builder::MessageBuilder;

/// Parses one message into its items. `default_role` is the role of a message without a role.
pub(super) fn parse(json: &str, default_role: Option<Role>) -> Vec<ItemResult> {
    parse_message(json, default_role, &[]).unwrap_or_else(|error| vec![Err(error)])
}

/// Parses the message of a response, with its sources, into its items.
pub(super) fn parse_sourced(json: &str) -> Vec<ItemResult> {
    let Ok((message, sources)) = serde_json::from_str::<SourcedAnswer<'_>>(json) else {
        return vec![Err("it is not JSON")];
    };
    parse_message(message.get(), Some(Role::Assistant), &sources).unwrap_or_else(|error| vec![Err(error)])
}

/// Parses documents for the model to read into one item.
pub(super) fn parse_documents(json: &str) -> Vec<ItemResult> {
    let Ok(documents) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut builder = MessageBuilder::new(Role::System, None);
    for document in list(documents).unwrap_or_else(|| vec![documents]) {
        builder.push_part(|draft| draft.push_reference("document", Some(document)));
    }
    builder.finish()
}

/// Parses the content of a message with the given role into its items. Returns no items for empty content.
pub(super) fn parse_content(json: &str, role: Role) -> Vec<ItemResult> {
    let Ok(content) = serde_json::from_str::<&RawValue>(json) else { return vec![Err("it is not JSON")] };
    let mut builder = MessageBuilder::new(role, None);
    Content(content).parts().into_iter().for_each(|part| part::add(&mut builder, part));
    builder.finish()
}

/// Parses one message object into its items. `sources` stand beside the message in the body.
fn parse_message(
    json: &str,
    default_role: Option<Role>,
    sources: &[Source<'_>],
) -> Result<Vec<ItemResult>, DecodeError> {
    let mut message = serde_json::from_str(json).ok().and_then(Message::read).ok_or("it is not an object")?;
    message.other_parts.annotations.extend(sources.iter().map(|source| source.part()));
    let mut builder = MessageBuilder::new(message_role(&message, default_role)?, call::id(message.call_id));
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
