//! State that all agents of a run share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::client::Client;
use crate::hook::Hook;
use crate::registry::AgentRegistry;
use crate::terminals::Terminals;
use crate::workspace::Workspace;

/// The state that all agents of a run share: the model, the workspace, the registry of agents and the settings.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) model: String,
    /// `true` if the model is asked to reason and to stream a summary of its reasoning.
    pub(crate) reasoning: bool,
    /// `true` if the endpoint supports tools that take a script instead of JSON.
    pub(crate) scripts: bool,
    /// Number of tokens above which the history is compacted.
    pub(crate) context_limit: u64,
    /// `false` once the endpoint has reported that it does not support compaction.
    pub(crate) can_compact: AtomicBool,
    pub(crate) workspace: Workspace,
    pub(crate) hook: Hook,
    pub(crate) terminals: Terminals,
    pub(crate) agents: AgentRegistry,
    pub(crate) last_cell: AtomicU32,
}

impl Setup {
    /// Returns an id for a code cell that is unique in the run.
    pub(crate) fn next_cell_id(&self) -> String {
        (self.last_cell.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
}

/// Kills all processes of the run on drop, however the run ends.
#[derive(Debug)]
pub(crate) struct Reaper(pub(crate) Arc<Setup>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.terminals.kill();
    }
}
