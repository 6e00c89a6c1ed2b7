//! The configuration of a thread: the `session_metadata` body.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::event::{AgentPath, ThreadId, ToolCallId};

/// How a session was started.
#[derive(Debug, Clone, Copy)]
pub enum SessionSource<'a> {
    /// One word, such as `cli` or `exec`.
    Word(&'a str),
    /// Any other source, such as `{"subagent": "review"}`.
    Json(&'a Value),
}

impl SessionSource<'_> {
    pub(in crate::layer) fn to_value(self) -> Value {
        match self {
            Self::Word(word) => Value::String(word.to_owned()),
            Self::Json(source) => source.clone(),
        }
    }
}

impl<'a> From<&'a str> for SessionSource<'a> {
    fn from(word: &'a str) -> Self {
        Self::Word(word)
    }
}

impl<'a> From<&'a String> for SessionSource<'a> {
    fn from(word: &'a String) -> Self {
        Self::Word(word)
    }
}

impl<'a> From<&'a Value> for SessionSource<'a> {
    fn from(source: &'a Value) -> Self {
        Self::Json(source)
    }
}

/// The configuration of a thread, as the program reports it. All fields are optional.
#[derive(Debug, Clone, Default)]
pub(in crate::layer) struct SessionMetadata {
    pub(in crate::layer) task_name: Option<String>,
    pub(in crate::layer) nickname: Option<String>,
    pub(in crate::layer) agent_role: Option<String>,
    /// The source of the session as the program reports it: one word, or an object.
    pub(in crate::layer) session_source: Option<Value>,
    pub(in crate::layer) cwd: Option<String>,
    pub(in crate::layer) rollout_path: Option<String>,
    pub(in crate::layer) model: Option<String>,
    pub(in crate::layer) provider_name: Option<String>,
    pub(in crate::layer) approval_policy: Option<String>,
    pub(in crate::layer) sandbox_policy: Option<String>,
    /// Members of the body that format 1 does not define.
    pub(in crate::layer) further: Map<String, Value>,
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
            rollout_path,
            model,
            provider_name,
            approval_policy,
            sandbox_policy,
            further,
        } = self;
        let texts =
            [task_name, nickname, agent_role, cwd, rollout_path, model, provider_name, approval_policy, sandbox_policy];
        texts.iter().all(|field| field.is_none()) && session_source.is_none() && further.is_empty()
    }

    /// Returns the `session_metadata` body, in the shape of format 1. A member of the program's that format 1 defines is
    /// left out: the body has its value already.
    pub(super) fn body<'a>(
        &'a self,
        thread_id: &'a ThreadId,
        agent_path: &'a AgentPath,
        spawned: Option<&'a SpawnInfo>,
    ) -> impl Serialize + 'a {
        let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
        let spawn = spawned.map(|spawned| self.thread_spawn(agent_path, spawned));
        let (session_source, thread_spawn) = match (&self.session_source, spawned, spawn) {
            (None, _, None) => (SourceBody::Word("exec"), None),
            (Some(source), _, None) => (SourceBody::Given(source), None),
            // The program has given the parent, or a source beside which the parent is kept.
            (Some(source @ Value::Object(_)), Some(spawned), Some(spawn)) => {
                (SourceBody::Given(source), (!names_parent(source, spawned)).then_some(spawn))
            }
            (Some(_) | None, _, Some(thread_spawn)) => {
                (SourceBody::Spawned(Subagent { subagent: ThreadSpawned { thread_spawn } }), None)
            }
        };
        SessionMetadataBody {
            thread_id,
            agent_path,
            task_name: self.task_name.as_deref(),
            nickname: self.nickname.as_deref(),
            agent_role: self.agent_role.as_deref(),
            session_source,
            cwd: text(&self.cwd),
            rollout_path: self.rollout_path.as_deref(),
            model: text(&self.model),
            provider_name: text(&self.provider_name),
            approval_policy: text(&self.approval_policy),
            sandbox_policy: text(&self.sandbox_policy),
            thread_spawn,
            further: self.further.iter().filter(|(name, _)| !MEMBERS.contains(&name.as_str())).collect(),
        }
    }

    fn thread_spawn<'a>(&'a self, agent_path: &'a AgentPath, spawned: &'a SpawnInfo) -> ThreadSpawn<'a> {
        let SpawnInfo { parent, tool_call_id, depth } = spawned;
        ThreadSpawn {
            parent_thread_id: parent,
            depth: *depth,
            agent_path,
            agent_nickname: self.nickname.as_deref(),
            agent_role: self.agent_role.as_deref(),
            tool_call_id: tool_call_id.as_ref(),
        }
    }
}

/// Returns `true` if a source that the program has given names the thread that spawned this one.
fn names_parent(source: &Value, spawned: &SpawnInfo) -> bool {
    let parent = &source["subagent"]["thread_spawn"]["parent_thread_id"];
    parent.as_str() == Some(spawned.parent.as_str()) && spawned.tool_call_id.is_none()
}

/// Converts text from a span field to the source of a session: an object if the text is one in JSON, else one word.
pub(in crate::layer) fn session_source_from_text(text: &str) -> Value {
    let object = serde_json::from_str(text).ok().filter(Value::is_object);
    object.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The members of the body that are not the program's further ones.
const MEMBERS: [&str; 13] = [
    "thread_id",
    "agent_path",
    "task_name",
    "nickname",
    "agent_role",
    "session_source",
    "cwd",
    "rollout_path",
    "model",
    "provider_name",
    "approval_policy",
    "sandbox_policy",
    "thread_spawn",
];

#[derive(Serialize)]
struct SessionMetadataBody<'a> {
    thread_id: &'a ThreadId,
    agent_path: &'a AgentPath,
    task_name: Option<&'a str>,
    nickname: Option<&'a str>,
    agent_role: Option<&'a str>,
    session_source: SourceBody<'a>,
    cwd: &'a str,
    rollout_path: Option<&'a str>,
    model: &'a str,
    provider_name: &'a str,
    approval_policy: &'a str,
    sandbox_policy: &'a str,
    /// The thread that spawned this one, if `session_source` is one of the program's that does not name it. An addition
    /// of this crate.
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_spawn: Option<ThreadSpawn<'a>>,
    #[serde(flatten)]
    further: BTreeMap<&'a String, &'a Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SourceBody<'a> {
    Word(&'a str),
    Given(&'a Value),
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
