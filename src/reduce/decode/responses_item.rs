//! Parses conversation items of the Responses API.

use serde_json::value::RawValue;

use super::canonical_json::summary;
use super::decode_error::DecodeError;
use super::draft::ItemDraft;
use super::item_notice::ItemNotice;
use super::object::{Object, list, text};
use super::parsed_item::ItemResult;
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, ItemKind, Role};

const ENCRYPTED: &str = "encrypted_content";

/// Parses one item: an element of `input`, `output_items`, `output` or a checkpoint's history.
pub(super) fn parse(json: &str) -> ItemResult {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let item = Object::from_value(raw).ok_or("it is not an object")?;
    let mut notice = None;
    let kind = item.text("type");
    let kind = kind.as_deref();
    let draft = match kind {
        Some("message") => message(&item)?,
        Some("reasoning") => reasoning(&item)?,
        Some("function_call") => function_call(&item)?,
        Some("custom_tool_call") => custom_tool_call(&item, raw)?,
        Some("function_call_output") => output(&item, ItemKind::FunctionCallOutput)?,
        Some("custom_tool_call_output") => output(&item, ItemKind::CustomToolCallOutput)?,
        Some("tool_search_call" | "web_search_call" | "image_generation_call" | "local_shell_call") => {
            json_call(&item, raw)?
        }
        Some("tool_search_output" | "mcp_tool_call_output") => json_output(&item, raw)?,
        Some("compaction" | "compaction_summary" | "context_compaction") => compaction(&item)?,
        Some("agent_message") => agent_message(&item)?,
        Some(unknown) => {
            notice = Some(ItemNotice::UnknownType(summary(unknown)));
            match unknown {
                _ if unknown.ends_with("_call") => json_call(&item, raw)?,
                _ if unknown.ends_with("_output") => json_output(&item, raw)?,
                _ => json_item(ItemDraft::new(Role::Assistant, None, ItemKind::Message), raw)?,
            }
        }
        None if item.get("role").is_some() => message(&item)?,
        None => return Err("it has neither type nor role"),
    };
    // Calls that the provider runs itself have no id and need none.
    if matches!(kind, Some("function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output"))
        && draft.call_id.is_none()
    {
        notice = Some(ItemNotice::CallWithoutId);
    }
    let (content, hashes) = draft.finish();
    Ok((content, hashes, notice))
}

/// Parses an `input` that is a string: the text of one user message.
pub(super) fn parse_user_text(json: &str) -> ItemResult {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let mut draft = ItemDraft::new(Role::User, None, ItemKind::Message);
    draft.push_text(&text(raw).ok_or("its text is not valid")?);
    let (content, hashes) = draft.finish();
    Ok((content, hashes, None))
}

/// Parses an item of type `message`. Its `phase` determines the channel.
fn message(item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let role = match item.text("role").as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        Some(_) => return Err("its role is unknown"),
        None => return Err("it has no role"),
    };
    let channel = match item.text("phase").as_deref() {
        Some("commentary") => Some(Channel::Commentary),
        Some("final_answer") => Some(Channel::Final),
        Some("summary") => Some(Channel::Summary),
        Some(_) | None => None,
    };
    let mut draft = ItemDraft::new(role, channel, ItemKind::Message);
    draft.push_content(item.get("content"))?;
    Ok(draft)
}

/// Parses an item of type `reasoning`: its texts, its summaries and its encrypted content.
fn reasoning(item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning);
    for entry in objects(item, "content") {
        if let Some("reasoning_text" | "text") = entry.text("type").as_deref()
            && let Some(text) = entry.optional_text("text")?
        {
            draft.push_text(&text);
        }
    }
    for entry in objects(item, "summary") {
        if let Some("summary_text") = entry.text("type").as_deref()
            && let Some(text) = entry.optional_text("text")?
        {
            draft.push_summary(&text);
        }
    }
    if let Some(encrypted) = item.optional_text("encrypted_content")? {
        draft.push_encoded(ENCRYPTED, &encrypted);
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Returns the objects in the list in a field. Other elements are skipped.
fn objects<'a>(item: &Object<'a>, name: &str) -> impl Iterator<Item = Object<'a>> {
    item.list(name).unwrap_or_default().into_iter().filter_map(Object::from_value)
}

