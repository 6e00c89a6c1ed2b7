//! The agents that a tool call turned out to be, where a framework opens no span for them.

use std::sync::{Arc, Mutex};

use super::{End, TurnOperation};
use crate::layer::recorder::locked;

/// Each by its name, with the one turn that it has, in the order in which they asked a model first.
#[derive(Debug, Default)]
pub(super) struct ToolAgents(Mutex<Vec<ToolAgent>>);

#[derive(Debug)]
struct ToolAgent {
    name: String,
    turn: Arc<TurnOperation>,
}

impl ToolAgents {
    /// The turn of the agent with this name, which is the one that acts from now on.
    pub(super) fn asks(&self, name: &str, make: impl FnOnce() -> Arc<TurnOperation>) -> Arc<TurnOperation> {
        let mut agents = locked(&self.0);
        let known = agents.iter().position(|agent| agent.name == name);
        let agent = match known {
            Some(place) => agents.remove(place),
            None => ToolAgent { name: name.to_owned(), turn: make() },
        };
        let turn = Arc::clone(&agent.turn);
        agents.push(agent);
        turn
    }

    /// The turn of the agent that asked last.
    pub(super) fn acting(&self) -> Option<Arc<TurnOperation>> {
        Some(Arc::clone(&locked(&self.0).last()?.turn))
    }

    /// They end as the tool does.
    pub(super) fn end(&self, end: &End) {
        let agents = std::mem::take(&mut *locked(&self.0));
        for ToolAgent { turn, .. } in agents {
            turn.end(end.clone());
            turn.thread().end(end.clone());
        }
    }
}
