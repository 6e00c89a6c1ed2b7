//! The payloads that this agent records.
//!
//! Request and response bodies are recorded as they go over the wire; this module builds the payloads that no API call
//! carries.

mod agents;
mod command;
mod inference;

pub(crate) use agents::{AgentCallBody, AgentEvent};
pub(crate) use command::CommandStart;
pub(crate) use inference::{failure, response};
