//! Payloads of tool calls that act on another agent, recorded as `tool_runtime_event` bodies.

use serde_json::{Value, json};

use crate::registry::{Identity, Status};
use crate::tools::FunctionCall;

/// Builds the payloads of one tool call that acts on another agent.
#[derive(Debug)]
pub(crate) struct AgentCallBody<'a> {
    call_id: &'a str,
    sender: &'a Identity,
}

/// The start or end of an interaction with an agent, with its message and the resulting status.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AgentEvent<'a> {
    SendStarted(&'a str),
    SendEnded(&'a str, &'a Status),
    CloseStarted,
    CloseEnded(&'a Status),
}

impl<'a> AgentCallBody<'a> {
    pub(crate) fn new(call: &'a FunctionCall, sender: &'a Identity) -> Self {
        Self { call_id: &call.call_id, sender }
    }

    pub(crate) fn spawn_started(&self, prompt: &str) -> Value {
        json!({"call_id": self.call_id, "sender_thread_id": self.sender.thread_id, "prompt": prompt})
    }

    pub(crate) fn spawn_ended(&self, prompt: &str, child: &Identity, model: &str) -> Value {
        let mut body = self.spawn_started(prompt);
        body["new_thread_id"] = json!(child.thread_id);
        body["new_agent_nickname"] = json!(child.name);
        body["new_agent_role"] = json!(child.role);
        body["model"] = json!(model);
        // The default of the API, which applies because requests do not set it.
        body["reasoning_effort"] = json!("medium");
        body["status"] = Status::Running.to_json();
        body
    }

    pub(crate) fn interaction(&self, receiver: &Identity, event: AgentEvent<'_>) -> Value {
        let mut body = json!({
            "call_id": self.call_id,
            "sender_thread_id": self.sender.thread_id,
            "receiver_thread_id": receiver.thread_id,
        });
        let (prompt, status) = match event {
            AgentEvent::SendStarted(prompt) => (Some(prompt), None),
            AgentEvent::SendEnded(prompt, status) => (Some(prompt), Some(status)),
            AgentEvent::CloseStarted => (None, None),
            AgentEvent::CloseEnded(status) => (None, Some(status)),
        };
        if let Some(prompt) = prompt {
            body["prompt"] = json!(prompt);
        }
        if let Some(status) = status {
            body["receiver_agent_nickname"] = json!(receiver.name);
            body["receiver_agent_role"] = json!(receiver.role);
            body["status"] = status.to_json();
        }
        body
    }
}
