//! What all agents of a run share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::client::Client;
use crate::registry::AgentRegistry;
use crate::hook::Hook;
use crate::terminals::Terminals;
use crate::workspace::Workspace;

/// The model, the place to work in, and the others.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) model: String,
    /// Whether the model is asked to reason and to stream a summary of it.
    pub(crate) reasoning: bool,
    /// Whether the endpoint knows tools that take a script.
    pub(crate) scripts: bool,
    /// A request with more tokens is compacted first.
    pub(crate) context_limit: u64,
    /// Until the endpoint says that it can't.
    pub(crate) can_compact: AtomicBool,
    pub(crate) workspace: Workspace,
    pub(crate) hook: Hook,
    pub(crate) terminals: Terminals,
    pub(crate) agents: AgentRegistry,
    pub(crate) last_cell: AtomicU32,
}

impl Setup {
    /// A name for a code cell, which no other of the run has.
    pub(crate) fn next_cell_id(&self) -> String {
        (self.last_cell.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }
}

/// Whatever happens to the run, no process of it outlives this.
#[derive(Debug)]
pub(crate) struct Reaper(pub(crate) Arc<Setup>);

impl Drop for Reaper {
    fn drop(&mut self) {
        self.0.terminals.kill();
    }
}
