//! What this agent's doings look like in a bundle.
//!
//! The bodies of requests are recorded as they are sent; these are the ones that have to be made.

mod agents;
mod command;
mod inference;

pub(crate) use agents::{AgentCallBody, AgentEvent};
pub(crate) use command::CommandStart;
pub(crate) use inference::{failure, response};
