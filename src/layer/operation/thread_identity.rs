//! The identity of a thread among the agents of its run.

use uuid::Uuid;

use super::session_metadata::{SessionMetadata, SpawnInfo};
use super::thread_facts::ThreadFacts;
use super::thread_recording::ThreadRecording;
use crate::event::{AgentPath, ThreadId};
use crate::layer::session::environment::Parent;
use crate::mask::Masking;

/// Id, agent path and depth of a thread, and the thread that spawned it.
#[derive(Debug, Clone)]
pub(super) struct ThreadIdentity {
    pub(super) id: ThreadId,
    pub(super) agent_path: AgentPath,
    /// Number of agents above the thread.
    pub(super) depth: u32,
    /// The thread that spawned this one, in the same bundle or in the bundle of the parent process. `None` for a root
    /// thread without a parent process.
    pub(super) spawned: Option<SpawnInfo>,
}

impl ThreadIdentity {
    /// Returns the identity of a thread that another thread of the bundle spawned.
    pub(super) fn for_spawned(parent: &ThreadRecording, facts: &ThreadFacts, masking: &Masking) -> Self {
        let requested = facts.id.as_deref().map(|id| parent.bundle.unique_thread_id(id));
        let id = requested.unwrap_or_else(generate_id);
        let agent_path = facts.agent_path.as_deref().map(AgentPath::from);
        let agent_path = agent_path.unwrap_or_else(|| default_agent_path(parent, &id, &facts.metadata, masking));
        let depth = parent.depth.saturating_add(1);
        let spawned = SpawnInfo { parent: parent.id.clone(), tool_call_id: facts.spawned_by.clone(), depth };
        Self { spawned: Some(spawned), id, agent_path, depth }
    }

    /// Returns the identity of a root thread. `process` is the parent process, if another agent spawned this one.
    pub(super) fn for_root(process: Option<&Parent>, facts: &ThreadFacts) -> Self {
        // The first root thread uses up the id, even if the program gave it another: the parent meant no later thread.
        let assigned = process.and_then(Parent::take_id);
        let requested = facts.id.as_deref().map(ThreadId::from);
        let spawned = process.map(|parent| {
            let parent = parent.process();
            // `tool_call_id` stays empty: the call is in the parent's bundle, and the manifest names both.
            SpawnInfo { parent: parent.thread_id.clone(), tool_call_id: None, depth: parent.depth }
        });
        Self {
            id: requested.or(assigned).unwrap_or_else(generate_id),
            agent_path: facts.agent_path.as_deref().unwrap_or("/root").into(),
            depth: spawned.as_ref().map_or(0, |spawned| spawned.depth),
            spawned,
        }
    }
}

fn generate_id() -> ThreadId {
    Uuid::now_v7().to_string().into()
}

/// Returns the agent path of a spawned thread that was given none: its task name, nickname or id, below the path of its
/// parent.
fn default_agent_path(
    parent: &ThreadRecording,
    id: &ThreadId,
    metadata: &SessionMetadata,
    masking: &Masking,
) -> AgentPath {
    let SessionMetadata { task_name, nickname, .. } = metadata;
    let name = task_name.as_deref().or(nickname.as_deref()).unwrap_or(id.as_str());
    // Masked first: once it is normalized to a path segment, a secret would not be recognized.
    let name = masking.text(name);
    let step: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let step = if step.is_empty() { "agent" } else { &step };
    parent.bundle.unique_agent_path(format!("{}/{step}", parent.agent_path))
}
