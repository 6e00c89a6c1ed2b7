//! The turn loop: ask the model, do what it calls for, tell it what came of it, until it has nothing more to call for.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Error, bail};
use futures_util::future::join_all;
use otel_trace::event::TurnId;
use otel_trace::{AgentThread, Json, Operation, Turn};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::cell;
use crate::registry::{Mailbox, Status};
use crate::context::{Requester, RequesterKind, AgentContext};
use crate::message::Message;
use crate::stop::StopSignal;
use crate::tools::{self, ModelCall};

/// A model that needs more than this for one turn is going in circles.
const MAX_RESPONSES: usize = 60;

/// One thread: everything said and done since the agent started.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(super) ctx: Arc<AgentContext>,
    /// The recording of it.
    thread: AgentThread,
    mailbox: Mailbox,
    stop: StopSignal,
    /// Every item so far. The API stores nothing, so every request carries all of it.
    pub(super) history: Vec<Value>,
    /// As many tokens as the server counted last.
    pub(super) context_tokens: u64,
    turns: u32,
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) enum TurnOutcome {
    /// With the model's last word.
    Answered(String),
    Failed(Error),
    /// Somebody asked for the end, for this reason.
    Stopped(String),
}

impl Agent {
    pub(crate) fn new(ctx: Arc<AgentContext>, thread: AgentThread, mailbox: Mailbox, stop: StopSignal) -> Self {
        Self { ctx, thread, mailbox, stop, history: Vec::new(), context_tokens: 0, turns: 0 }
    }

    /// One turn of the root agent: from what the user says to the model's last word on it.
    pub(crate) async fn turn(&mut self, prompt: &str) -> TurnOutcome {
        self.ctx.screen.print_heading(prompt);
        self.run_turn(user_message(prompt), None).await
    }

    /// The life of a spawned agent: a turn for each message that asks for one, whose answer goes to `parent`.
    // Boxed, because an agent spawns agents: the type would hold itself.
    pub(crate) fn run(mut self, parent: String) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let reason = loop {
                tokio::select! {
                    reason = self.stop.requested() => break reason,
                    message = self.mailbox.inbox.recv() => {
                        let Some(message) = message else { break "nobody can reach it any more".to_owned() };
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

    /// Ends the agent with what it has running. One that is idle has done its work.
    async fn finish(self, reason: &str) {
        let was_running = *self.mailbox.status.borrow() == Status::Running;
        self.stop_running().await;
        if was_running {
            self.thread.cancel(reason);
        } else {
            self.thread.complete();
        }
    }

    /// Ends the agents that this one spawned, and what it has running itself.
    pub(crate) async fn shut_down(&self, reason: &str) {
        for spawned in self.ctx.setup.agents.descendants(&self.ctx.identity) {
            self.ctx.setup.agents.close(&spawned.path, reason).await;
        }
        self.stop_running().await;
    }

    /// Ends what the agent has running.
    async fn stop_running(&self) {
        self.ctx.cells.close();
        self.ctx.setup.terminals.close(&self.ctx.identity.path).await;
    }

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
            // The model asks for several only when none needs the other.
            let outputs = join_all(calls.iter().map(|call| self.execute_call(call, turn, id))).await;
            self.history.extend(outputs);
            self.compact_if_long(turn).await;
        }
        bail!("the model still called for tools after {MAX_RESPONSES} responses")
    }

    /// What the model is answered to a call.
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

    /// What other agents said meanwhile becomes a piece of the conversation.
    fn receive_messages(&mut self) {
        while let Ok(message) = self.mailbox.inbox.try_recv() {
            self.ctx.screen.print_message(&message);
            self.history.push(message.item());
        }
    }

    /// What came of a spawned agent's turn goes to the agent that spawned it.
    fn report(&self, parent: &str, turn: &Turn, outcome: &TurnOutcome) {
        let (Some(status), path) = (outcome.status(), &self.ctx.identity.path) else { return };
        let text = match &status {
            Status::Errored(error) => format!("I failed: {error}"),
            Status::Completed(text) => text.clone(),
            Status::Running | Status::Shutdown => return,
        };
        let body = json!({"child_agent_path": path, "message": text, "status": status.to_json()});
        turn.agent_result(&text, Json(&body));
        // A parent that has gone needs no answer.
        let _ = self.ctx.setup.agents.send(Message::new(path, parent, &text, false));
    }
}

impl TurnOutcome {
    /// How an agent stands after such a turn; None where its end is told elsewhere.
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

/// The text of the last message among the items of a response.
fn last_message_text(items: &[Value]) -> String {
    let message = items.iter().rev().find(|item| item["type"] == "message");
    let parts = message.and_then(|message| message["content"].as_array());
    let texts = parts.into_iter().flatten().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
