//! Decodes `session_metadata` payloads.

use super::item_cache::ItemCache;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use crate::event::{ThreadId, ToolCallId};
use crate::provider::Object;

/// The configuration of a thread, from its `session_metadata` payload.
#[derive(Debug)]
pub(in crate::reduce) struct SessionMetadata {
    pub(in crate::reduce) agent_path: Option<String>,
    pub(in crate::reduce) task_name: Option<String>,
    pub(in crate::reduce) nickname: Option<String>,
    pub(in crate::reduce) agent_role: Option<String>,
    pub(in crate::reduce) model: Option<String>,
    pub(in crate::reduce) spawned_by: Option<SpawnedBy>,
}

/// The origin of a spawned thread, from `session_source.subagent.thread_spawn`: the thread that spawned it, and the
/// description that it was given.
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
            spawned_by: spawned_by(&body),
        })
    }
}

/// Returns the origin of a spawned thread. Returns `None` for a root thread.
fn spawned_by(body: &Object<'_>) -> Option<SpawnedBy> {
    let spawn = body.object("session_source")?.object("subagent")?.object("thread_spawn")?;
    Some(SpawnedBy {
        parent_thread_id: spawn.string("parent_thread_id")?.into(),
        agent_path: spawn.string("agent_path"),
        task_name: spawn.string("task_name"),
        agent_role: spawn.string("agent_role"),
        tool_call_id: spawn.string("tool_call_id").map(ToolCallId::from),
    })
}
