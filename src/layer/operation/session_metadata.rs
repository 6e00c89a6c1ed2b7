//! The configuration of a thread: the `session_metadata` body.

use serde::Serialize;

use crate::event::{AgentPath, ThreadId, ToolCallId};

/// The configuration of a thread, as the program reports it. All fields are optional.
#[derive(Debug, Clone, Default)]
pub(in crate::layer) struct SessionMetadata {
    pub(in crate::layer) task_name: Option<String>,
    pub(in crate::layer) nickname: Option<String>,
    pub(in crate::layer) agent_role: Option<String>,
    pub(in crate::layer) session_source: Option<String>,
    pub(in crate::layer) cwd: Option<String>,
    pub(in crate::layer) model: Option<String>,
    pub(in crate::layer) provider_name: Option<String>,
    pub(in crate::layer) approval_policy: Option<String>,
    pub(in crate::layer) sandbox_policy: Option<String>,
}

/// The thread that spawned another thread.
#[derive(Debug, Clone)]
pub(super) struct SpawnInfo {
    /// The parent thread.
    pub(super) parent: ThreadId,
    /// The tool call that spawned the thread, if it is in the same bundle.
    pub(super) tool_call_id: Option<ToolCallId>,
    /// Number of agents above the spawned thread.
    pub(super) depth: u32,
}

impl SessionMetadata {
    /// Returns `true` if no field is set.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            task_name,
            nickname,
            agent_role,
            session_source,
            cwd,
            model,
            provider_name,
            approval_policy,
            sandbox_policy,
        } = self;
        [task_name, nickname, agent_role, session_source, cwd, model, provider_name, approval_policy, sandbox_policy]
            .iter()
            .all(|field| field.is_none())
    }

    /// Returns the `session_metadata` body, in the shape of format 1.
    pub(super) fn body<'a>(
        &'a self,
        thread_id: &'a ThreadId,
        agent_path: &'a AgentPath,
        spawned: Option<&'a SpawnInfo>,
    ) -> impl Serialize + 'a {
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        let session_source = match spawned {
            None => SessionSource::Word(self.session_source.as_deref().unwrap_or("exec")),
            Some(SpawnInfo { parent, tool_call_id, depth }) => SessionSource::Spawned(Subagent {
                subagent: ThreadSpawned {
                    thread_spawn: ThreadSpawn {
                        parent_thread_id: parent,
                        depth: *depth,
                        agent_path,
                        agent_nickname: self.nickname.as_deref(),
                        agent_role: self.agent_role.as_deref(),
                        tool_call_id: tool_call_id.as_ref(),
                    },
                },
            }),
        };
        SessionMetadataBody {
            thread_id,
            agent_path,
            task_name: self.task_name.as_deref(),
            nickname: self.nickname.as_deref(),
            agent_role: self.agent_role.as_deref(),
            session_source,
            cwd: text(&self.cwd),
            rollout_path: None,
            model: text(&self.model),
            provider_name: text(&self.provider_name),
            approval_policy: text(&self.approval_policy),
            sandbox_policy: text(&self.sandbox_policy),
        }
    }
}

#[derive(Serialize)]
struct SessionMetadataBody<'a> {
    thread_id: &'a ThreadId,
    agent_path: &'a AgentPath,
    task_name: Option<&'a str>,
    nickname: Option<&'a str>,
    agent_role: Option<&'a str>,
    session_source: SessionSource<'a>,
    cwd: &'a str,
    rollout_path: Option<&'a str>,
    model: &'a str,
    provider_name: &'a str,
    approval_policy: &'a str,
    sandbox_policy: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SessionSource<'a> {
    Word(&'a str),
    Spawned(Subagent<'a>),
}

#[derive(Serialize)]
struct Subagent<'a> {
    subagent: ThreadSpawned<'a>,
}

#[derive(Serialize)]
struct ThreadSpawned<'a> {
    thread_spawn: ThreadSpawn<'a>,
}

#[derive(Serialize)]
struct ThreadSpawn<'a> {
    parent_thread_id: &'a ThreadId,
    depth: u32,
    agent_path: &'a AgentPath,
    agent_nickname: Option<&'a str>,
    agent_role: Option<&'a str>,
    /// The tool call that spawned the thread. An addition of this crate: other producers report it in the runtime
    /// events of the tool call.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a ToolCallId>,
}
