//! Parses conversation items of the Responses API.

use serde_json::value::RawValue;

use super::canonical_json::summary;
use super::decode_error::DecodeError;
use super::draft::ItemDraft;
use super::item_notice::ItemNotice;
use super::listed_item::ListedId;
use super::parsed_item::{ItemResult, ParsedItem};
use super::role;
use super::sourced_answer::SourcedAnswer;
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, HistoryEffect, ItemKind, ProviderItemId, Role};
use crate::provider::{
    Content, Item, ItemContent, Part, RoleName, Source, ToolCall, ToolResult, list, optional_text, text,
};

const ENCRYPTED: &str = "encrypted_content";

/// Parses one item: an element of `input`, `output_items`, `output` or a checkpoint's history. Returns `None` for an item
/// that is not a part of the conversation.
pub(super) fn parse(json: &str) -> Option<ItemResult> {
    parse_item(json, &[]).transpose()
}

/// Parses an item of a response, with its sources, like [`parse`].
pub(super) fn parse_sourced(json: &str) -> Option<ItemResult> {
    match serde_json::from_str::<SourcedAnswer<'_>>(json) {
        Ok((Some(item), sources)) => parse_item(item.get(), &sources).transpose(),
        Ok((None, _)) | Err(_) => Some(Err("it is not an object")),
    }
}

