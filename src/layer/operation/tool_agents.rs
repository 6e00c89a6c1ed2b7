//! Agents that a tool call runs, if the framework opens no spans for them.

use std::sync::{Arc, Mutex};

use super::end::End;
use super::turn::TurnOperation;
use crate::event::Timestamp;
use crate::layer::session::reentrancy::lock;

/// Agents that a tool call runs, each with its name and its only turn. The active agent, which made the latest
/// inference call, is last.
#[derive(Debug, Default)]
pub(super) struct ToolAgents(Mutex<Vec<ToolAgent>>);

#[derive(Debug)]
struct ToolAgent {
    name: String,
    turn: Arc<TurnOperation>,
}

impl ToolAgents {
    /// Returns the turn of the agent `name` and makes the agent the active one. `make` creates the turn the first time.
    pub(super) fn activate(&self, name: &str, make: impl FnOnce() -> Arc<TurnOperation>) -> Arc<TurnOperation> {
        let mut agents = lock(&self.0);
        let position = agents.iter().position(|agent| agent.name == name);
        let agent = match position {
            Some(index) => agents.remove(index),
            None => ToolAgent { name: name.to_owned(), turn: make() },
        };
        let turn = Arc::clone(&agent.turn);
        agents.push(agent);
        turn
    }

    /// Returns the turn of the active agent. Returns `None` if there are no agents.
    pub(super) fn active_turn(&self) -> Option<Arc<TurnOperation>> {
        Some(Arc::clone(&lock(&self.0).last()?.turn))
    }

    /// Ends the turns and threads of all agents, which failed with `error` if there is one.
    pub(super) fn end(&self, end: &End, error: Option<&str>, at: Timestamp) {
        let agents = std::mem::take(&mut *lock(&self.0));
        for ToolAgent { turn, .. } in agents {
            turn.set_error(error.map(str::to_owned));
            turn.thread().set_error(error.map(str::to_owned));
            turn.end(end.clone(), at);
            turn.thread().end(end.clone(), at);
        }
    }
}