/// Parses an item of type `function_call`, a tool call with JSON arguments.
fn function_call(item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = call(item, ItemKind::FunctionCall)?;
    draft.push_arguments(item.non_null("arguments"))?;
    draft.name = item.optional_text("name")?.map(Into::into);
    Ok(draft)
}

/// Parses an item of type `custom_tool_call`, a tool call with a text as its input. The input of `exec` is source code.
fn custom_tool_call(item: &Object<'_>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    let mut draft = call(item, ItemKind::CustomToolCall)?;
    draft.name = item.optional_text("name")?.map(Into::into);
    match item.optional_text("input")? {
        Some(source) if draft.name.as_deref() == Some("exec") => draft.push_code("javascript", &source),
        Some(text) => draft.push_text(&text),
        None => draft.push_json(raw)?,
    }
    Ok(draft)
}

/// Parses an item of type `function_call_output` or `custom_tool_call_output`, the output of a tool call.
fn output(item: &Object<'_>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    let mut draft = tool_output(item, kind)?;
    match item.non_null("output") {
        None => draft.push_reference("tool_output", None)?,
        Some(output) if text(output).is_some() || list(output).is_some() => draft.push_content(Some(output))?,
        Some(output) => draft.push_json(output)?,
    }
    Ok(draft)
}

/// Parses a tool call of any other type, such as `web_search_call`. The whole item is kept as JSON.
fn json_call(item: &Object<'_>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    json_item(call(item, ItemKind::FunctionCall)?, raw)
}

/// Parses the output of a tool call of any other type, such as `tool_search_output`. The whole item is kept as JSON.
fn json_output(item: &Object<'_>, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    json_item(tool_output(item, ItemKind::FunctionCallOutput)?, raw)
}

/// Adds the whole item to the draft as a JSON part.
fn json_item(mut draft: ItemDraft, raw: &RawValue) -> Result<ItemDraft, DecodeError> {
    draft.push_json(raw)?;
    Ok(draft)
}

/// Parses an item of type `compaction`: the encrypted summary of a history that the provider shortened.
fn compaction(item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Summary), ItemKind::Message);
    if let Some(encrypted) = item.optional_text("encrypted_content")? {
        draft.push_encoded(ENCRYPTED, &encrypted);
    }
    draft.push_placeholder_if_empty();
    Ok(draft)
}

/// Parses an item of type `agent_message`, a message that another agent delivered.
fn agent_message(item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    let mut draft = ItemDraft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Message);
    let agent = |name: &str| item.optional_text(name).map(|agent| Box::<str>::from(agent.unwrap_or_default()));
    draft.agent_message = Some(AgentMessage { author: agent("author")?, recipient: agent("recipient")? });
    match item.get("content").and_then(list) {
        None => draft.push_content(item.get("content"))?,
        Some(entries) => {
            for raw in entries {
                let entry = Object::from_value(raw);
                let encrypted =
                    entry.as_ref().map(|entry| entry.optional_text("encrypted_content")).transpose()?.flatten();
                match (entry.and_then(|entry| entry.text("type")).as_deref(), encrypted) {
                    (Some("encrypted_content"), Some(encrypted)) => draft.push_encoded(ENCRYPTED, &encrypted),
                    _ => draft.push_content_part(raw)?,
                }
            }
            draft.push_placeholder_if_empty();
        }
    }
    Ok(draft)
}

/// Creates the draft of a tool call, with the call's id from `item`.
fn call(item: &Object<'_>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    with_call_id(ItemDraft::new(Role::Assistant, Some(Channel::Commentary), kind), item)
}

/// Creates the draft of the output of a tool call, with the call's id from `item`.
fn tool_output(item: &Object<'_>, kind: ItemKind) -> Result<ItemDraft, DecodeError> {
    with_call_id(ItemDraft::new(Role::Tool, Some(Channel::Commentary), kind), item)
}

/// Sets the call id of the draft to the field `call_id` of the item, if it has one.
fn with_call_id(mut draft: ItemDraft, item: &Object<'_>) -> Result<ItemDraft, DecodeError> {
    draft.call_id = item.optional_text("call_id")?.map(|id| CallId::from(&*id));
    Ok(draft)
}