/// Parses one item. `sources` stand beside the item in the body.
fn parse_item(json: &str, sources: &[Source<'_>]) -> Result<Option<ParsedItem>, DecodeError> {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let item = Item::read(raw).ok_or("it is not an object")?;
    let is_reference = matches!(item.content, ItemContent::Reference);
    if item.kind.is_none() && item.object.get("role").is_none() && !is_reference {
        return Err("it has neither type nor role");
    }
    let mut notice = None;
    let mut draft = match &item.content {
        ItemContent::Message { role, phase, content } => message(role, phase.as_deref(), *content)?,
        ItemContent::Reasoning { texts, summaries, encrypted, signature } => {
            reasoning(texts, summaries, [(ENCRYPTED, *encrypted), ("signature", *signature)])?
        }
        ItemContent::FunctionCall(call) => signed(function_call(call)?, item.object.get("signature"))?,
        ItemContent::CustomToolCall(call) => custom_tool_call(call, raw)?,
        ItemContent::FunctionCallOutput(result) => output(result, ItemKind::FunctionCallOutput)?,
        ItemContent::CustomToolCallOutput(result) => output(result, ItemKind::CustomToolCallOutput)?,
        ItemContent::HostedCall { call_id } => json_call(*call_id, raw)?,
        ItemContent::HostedCallOutput { call_id } => json_output(*call_id, raw)?,
        ItemContent::Approval => json_item(ItemDraft::new(Role::User, None, ItemKind::Message), raw)?,
        ItemContent::Compaction { encrypted } => compaction(*encrypted)?,
        ItemContent::AgentMessage { author, recipient, content } => agent_message(*author, *recipient, *content)?,
        ItemContent::Reference => {
            notice = Some(ItemNotice::UnknownReference(item.id().ok_or("it has no id")?.into()));
            reference(item.object.get("id"))?
        }
        ItemContent::AdditionalTools { .. } | ItemContent::Directive => return Ok(None),
        ItemContent::Unknown { call_id } => {
            notice = item.kind.as_deref().map(|kind| ItemNotice::UnknownType(summary(kind)));
            match () {
                () if item.is_call() => json_call(*call_id, raw)?,
                () if item.is_output() => json_output(*call_id, raw)?,
                () => json_item(ItemDraft::new(Role::Assistant, None, ItemKind::Message), raw)?,
            }
        }
    };
    draft.namespace = item.namespace().map(Into::into);
    sources.iter().try_for_each(|source| draft.push_annotation(&source.part()))?;
    // Calls that the provider runs itself have no id and need none.
    let needs_id = match item.content {
        ItemContent::FunctionCall(_)
        | ItemContent::CustomToolCall(_)
        | ItemContent::FunctionCallOutput(_)
        | ItemContent::CustomToolCallOutput(_) => true,
        ItemContent::Message { .. }
        | ItemContent::Reasoning { .. }
        | ItemContent::HostedCall { .. }
        | ItemContent::HostedCallOutput { .. }
        | ItemContent::Approval
        | ItemContent::Compaction { .. }
        | ItemContent::AgentMessage { .. }
        | ItemContent::Reference
        | ItemContent::AdditionalTools { .. }
        | ItemContent::Directive
        | ItemContent::Unknown { .. } => false,
    };
    if needs_id && draft.call_id.is_none() {
        notice = Some(ItemNotice::CallWithoutId);
    }
    Ok(Some(ParsedItem { id: listed_id(&item), ..draft.finish(notice) }))
}

/// Returns the id that the provider gave the item.
fn listed_id(item: &Item<'_>) -> ListedId<ProviderItemId> {
    let Some(id) = item.id().map(|id| ProviderItemId::from(&*id)) else { return ListedId::Absent };
    if matches!(item.content, ItemContent::Reference) {
        ListedId::Reference(id)
    } else if item.has_only_id() {
        ListedId::WithType(id)
    } else {
        ListedId::WithContent(id)
    }
}

/// Parses an `input` that is a string: the text of one user message.
pub(super) fn parse_user_text(json: &str) -> ItemResult {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let mut draft = ItemDraft::new(Role::User, None, ItemKind::Message);
    draft.push_text(&text(raw).ok_or("its text is not valid")?);
    Ok(draft.finish(None))
}

/// Parses an item of type `message`. Its `phase` determines the channel.
fn message(role: &RoleName<'_>, phase: Option<&str>, content: Option<Content<'_>>) -> Result<ItemDraft, DecodeError> {
    let role = match role {
        RoleName::Named(role) if role == "model" => Role::Assistant,
        RoleName::Named(role) => role::from_name(role).ok_or("its role is unknown")?,
        RoleName::Absent | RoleName::NotText => return Err("it has no role"),
    };
    let channel = match phase {
        Some("commentary") => Some(Channel::Commentary),
        Some("final_answer") => Some(Channel::Final),
        Some("summary") => Some(Channel::Summary),
        Some(_) | None => None,
    };
    let mut draft = ItemDraft::new(role, channel, ItemKind::Message);
    draft.push_content(content)?;
    Ok(draft)
}

/// Parses an item of type `reasoning`: its texts, its summaries and what is `encoded`, with the labels.
fn reasoning(
    texts: &[Part<'_>],
    summaries: &[Part<'_>],
    encoded: [(&'static str, Option<&RawValue>); 2],
) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning);
    for entry in texts {
        match (entry.kind.as_deref(), &entry.object) {
            (Some("reasoning_text" | "text"), Some(object)) => {
                optional_text(object.get("text"))?.into_iter().for_each(|text| draft.push_text(&text));
            }
            (_, None) if text(entry.raw).is_some() => draft.push_text(&text(entry.raw).unwrap_or_default()),
            _ => draft.push_content_part(entry)?,
        }
    }
    for entry in summaries {
        match (entry.kind.as_deref(), &entry.object) {
            (Some("summary_text" | "text"), Some(object)) => {
                optional_text(object.get("text"))?.into_iter().for_each(|text| draft.push_summary(&text));
            }
            (_, None) if text(entry.raw).is_some() => draft.push_summary(&text(entry.raw).unwrap_or_default()),
            _ => draft.push_content_part(entry)?,
        }
    }
    for (label, encoded) in encoded {
        optional_text(encoded)?.into_iter().for_each(|encoded| draft.push_encoded(label, &encoded));
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Makes a function call.
fn function_call(call: &ToolCall<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = call_draft(call.id, ItemKind::FunctionCall)?;
    draft.push_arguments(call.arguments.raw())?;
    draft.name = optional_text(call.name)?.map(Into::into);
    Ok(draft)
}

/// Adds the signature of the reasoning that led to a call. Clients may leave it out when they repeat the call.
fn signed(mut draft: ItemDraft, signature: Option<&RawValue>) -> Result<ItemDraft, DecodeError> {
    optional_text(signature)?.into_iter().for_each(|signature| draft.push_signature(&signature));
    Ok(draft)
}

/// Makes a custom tool call; the input of `exec` is source code.
fn custom_tool_call(call: &ToolCall<'_>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    let mut draft = call_draft(call.id, ItemKind::CustomToolCall)?;
    draft.name = optional_text(call.name)?.map(Into::into);
    match optional_text(call.arguments.raw())? {
        Some(source) if draft.name.as_deref() == Some("exec") => draft.push_code("javascript", &source),
        Some(text) => draft.push_text(&text),
        None => draft.push_item(raw)?,
    }
    Ok(draft)
}

/// Parses an item of type `function_call_output` or `custom_tool_call_output`, the output of a tool call.
fn output(result: &ToolResult<'_>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    let mut draft = output_draft(result.call_id, kind)?;
    draft.is_error = result.is_error;
    draft.name = result.name.and_then(text).filter(|name| !name.is_empty()).map(Into::into);
    match result.value {
        None => draft.push_reference("tool_output", None)?,
        Some(output) if text(output).is_some() || list(output).is_some() => {
            draft.push_content(Some(Content(output)))?;
        }
        Some(output) => draft.push_json(output)?,
    }
    Ok(draft)
}

/// Parses a tool call of any other type, such as `web_search_call`. The whole item is kept as JSON.
fn json_call(call_id: Option<&RawValue>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    json_item(call_draft(call_id, ItemKind::FunctionCall)?, raw)
}

/// Parses the output of a tool call of any other type, such as `tool_search_output`. The whole item is kept as JSON.
fn json_output(call_id: Option<&RawValue>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    json_item(output_draft(call_id, ItemKind::FunctionCallOutput)?, raw)
}

/// Adds the whole item to the draft as a JSON part.
fn json_item(mut draft: ItemDraft, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    draft.push_item(raw)?;
    Ok(draft)
}

/// Parses an item of type `compaction`: the encrypted summary of a history that the provider shortened.
fn compaction(encrypted: Option<&RawValue>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Summary), ItemKind::Message);
    if let Some(encrypted) = optional_text(encrypted)? {
        draft.push_encoded(ENCRYPTED, &encrypted);
        draft.history_effect = HistoryEffect::ReplacesKept;
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Parses a reference to an item, which stays in the conversation if no item with the id is known. References with equal
/// ids are equal content.
fn reference(id: Option<&RawValue>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, None, ItemKind::Message);
    draft.push_reference("item_reference", id)?;
    Ok(draft)
}

/// Parses an item of type `agent_message`, a message that another agent delivered.
fn agent_message(
    author: Option<&RawValue>,
    recipient: Option<&RawValue>,
    content: Option<Content<'_>>,
) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Message);
    let agent = |name| optional_text(name).map(|agent| Box::<str>::from(agent.unwrap_or_default()));
    draft.agent_message = Some(AgentMessage { author: agent(author)?, recipient: agent(recipient)? });
    match content.and_then(|content| content.listed_parts()) {
        None => draft.push_content(content)?,
        Some(parts) => {
            for part in parts {
                let encrypted = optional_text(part.object.as_ref().and_then(|part| part.get(ENCRYPTED)))?;
                match (part.kind.as_deref(), encrypted) {
                    (Some(ENCRYPTED), Some(encrypted)) => draft.push_encoded(ENCRYPTED, &encrypted),
                    _ => draft.push_content_part(&part)?,
                }
            }
            draft.push_placeholder_if_empty();
        }
    }
    Ok(draft)
}

/// Creates the draft of a tool call, with the call's id from `item`.
fn call_draft(call_id: Option<&RawValue>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    with_call_id(ItemDraft::new(Role::Assistant, Some(Channel::Commentary), kind), call_id)
}

/// Creates the draft of the output of a tool call, with the call's id from `item`.
fn output_draft(call_id: Option<&RawValue>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    with_call_id(ItemDraft::new(Role::Tool, Some(Channel::Commentary), kind), call_id)
}

/// Sets the call id of the draft to the field `call_id` of the item, if it has one that is not empty.
fn with_call_id(mut draft: ItemDraft, call_id: Option<&RawValue>) -> Result<ItemDraft, DecodeError> {
    draft.call_id = optional_text(call_id)?.filter(|id| !id.is_empty()).map(|id| CallId::from(&*id));
    Ok(draft)
}
