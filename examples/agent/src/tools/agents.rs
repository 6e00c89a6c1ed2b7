//! The tools that manage agents: `spawn_agent`, `send_message`, `followup_task`, `wait_agent`, `close_agent`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use otel_trace::{ExecutionStatus, Json, ThreadMeta, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FunctionCall, ToolOutput};
use crate::agent::Agent;
use crate::cell::Cells;
use crate::context::AgentContext;
use crate::message::Message;
use crate::recording::{AgentCallBody, AgentEvent};
use crate::registry::{Identity, Status};
use crate::stop::StopHandle;

pub(crate) const SPAWN: &str = "spawn_agent";
pub(crate) const SEND: &str = "send_message";
pub(crate) const FOLLOW_UP: &str = "followup_task";
pub(crate) const WAIT: &str = "wait_agent";
pub(crate) const CLOSE: &str = "close_agent";

const DEFAULT_WAIT: Duration = Duration::from_secs(60);
const MAX_WAIT: Duration = Duration::from_secs(600);

pub(crate) fn definitions() -> Vec<Value> {
    let target = json!({"type": "string", "description": "The agent's task_name, or its whole path."});
    let message =
        json!({"type": "string", "description": "Everything it has to know: it has not read your conversation."});
    let send_properties = json!({"target": target, "message": message});
    vec![
        super::function(
            SPAWN,
            "Starts another agent in the same project, with the same tools and a conversation of its own. It works \
             while you go on. When it is done you are sent its answer, and it can be given more to do.",
            &json!({
                "task_name": {"type": "string", "description": "Its name: lower-case letters, digits, underscores."},
                "message": message,
            }),
            &["task_name", "message"],
        ),
        super::function(
            SEND,
            "Tells an agent something. It hears of it when it works next.",
            &send_properties,
            &["target", "message"],
        ),
        super::function(
            FOLLOW_UP,
            "Gives an agent something more to do, at once.",
            &send_properties,
            &["target", "message"],
        ),
        super::function(
            WAIT,
            "Waits until agents are done. Their answers are sent to you as messages.",
            &json!({
                "target": {"type": "string", "description": "The agent [default: all that you spawned]"},
                "timeout_ms": {"type": "integer", "description": "Return after this long at the latest [default: 60000]"},
            }),
            &[],
        ),
        super::function(CLOSE, "Ends an agent, and all that it spawned.", &json!({"target": target}), &["target"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpawnArguments {
    task_name: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendArguments {
    target: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitArguments {
    target: Option<String>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseArguments {
    target: String,
}

impl AgentContext {
    pub(crate) fn spawn_agent(&self, call: &FunctionCall, tool: &ToolCall) -> Result<ToolOutput> {
        let SpawnArguments { task_name, message } = call.parse_arguments()?;
        let is_name = !task_name.is_empty()
            && task_name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        ensure!(is_name, "task_name is made of lower-case letters, digits and underscores");
        let child = Identity {
            path: format!("{}/{task_name}", self.identity.path),
            name: task_name,
            role: "worker",
            thread_id: Uuid::new_v4().to_string(),
        };
        let (stop_handle, stop) = StopHandle::new();
        let mailbox = self.setup.agents.register(&child, stop_handle)?;
        let body = AgentCallBody::new(call, &self.identity);
        tool.runtime_started(Json(&body.spawn_started(&message)));
        let cwd = self.setup.workspace.dir().display().to_string();
        let meta = ThreadMeta::new().id(&child.thread_id).agent_path(&child.path).task_name(&child.name);
        let meta = meta.agent_name(&child.name).agent_role(child.role).cwd(&cwd).model(&self.setup.model, "openai");
        let thread = tool.spawn_thread(meta.approval_policy("never").sandbox_policy("danger-full-access"));
        tool.runtime_ended(ExecutionStatus::Completed, Json(&body.spawn_ended(&message, &child, &self.setup.model)));
        self.screen.print_note(&format!("  spawned {}", child.path));

        let ctx = AgentContext {
            setup: Arc::clone(&self.setup),
            screen: self.screen.for_agent(&child.name),
            cells: Cells::default(),
            identity: child.clone(),
        };
        let agent = Agent::new(Arc::new(ctx), thread, mailbox, stop);
        self.setup.agents.set_task(&child.path, tokio::spawn(agent.run(self.identity.path.clone())));
        self.setup.agents.send(Message::new(&self.identity.path, &child.path, &message, true))?;
        Ok(ToolOutput::from_json(json!({"task_name": child.path})))
    }

    /// Sends a message to another agent. With `trigger_turn` (the tool `followup_task`), the agent acts on it at once.
    pub(crate) fn send(&self, call: &FunctionCall, tool: &ToolCall, trigger_turn: bool) -> Result<ToolOutput> {
        let SendArguments { target, message } = call.parse_arguments()?;
        let receiver = self.setup.agents.find(&self.identity, &target)?;
        let body = AgentCallBody::new(call, &self.identity);
        tool.runtime_started(Json(&body.interaction(&receiver, AgentEvent::SendStarted(&message))));
        let status =
            self.setup.agents.send(Message::new(&self.identity.path, &receiver.path, &message, trigger_turn))?;
        tool.runtime_ended(
            ExecutionStatus::Completed,
            Json(&body.interaction(&receiver, AgentEvent::SendEnded(&message, &status))),
        );
        Ok(ToolOutput::from_json(json!({"ok": true})))
    }

    pub(crate) async fn wait_agent(&self, call: &FunctionCall) -> Result<ToolOutput> {
        let WaitArguments { target, timeout_ms } = call.parse_arguments()?;
        let agents = match target {
            Some(target) => vec![self.setup.agents.find_descendant(&self.identity, &target)?],
            None => self.setup.agents.descendants(&self.identity),
        };
        let timeout = timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(MAX_WAIT);
        let statuses = self.setup.agents.wait(&agents, timeout).await;
        let timed_out = statuses.iter().any(|(_, status)| *status == Status::Running);
        // The answers of the agents arrive as messages.
        let state = |status: &Status| match status {
            Status::Running => "running",
            Status::Completed(_) => "completed",
            Status::Errored(_) => "errored",
            Status::Shutdown => "shutdown",
        };
        let agents: serde_json::Map<_, _> =
            statuses.iter().map(|(path, status)| (path.clone(), json!(state(status)))).collect();
        Ok(ToolOutput::from_json(json!({"agents": agents, "timed_out": timed_out})))
    }

    pub(crate) async fn close_agent(&self, call: &FunctionCall, tool: &ToolCall) -> Result<ToolOutput> {
        let CloseArguments { target } = call.parse_arguments()?;
        let receiver = self.setup.agents.find_descendant(&self.identity, &target)?;
        let body = AgentCallBody::new(call, &self.identity);
        tool.runtime_started(Json(&body.interaction(&receiver, AgentEvent::CloseStarted)));
        let reason = format!("closed by {}", self.identity.path);
        let status = self.setup.agents.close(&receiver.path, &reason).await.unwrap_or(Status::Shutdown);
        tool.runtime_ended(
            ExecutionStatus::Completed,
            Json(&body.interaction(&receiver, AgentEvent::CloseEnded(&status))),
        );
        self.screen.print_note(&format!("  closed {}", receiver.path));
        Ok(ToolOutput::from_json(json!({"previous_status": status.to_json()})))
    }
}
