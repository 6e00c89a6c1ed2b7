//! Who a thread is among the agents of its run.

use uuid::Uuid;

use super::recording::Recording;
use super::session_metadata::{SessionMetadata, Spawned};
use super::thread::ThreadFacts;
use crate::bundle::Masking;
use crate::event::{AgentPath, ThreadId};
use crate::layer::parent::Parent;

#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) id: ThreadId,
    pub(super) agent_path: AgentPath,
    pub(super) depth: u32,
    /// Who made it: in its bundle, or in that of the process's parent.
    pub(super) spawned: Option<Spawned>,
}

impl Identity {
    /// Of a thread that a thread of its bundle spawned.
    pub(super) fn in_bundle_of(parent: &Recording, facts: &ThreadFacts, masking: &Masking) -> Self {
        let named = facts.id.as_deref().map(|id| parent.bundle.thread_id(id));
        let id = named.unwrap_or_else(own_id);
        let agent_path = facts.agent_path.as_deref().map(AgentPath::from);
        let agent_path = agent_path.unwrap_or_else(|| path_below(parent, &id, &facts.metadata, masking));
        let depth = parent.depth.saturating_add(1);
        let spawned = Spawned { parent: parent.id.clone(), by: facts.spawned_by.clone(), depth };
        Self { spawned: Some(spawned), id, agent_path, depth }
    }

    /// Of a root thread, in a process that another may have spawned.
    pub(super) fn of_root(process: Option<&Parent>, facts: &ThreadFacts) -> Self {
        // Whoever is first takes the id or forgoes it: no later thread is the one that it was made for.
        let made = process.and_then(Parent::take_id);
        let named = facts.id.as_deref().map(ThreadId::from);
        let spawned = process.map(|parent| {
            let parent = parent.process();
            // The tool call is in the bundle of its own: the manifest names both.
            Spawned { parent: parent.thread_id.clone(), by: None, depth: parent.depth }
        });
        Self {
            id: named.or(made).unwrap_or_else(own_id),
            agent_path: facts.agent_path.as_deref().unwrap_or("/root").into(),
            depth: spawned.as_ref().map_or(0, |spawned| spawned.depth),
            spawned,
        }
    }
}

fn own_id() -> ThreadId {
    Uuid::now_v7().to_string().into()
}

fn path_below(parent: &Recording, id: &ThreadId, metadata: &SessionMetadata, masking: &Masking) -> AgentPath {
    let SessionMetadata { task_name, nickname, .. } = metadata;
    let name = task_name.as_deref().or(nickname.as_deref()).unwrap_or(id.as_str());
    // Spelled like a step, a secret would not look like one.
    let name = masking.text(name);
    let step: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let step = if step.is_empty() { "agent" } else { &step };
    parent.bundle.agent_path(format!("{}/{step}", parent.agent_path))
}
