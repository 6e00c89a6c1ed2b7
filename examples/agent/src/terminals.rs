//! The processes that outlive the tool call that started them, by id and owning agent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use crate::terminal::Terminal;

/// The terminals of a run.
#[derive(Debug, Default)]
pub(crate) struct Terminals {
    last_id: AtomicU32,
    entries: Mutex<BTreeMap<u32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    agent_path: String,
    terminal: Arc<Terminal>,
}

impl Terminals {
    /// Returns an id for a process that is unique in the run.
    pub(crate) fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn insert(&self, id: u32, agent_path: &str, terminal: &Arc<Terminal>) {
        let agent_path = agent_path.to_owned();
        self.entries().insert(id, Entry { agent_path, terminal: Arc::clone(terminal) });
    }

    /// Returns the terminal with this id. Returns an error if it does not exist or belongs to another agent.
    pub(crate) fn get(&self, id: u32, agent_path: &str) -> Result<Arc<Terminal>> {
        let entries = self.entries();
        let entry = entries.get(&id).filter(|entry| entry.agent_path == agent_path);
        Ok(Arc::clone(
            &entry.with_context(|| format!("there is no session {id}: it has ended or never existed"))?.terminal,
        ))
    }

    /// Removes a terminal that has ended.
    pub(crate) fn remove(&self, id: u32) {
        self.entries().remove(&id);
    }

    /// Kills the terminals of an agent and of all agents below it, and waits for their ends.
    pub(crate) async fn close(&self, agent_path: &str) {
        let below = format!("{agent_path}/");
        let is_closed = |entry: &Entry| entry.agent_path == agent_path || entry.agent_path.starts_with(&below);
        let ended: Vec<_> = self.entries().extract_if(.., |_, entry| is_closed(entry)).collect();
        for (_, entry) in &ended {
            entry.terminal.kill();
        }
        for (_, entry) in ended {
            entry.terminal.wait().await;
        }
    }

    /// Kills all terminals without waiting for their ends.
    pub(crate) fn kill(&self) {
        for entry in self.entries().values() {
            entry.terminal.kill();
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u32, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
