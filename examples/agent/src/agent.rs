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
use crate::crew::{Seat, Status};
use crate::desk::{Asker, By, Desk};
use crate::message::Message;
use crate::stop::Stop;
use crate::tools::{self, ModelCall};

/// A model that needs more than this for one turn is going in circles.
const MAX_RESPONSES: usize = 60;

/// One thread: everything said and done since the agent started.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(super) desk: Arc<Desk>,
    /// The recording of it.
    thread: AgentThread,
    seat: Seat,
    stop: Stop,
    /// Every item so far. The API stores nothing, so every request carries all of it.
    pub(super) history: Vec<Value>,
    /// As many tokens as the server counted last.
    pub(super) context_tokens: u64,
    turns: u32,
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the model's last word.
    Said(String),
    Failed(Error),
    /// Somebody asked for the end, for this reason.
    Stopped(String),
}

impl Agent {
    pub(crate) fn new(desk: Arc<Desk>, thread: AgentThread, seat: Seat, stop: Stop) -> Self {
        Self { desk, thread, seat, stop, history: Vec::new(), context_tokens: 0, turns: 0 }
    }

    /// One turn of the root agent: from what the user says to the model's last word on it.
    pub(crate) async fn turn(&mut self, prompt: &str) -> Ended {
        self.desk.screen.heading(prompt);
        self.take_turn(user_message(prompt), None).await
    }

    /// The life of a spawned agent: a turn for each message that asks for one, whose answer goes to `parent`.
    // Boxed, because an agent spawns agents: the type would hold itself.
    pub(crate) fn live(mut self, parent: String) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let reason = loop {
                tokio::select! {
                    reason = self.stop.requested() => break reason,
                    message = self.seat.inbox.recv() => {
                        let Some(message) = message else { break "nobody can reach it any more".to_owned() };
                        if !message.trigger_turn {
                            self.history.push(message.item());
                        } else if let Ended::Stopped(reason) = self.take_turn(message.item(), Some(&parent)).await {
                            break reason;
                        }
                    }
                }
            };
            self.close(&reason).await;
        })
    }

    /// Ends the agent with what it has running. One that is idle has done its work.
    async fn close(self, reason: &str) {
        let was_running = *self.seat.status.borrow() == Status::Running;
        self.leave().await;
        if was_running {
            self.thread.cancel(reason);
        } else {
            self.thread.complete();
        }
    }

    /// Ends the agents that this one spawned, and what it has running itself.
    pub(crate) async fn leave_all(&self, reason: &str) {
        for spawned in self.desk.setup.crew.spawned_by(&self.desk.me) {
            self.desk.setup.crew.close(&spawned.path, reason).await;
        }
        self.leave().await;
    }

    /// Ends what the agent has running.
    async fn leave(&self) {
        self.desk.cells.close();
        self.desk.setup.terminals.close(&self.desk.me.path).await;
    }

    async fn take_turn(&mut self, task: Value, parent: Option<&str>) -> Ended {
        self.turns += 1;
        let name = if parent.is_some() { format!("{}-", self.desk.me.name) } else { String::new() };
        let id = TurnId::from(format!("{name}turn-{}", self.turns));
        let turn = self.thread.turn(Some(id.clone()));
        self.seat.status.send_replace(Status::Running);
        let stop = self.stop.clone();
        let ended = tokio::select! {
            biased;
            reason = stop.requested() => Ended::Stopped(reason),
            outcome = self.work(task, &turn, &id).instrument(turn.span().clone()) => match outcome {
                Ok(said) => Ended::Said(said),
                Err(error) => Ended::Failed(error),
            },
        };
        if !matches!(ended, Ended::Said(_)) {
            self.desk.screen.end_line();
            self.leave().await;
        }
        if let Some(parent) = parent {
            self.report(parent, &turn, &ended);
        }
        match &ended {
            Ended::Said(_) => turn.complete(),
            Ended::Failed(error) => turn.fail(format!("{error:#}")),
            Ended::Stopped(reason) => turn.cancel(reason),
        }
        if let Some(status) = ended.status() {
            self.seat.status.send_replace(status);
        }
        ended
    }

    async fn work(&mut self, task: Value, turn: &Turn, id: &TurnId) -> Result<String, Error> {
        self.compact_if_long(turn).await;
        self.history.push(task);
        for _ in 0..MAX_RESPONSES {
            self.hear();
            let response = self.infer(turn).await?;
            let calls = tools::calls_in(&response.output_items);
            let said = last_words(&response.output_items);
            self.history.extend(response.output_items);
            if calls.is_empty() {
                return Ok(said);
            }
            // The model asks for several only when none needs the other.
            let outputs = join_all(calls.iter().map(|call| self.answer(call, turn, id))).await;
            self.history.extend(outputs);
            self.compact_if_long(turn).await;
        }
        bail!("the model still called for tools after {MAX_RESPONSES} responses")
    }

    /// What the model is answered to a call.
    async fn answer(&self, call: &ModelCall, turn: &Turn, turn_id: &TurnId) -> Value {
        let asker = Asker { turn_id: turn_id.clone(), by: By::Model(turn.clone()) };
        let refused = |error: String| format!("error: {error}");
        match call {
            ModelCall::Function(call) => {
                let answer = self.desk.call(call, &asker).await;
                let output = answer.map_or_else(refused, |answer| answer.text);
                json!({"type": "function_call_output", "call_id": call.call_id, "output": output})
            }
            ModelCall::Custom(call) => {
                let output = if call.name == cell::NAME {
                    self.desk.exec(call, &asker).await.unwrap_or_else(|error| refused(format!("{error:#}")))
                } else {
                    refused(format!("there is no tool {:?}", call.name))
                };
                json!({"type": "custom_tool_call_output", "call_id": call.call_id, "output": output})
            }
        }
    }

    /// What other agents said meanwhile becomes a piece of the conversation.
    fn hear(&mut self) {
        while let Ok(message) = self.seat.inbox.try_recv() {
            self.desk.screen.message(&message);
            self.history.push(message.item());
        }
    }

    /// What came of a spawned agent's turn goes to the agent that spawned it.
    fn report(&self, parent: &str, turn: &Turn, ended: &Ended) {
        let (Some(status), path) = (ended.status(), &self.desk.me.path) else { return };
        let text = match &status {
            Status::Errored(error) => format!("I failed: {error}"),
            Status::Completed(text) => text.clone(),
            Status::Running | Status::Shutdown => return,
        };
        let body = json!({"child_agent_path": path, "message": text, "status": status.wire()});
        turn.agent_result(&text, Json(&body));
        // A parent that has gone needs no answer.
        let _ = self.desk.setup.crew.send(Message::new(path, parent, &text, false));
    }
}

impl Ended {
    /// How an agent stands after such a turn; None where its end is told elsewhere.
    fn status(&self) -> Option<Status> {
        match self {
            Self::Said(text) => Some(Status::Completed(text.clone())),
            Self::Failed(error) => Some(Status::Errored(format!("{error:#}"))),
            Self::Stopped(_) => None,
        }
    }
}

fn user_message(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

/// The text of the last message among the items of a response.
fn last_words(items: &[Value]) -> String {
    let message = items.iter().rev().find(|item| item["type"] == "message");
    let parts = message.and_then(|message| message["content"].as_array());
    let texts = parts.into_iter().flatten().filter_map(|part| part["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
