//! The processes that outlive the call which started them, by number and by the agent they belong to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use crate::terminal::Terminal;

/// All terminals of a run.
#[derive(Debug, Default)]
pub(crate) struct Terminals {
    last_id: AtomicU32,
    live: Mutex<BTreeMap<u32, Live>>,
}

#[derive(Debug)]
struct Live {
    agent_path: String,
    terminal: Arc<Terminal>,
}

impl Terminals {
    /// A number for a process, which no other of the run has.
    pub(crate) fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn keep(&self, id: u32, agent_path: &str, terminal: &Arc<Terminal>) {
        let agent_path = agent_path.to_owned();
        self.live().insert(id, Live { agent_path, terminal: Arc::clone(terminal) });
    }

    /// The terminal with this number, which only the agent that started it may use.
    pub(crate) fn get(&self, id: u32, agent_path: &str) -> Result<Arc<Terminal>> {
        let live = self.live();
        let found = live.get(&id).filter(|live| live.agent_path == agent_path);
        Ok(Arc::clone(
            &found.with_context(|| format!("there is no session {id}: it has ended, or never was"))?.terminal,
        ))
    }

    /// Forgets one that ended.
    pub(crate) fn forget(&self, id: u32) {
        self.live().remove(&id);
    }

    /// Ends those of an agent and of the agents it spawned, and waits for their ends.
    pub(crate) async fn close(&self, agent_path: &str) {
        let below = format!("{agent_path}/");
        let is_theirs = |live: &Live| live.agent_path == agent_path || live.agent_path.starts_with(&below);
        let ended: Vec<_> = self.live().extract_if(.., |_, live| is_theirs(live)).collect();
        for (_, live) in &ended {
            live.terminal.kill();
        }
        for (_, live) in ended {
            live.terminal.finished().await;
        }
    }

    /// Ends all of them, and waits for nothing.
    pub(crate) fn kill(&self) {
        for live in self.live().values() {
            live.terminal.kill();
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u32, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
