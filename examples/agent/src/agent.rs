//! The turn loop: sends the conversation to the model, executes the tool calls of its response and sends their outputs
//! back, until a response calls no tool.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Error, bail};
use futures_util::future::join_all;
use otel_trace::event::TurnId;
use otel_trace::{AgentThread, Json, Operation, Turn};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::cell;
use crate::context::{AgentContext, Requester, RequesterKind};
use crate::message::Message;
use crate::registry::{Mailbox, Status};
use crate::stop::StopSignal;
use crate::tools::{self, ModelCall};

/// Maximum number of responses per turn. A model that needs more is most likely repeating itself.
const MAX_RESPONSES: usize = 60;

/// An agent: one recorded thread, with its conversation and its means to act.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(super) ctx: Arc<AgentContext>,
    /// Handle through which the thread is recorded.
    thread: AgentThread,
    mailbox: Mailbox,
    stop: StopSignal,
    /// The whole conversation. The API stores nothing, so every request carries all items.
    pub(super) history: Vec<Value>,
    /// Number of tokens in the context, as counted by the server for the last response.
    pub(super) context_tokens: u64,
    turns: u32,
}

/// The outcome of a turn.
#[derive(Debug)]
pub(crate) enum TurnOutcome {
    /// The model answered with this text and called no more tools.
    Answered(String),
    Failed(Error),
    /// The turn was cancelled for this reason.
    Stopped(String),
}

impl Agent {
    pub(crate) fn new(ctx: Arc<AgentContext>, thread: AgentThread, mailbox: Mailbox, stop: StopSignal) -> Self {
        Self { ctx, thread, mailbox, stop, history: Vec::new(), context_tokens: 0, turns: 0 }
    }

    /// Runs one turn of the root agent, from the user's prompt to the final answer.
    pub(crate) async fn turn(&mut self, prompt: &str) -> TurnOutcome {
        self.ctx.screen.print_heading(prompt);
        self.run_turn(user_message(prompt), None).await
    }

