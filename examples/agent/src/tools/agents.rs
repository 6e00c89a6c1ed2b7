//! Agents that spawn agents: `spawn_agent`, `send_message`, `followup_task`, `wait_agent`, `close_agent`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use otel_trace::{ExecutionStatus, Json, ThreadMeta, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, FunctionCall};
use crate::agent::Agent;
use crate::cell::Cells;
use crate::crew::{Identity, Status};
use crate::desk::Desk;
use crate::message::Message;
use crate::recording::{AgentCall, Told};
use crate::stop::Stopper;

pub(crate) const SPAWN: &str = "spawn_agent";
pub(crate) const SEND: &str = "send_message";
pub(crate) const FOLLOW_UP: &str = "followup_task";
pub(crate) const WAIT: &str = "wait_agent";
pub(crate) const CLOSE: &str = "close_agent";

const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
const MAX_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn definitions() -> Vec<Value> {
    let target = json!({"type": "string", "description": "The agent's task_name, or its whole path."});
    let message =
        json!({"type": "string", "description": "Everything it has to know: it has not read your conversation."});
    let told = json!({"target": target, "message": message});
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
            &told,
            &["target", "message"],
        ),
        super::function(FOLLOW_UP, "Gives an agent something more to do, at once.", &told, &["target", "message"]),
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
struct Spawn {
    task_name: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    target: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    target: Option<String>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    target: String,
}

impl Desk {
    pub(crate) fn spawn_agent(&self, call: &FunctionCall, tool: &ToolCall) -> Result<Answer> {
        let Spawn { task_name, message } = call.read()?;
        let is_name = !task_name.is_empty()
            && task_name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        ensure!(is_name, "task_name is made of lower-case letters, digits and underscores");
        let child = Identity {
            path: format!("{}/{task_name}", self.me.path),
            name: task_name,
            role: "worker",
            thread_id: Uuid::new_v4().to_string(),
        };
        let (stopper, stop) = Stopper::new();
        let seat = self.setup.crew.join(&child, stopper)?;
        let told = AgentCall::new(call, &self.me);
        tool.runtime_started(Json(&told.spawn_begins(&message)));
        let cwd = self.setup.workspace.dir().display().to_string();
        let about = ThreadMeta::new().id(&child.thread_id).agent_path(&child.path).task_name(&child.name);
        let about = about.agent_name(&child.name).agent_role(child.role).cwd(&cwd).model(&self.setup.model, "openai");
        let thread = tool.spawn_thread(about.approval_policy("never").sandbox_policy("danger-full-access"));
        tool.runtime_ended(ExecutionStatus::Completed, Json(&told.spawn_ended(&message, &child, &self.setup.model)));
        self.screen.note(&format!("  spawned {}", child.path));

        let desk = Desk {
            setup: Arc::clone(&self.setup),
            screen: self.screen.of_agent(&child.name),
            cells: Cells::default(),
            me: child.clone(),
        };
        let agent = Agent::new(Arc::new(desk), thread, seat, stop);
        self.setup.crew.lives_in(&child.path, tokio::spawn(agent.live(self.me.path.clone())));
        self.setup.crew.send(Message::new(&self.me.path, &child.path, &message, true))?;
        Ok(Answer::json(json!({"task_name": child.path})))
    }

    /// A message, which a follow-up makes the agent act on.
    pub(crate) fn send(&self, call: &FunctionCall, tool: &ToolCall, trigger_turn: bool) -> Result<Answer> {
        let Send { target, message } = call.read()?;
        let receiver = self.setup.crew.find(&self.me, &target)?;
        let told = AgentCall::new(call, &self.me);
        tool.runtime_started(Json(&told.to(&receiver, Told::Message(&message))));
        let status = self.setup.crew.send(Message::new(&self.me.path, &receiver.path, &message, trigger_turn))?;
        tool.runtime_ended(ExecutionStatus::Completed, Json(&told.to(&receiver, Told::Sent(&message, &status))));
        Ok(Answer::json(json!({"ok": true})))
    }

    pub(crate) async fn wait_agent(&self, call: &FunctionCall) -> Result<Answer> {
        let Wait { target, timeout_ms } = call.read()?;
        let agents = match target {
            Some(target) => vec![self.setup.crew.find_spawned(&self.me, &target)?],
            None => self.setup.crew.spawned_by(&self.me),
        };
        let patience = timeout_ms.map_or(DEFAULT_PATIENCE, Duration::from_millis).min(MAX_PATIENCE);
        let statuses = self.setup.crew.wait(&agents, patience).await;
        let timed_out = statuses.iter().any(|(_, status)| *status == Status::Running);
        // The answers themselves arrive as messages.
        let state = |status: &Status| match status {
            Status::Running => "running",
            Status::Completed(_) => "completed",
            Status::Errored(_) => "errored",
            Status::Shutdown => "shutdown",
        };
        let agents: serde_json::Map<_, _> =
            statuses.iter().map(|(path, status)| (path.clone(), json!(state(status)))).collect();
        Ok(Answer::json(json!({"agents": agents, "timed_out": timed_out})))
    }

    pub(crate) async fn close_agent(&self, call: &FunctionCall, tool: &ToolCall) -> Result<Answer> {
        let Close { target } = call.read()?;
        let receiver = self.setup.crew.find_spawned(&self.me, &target)?;
        let told = AgentCall::new(call, &self.me);
        tool.runtime_started(Json(&told.to(&receiver, Told::Close)));
        let reason = format!("closed by {}", self.me.path);
        let status = self.setup.crew.close(&receiver.path, &reason).await.unwrap_or(Status::Shutdown);
        tool.runtime_ended(ExecutionStatus::Completed, Json(&told.to(&receiver, Told::Closed(&status))));
        self.screen.note(&format!("  closed {}", receiver.path));
        Ok(Answer::json(json!({"previous_status": status.wire()})))
    }
}
