//! Items of the Responses API.

use serde_json::value::RawValue;

use super::canonical_json::summary;
use super::draft::Draft;
use super::object::{Object, list, text};
use super::oddity::Oddity;
use super::reading::Reading;
use super::why::Why;
use crate::event::CallId;
use crate::graph::{AgentMessage, Channel, ItemKind, Role};

const ENCRYPTED: &str = "encrypted_content";

/// Reads one item of `input`, `output_items`, `output` or a checkpoint's history.
pub(super) fn read(json: &str) -> Reading {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let item = Object::of(raw).ok_or("it is not an object")?;
    let mut oddity = None;
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
            whole_call(&item, raw)?
        }
        Some("tool_search_output" | "mcp_tool_call_output") => whole_output(&item, raw)?,
        Some("compaction" | "compaction_summary" | "context_compaction") => compaction(&item)?,
        Some("agent_message") => agent_message(&item)?,
        Some(unknown) => {
            oddity = Some(Oddity::UnknownType(summary(unknown)));
            match unknown {
                _ if unknown.ends_with("_call") => whole_call(&item, raw)?,
                _ if unknown.ends_with("_output") => whole_output(&item, raw)?,
                _ => whole(Draft::new(Role::Assistant, None, ItemKind::Message), raw)?,
            }
        }
        None if item.get("role").is_some() => message(&item)?,
        None => return Err("it has neither type nor role"),
    };
    // Calls that run at the provider have no id and need none.
    if matches!(kind, Some("function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output"))
        && draft.call_id.is_none()
    {
        oddity = Some(Oddity::CallWithoutId);
    }
    let (content, hashes) = draft.finish();
    Ok((content, hashes, oddity))
}

/// Reads `input` that is text: what the user says.
pub(super) fn read_user_text(json: &str) -> Reading {
    let raw: &RawValue = serde_json::from_str(json).map_err(|_| "it is not JSON")?;
    let mut draft = Draft::new(Role::User, None, ItemKind::Message);
    draft.text(&text(raw).ok_or("its text can't be read")?);
    let (content, hashes) = draft.finish();
    Ok((content, hashes, None))
}

fn message(item: &Object<'_>) -> Result<Draft, Why> {
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
    let mut draft = Draft::new(role, channel, ItemKind::Message);
    draft.content(item.get("content"))?;
    Ok(draft)
}

fn reasoning(item: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = Draft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Reasoning);
    for entry in objects(item, "content") {
        if let Some("reasoning_text" | "text") = entry.text("type").as_deref()
            && let Some(text) = entry.said("text")?
        {
            draft.text(&text);
        }
    }
    for entry in objects(item, "summary") {
        if let Some("summary_text") = entry.text("type").as_deref()
            && let Some(text) = entry.said("text")?
        {
            draft.summary(&text);
        }
    }
    if let Some(encrypted) = item.said("encrypted_content")? {
        draft.encoded(ENCRYPTED, &encrypted);
    }
    draft.or_empty();
    Ok(draft)
}

fn objects<'a>(item: &Object<'a>, name: &str) -> impl Iterator<Item = Object<'a>> {
    item.list(name).unwrap_or_default().into_iter().filter_map(Object::of)
}

fn function_call(item: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = call(item, ItemKind::FunctionCall)?;
    draft.arguments(item.some("arguments"))?;
    draft.name = item.said("name")?.map(Into::into);
    Ok(draft)
}

fn custom_tool_call(item: &Object<'_>, raw: &RawValue) -> Result<Draft, Why> {
    let mut draft = call(item, ItemKind::CustomToolCall)?;
    draft.name = item.said("name")?.map(Into::into);
    match item.said("input")? {
        Some(source) if draft.name.as_deref() == Some("exec") => draft.code("javascript", &source),
        Some(text) => draft.text(&text),
        None => draft.json(raw)?,
    }
    Ok(draft)
}

fn output(item: &Object<'_>, kind: ItemKind) -> Result<Draft, Why> {
    let mut draft = tool_output(item, kind)?;
    match item.some("output") {
        None => draft.reference("tool_output", None)?,
        Some(output) if text(output).is_some() || list(output).is_some() => draft.content(Some(output))?,
        Some(output) => draft.json(output)?,
    }
    Ok(draft)
}

fn whole_call(item: &Object<'_>, raw: &RawValue) -> Result<Draft, Why> {
    whole(call(item, ItemKind::FunctionCall)?, raw)
}

fn whole_output(item: &Object<'_>, raw: &RawValue) -> Result<Draft, Why> {
    whole(tool_output(item, ItemKind::FunctionCallOutput)?, raw)
}

fn whole(mut draft: Draft, raw: &RawValue) -> Result<Draft, Why> {
    draft.json(raw)?;
    Ok(draft)
}

fn compaction(item: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = Draft::new(Role::Assistant, Some(Channel::Summary), ItemKind::Message);
    if let Some(encrypted) = item.said("encrypted_content")? {
        draft.encoded(ENCRYPTED, &encrypted);
    }
    draft.or_empty();
    Ok(draft)
}

fn agent_message(item: &Object<'_>) -> Result<Draft, Why> {
    let mut draft = Draft::new(Role::Assistant, Some(Channel::Analysis), ItemKind::Message);
    let agent = |name: &str| item.said(name).map(|agent| Box::<str>::from(agent.unwrap_or_default()));
    draft.agent_message = Some(AgentMessage { author: agent("author")?, recipient: agent("recipient")? });
    match item.get("content").and_then(list) {
        None => draft.content(item.get("content"))?,
        Some(entries) => {
            for raw in entries {
                let entry = Object::of(raw);
                let encrypted = entry.as_ref().map(|entry| entry.said("encrypted_content")).transpose()?.flatten();
                match (entry.and_then(|entry| entry.text("type")).as_deref(), encrypted) {
                    (Some("encrypted_content"), Some(encrypted)) => draft.encoded(ENCRYPTED, &encrypted),
                    _ => draft.content_part(raw)?,
                }
            }
            draft.or_empty();
        }
    }
    Ok(draft)
}

fn call(item: &Object<'_>, kind: ItemKind) -> Result<Draft, Why> {
    with_call_id(Draft::new(Role::Assistant, Some(Channel::Commentary), kind), item)
}

fn tool_output(item: &Object<'_>, kind: ItemKind) -> Result<Draft, Why> {
    with_call_id(Draft::new(Role::Tool, Some(Channel::Commentary), kind), item)
}

fn with_call_id(mut draft: Draft, item: &Object<'_>) -> Result<Draft, Why> {
    draft.call_id = item.said("call_id")?.map(|id| CallId::from(&*id));
    Ok(draft)
}
