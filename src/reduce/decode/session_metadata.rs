//! `session_metadata` bodies.

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::Contents;
use super::object::Object;
use crate::event::{ThreadId, ToolCallId};

/// What a thread was configured with.
#[derive(Debug)]
pub(in crate::reduce) struct SessionMetadata {
    pub(in crate::reduce) agent_path: Option<String>,
    pub(in crate::reduce) task_name: Option<String>,
    pub(in crate::reduce) nickname: Option<String>,
    pub(in crate::reduce) agent_role: Option<String>,
    pub(in crate::reduce) model: Option<String>,
    pub(in crate::reduce) spawned_by: Option<SpawnedBy>,
}

/// `session_source.subagent.thread_spawn`: the agent that made the thread, and what it said of it.
#[derive(Debug)]
pub(in crate::reduce) struct SpawnedBy {
    pub(in crate::reduce) parent_thread_id: ThreadId,
    pub(in crate::reduce) agent_path: Option<String>,
    pub(in crate::reduce) task_name: Option<String>,
    pub(in crate::reduce) agent_role: Option<String>,
    /// The tool call that made it, where the producer says so here.
    pub(in crate::reduce) tool_call_id: Option<ToolCallId>,
}

impl Shape for SessionMetadata {
    fn read(text: &str, _: &Contents) -> Result<Self, String> {
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