    /// Runs a spawned agent until it is stopped: one turn for each message that triggers one. Answers go to `parent`.
    // Boxed, because agents spawn agents: the type of the future would otherwise contain itself.
    pub(crate) fn run(mut self, parent: String) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let reason = loop {
                tokio::select! {
                    reason = self.stop.requested() => break reason,
                    message = self.mailbox.inbox.recv() => {
                        let Some(message) = message else { break "its inbox was closed".to_owned() };
                        if !message.trigger_turn {
                            self.history.push(message.item());
                        } else if let TurnOutcome::Stopped(reason) = self.run_turn(message.item(), Some(&parent)).await {
                            break reason;
                        }
                    }
                }
            };
            self.finish(&reason).await;
        })
    }

    /// Stops the agent, and the scripts, processes and agents that it started. An idle agent has completed its work; a
    /// running one is cancelled.
    async fn finish(self, reason: &str) {
        let was_running = *self.mailbox.status.borrow() == Status::Running;
        self.stop_running().await;
        if was_running {
            self.thread.cancel(reason);
        } else {
            self.thread.complete();
        }
    }

    /// Stops the agents that this agent spawned, and its own scripts and processes.
    pub(crate) async fn shut_down(&self, reason: &str) {
        for spawned in self.ctx.setup.agents.descendants(&self.ctx.identity) {
            self.ctx.setup.agents.close(&spawned.path, reason).await;
        }
        self.stop_running().await;
    }

    /// Stops the scripts and processes of this agent.
    async fn stop_running(&self) {
        self.ctx.cells.close().await;
        self.ctx.setup.terminals.close(&self.ctx.identity.path).await;
    }

    /// Runs one turn that starts with `task`, records its outcome, and reports the outcome to `parent` if there is one.
    async fn run_turn(&mut self, task: Value, parent: Option<&str>) -> TurnOutcome {
        self.turns += 1;
        let name = if parent.is_some() { format!("{}-", self.ctx.identity.name) } else { String::new() };
        let id = TurnId::from(format!("{name}turn-{}", self.turns));
        let turn = self.thread.turn(Some(id.clone()));
        self.mailbox.status.send_replace(Status::Running);
        let stop = self.stop.clone();
        let outcome = tokio::select! {
            biased;
            reason = stop.requested() => TurnOutcome::Stopped(reason),
            result = self.run_until_answer(task, &turn, &id).instrument(turn.span().clone()) => match result {
                Ok(answer) => TurnOutcome::Answered(answer),
                Err(error) => TurnOutcome::Failed(error),
            },
        };
        if !matches!(outcome, TurnOutcome::Answered(_)) {
            self.ctx.screen.end_line();
            self.stop_running().await;
        }
        if let Some(parent) = parent {
            self.report(parent, &turn, &outcome);
        }
        match &outcome {
            TurnOutcome::Answered(_) => turn.complete(),
            TurnOutcome::Failed(error) => turn.fail(format!("{error:#}")),
            TurnOutcome::Stopped(reason) => turn.cancel(reason),
        }
        if let Some(status) = outcome.status() {
            self.mailbox.status.send_replace(status);
        }
        outcome
    }

    /// Requests responses and executes their tool calls until the model answers.
    async fn run_until_answer(&mut self, task: Value, turn: &Turn, id: &TurnId) -> Result<String, Error> {
        self.compact_if_long(turn).await;
        self.history.push(task);
        for _ in 0..MAX_RESPONSES {
            self.receive_messages();
            let response = self.infer(turn).await?;
            let calls = tools::calls_in(&response.output_items);
            let answer = last_message_text(&response.output_items);
            self.history.extend(response.output_items);
            if calls.is_empty() {
                return Ok(answer);
            }
            // Run concurrently: a model requests several calls in one response only if none depends on another.
            let outputs = join_all(calls.iter().map(|call| self.execute_call(call, turn, id))).await;
            self.history.extend(outputs);
            self.compact_if_long(turn).await;
        }
        bail!("the model still requested tools after {MAX_RESPONSES} responses")
    }

    /// Executes a tool call of the model and returns the output item for the next request.
    async fn execute_call(&self, call: &ModelCall, turn: &Turn, turn_id: &TurnId) -> Value {
        let requester = Requester { turn_id: turn_id.clone(), kind: RequesterKind::Model(turn.clone()) };
        let error_text = |error: String| format!("error: {error}");
        match call {
            ModelCall::Function(call) => {
                let answer = self.ctx.call(call, &requester).await;
                let output = answer.map_or_else(error_text, |answer| answer.text);
                json!({"type": "function_call_output", "call_id": call.call_id, "output": output})
            }
            ModelCall::Custom(call) => {
                let output = if call.name == cell::NAME {
                    self.ctx.exec(call, &requester).await.unwrap_or_else(|error| error_text(format!("{error:#}")))
                } else {
                    error_text(format!("there is no tool {:?}", call.name))
                };
                json!({"type": "custom_tool_call_output", "call_id": call.call_id, "output": output})
            }
        }
    }

    /// Appends the messages that other agents sent meanwhile to the conversation.
    fn receive_messages(&mut self) {
        while let Ok(message) = self.mailbox.inbox.try_recv() {
            self.ctx.screen.print_message(&message);
            self.history.push(message.item());
        }
    }

    /// Sends the outcome of a turn of a spawned agent to its parent, and records the message as an agent result.
    fn report(&self, parent: &str, turn: &Turn, outcome: &TurnOutcome) {
        let (Some(status), path) = (outcome.status(), &self.ctx.identity.path) else { return };
        let text = match &status {
            Status::Errored(error) => format!("I failed: {error}"),
            Status::Completed(text) => text.clone(),
            Status::Running | Status::Shutdown => return,
        };
        let body = json!({"child_agent_path": path, "message": text, "status": status.to_json()});
        turn.agent_result(&text, Json(&body));
        // Sending fails only if the parent has ended: then no agent needs the answer.
        let _ = self.ctx.setup.agents.send(Message::new(path, parent, &text, false));
    }
}

impl TurnOutcome {
    /// Returns the status of an agent after this outcome. Returns `None` for a stopped turn: the agent is closed
    /// elsewhere.
    fn status(&self) -> Option<Status> {
        match self {
            Self::Answered(text) => Some(Status::Completed(text.clone())),
            Self::Failed(error) => Some(Status::Errored(format!("{error:#}"))),
            Self::Stopped(_) => None,
        }
    }
}

fn user_message(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// Returns the text of the last message among the items of a response.
fn last_message_text(items: &[Value]) -> String {
    let message = items.iter().rev().find(|item| item["type"] == "message");
    let parts = message.and_then(|message| message["content"].as_array());
    let texts = parts.into_iter().flatten().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
