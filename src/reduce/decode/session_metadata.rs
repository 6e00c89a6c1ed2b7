//! Decodes `session_metadata` payloads.

use serde_json::value::RawValue;

use super::item_cache::ItemCache;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use crate::event::{ThreadId, ToolCallId};
use crate::provider::{Object, text};

/// The configuration of a thread, from its `session_metadata` payload.
#[derive(Debug)]
pub(in crate::reduce) struct SessionMetadata {
    pub(in crate::reduce) agent_path: Option<String>,
    pub(in crate::reduce) task_name: Option<String>,
    pub(in crate::reduce) nickname: Option<String>,
    pub(in crate::reduce) agent_role: Option<String>,
    pub(in crate::reduce) model: Option<String>,
    /// Origin of the session as text, such as `cli` or `subagent:review`.
    pub(in crate::reduce) source: Option<String>,
    pub(in crate::reduce) spawned_by: Option<SpawnedBy>,
}

/// The origin of a spawned thread, from `session_source.subagent.thread_spawn`, or from `thread_spawn` beside a source
/// that names no thread: the thread that spawned it, and the description that it was given.
#[derive(Debug)]
pub(in crate::reduce) struct SpawnedBy {
    pub(in crate::reduce) parent_thread_id: ThreadId,
    pub(in crate::reduce) agent_path: Option<String>,
    pub(in crate::reduce) task_name: Option<String>,
    pub(in crate::reduce) agent_role: Option<String>,
    /// Id of the tool call that spawned the thread, if the producer recorded it here.
    pub(in crate::reduce) tool_call_id: Option<ToolCallId>,
}

impl PayloadShape for SessionMetadata {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            agent_path: body.string("agent_path"),
            task_name: body.string("task_name"),
            nickname: body.string("nickname"),
            agent_role: body.string("agent_role"),
            model: body.string("model"),
            source: body.non_null("session_source").and_then(source),
            spawned_by: spawned_by(&body),
        })
    }
}

/// Returns a session's origin as text, such as `cli`, `internal`, `custom:<name>` or `subagent:<kind>`. Returns `None`
/// if the value is neither a word nor an object with one.
fn source(value: &RawValue) -> Option<String> {
    let origin = Object::from_value(value).unwrap_or_default();
    if origin.get("internal").is_some() {
        return Some("internal".to_owned());
    }
    match origin.get("subagent") {
        Some(subagent) => Some(format!("subagent:{}", word(subagent)?)),
        None => word(value),
    }
}

/// Returns the text of a value that is a text. Of an object, returns the name of its first field, and `<name>:<text>`
/// if the field contains a text. Returns `None` for other values.
fn word(value: &RawValue) -> Option<String> {
    if let Some(word) = text(value) {
        return Some(word.into_owned());
    }
    let object = Object::from_value(value)?;
    let (word, detail) = object.fields().next()?;
    Some(text(detail).map_or_else(|| word.to_owned(), |detail| format!("{word}:{detail}")))
}

/// Returns the origin of a spawned thread. Returns `None` for a root thread.
fn spawned_by(body: &Object<'_>) -> Option<SpawnedBy> {
    let in_source = || body.object("session_source")?.object("subagent")?.object("thread_spawn");
    let spawn = body.object("thread_spawn").or_else(in_source)?;
    Some(SpawnedBy {
        parent_thread_id: spawn.string("parent_thread_id")?.into(),
        agent_path: spawn.string("agent_path"),
        task_name: spawn.string("task_name"),
        agent_role: spawn.string("agent_role"),
        tool_call_id: spawn.string("tool_call_id").map(ToolCallId::from),
    })
}
