//! The turn loop: ask the model, do what it calls for, tell it what came of it, until it has
//! nothing more to call for.

use anyhow::{Error, Result, anyhow, bail};
use futures_util::future::join_all;
use otel_trace::event::TurnId;
use otel_trace::{Call, Json, Model, Thread, Turn, Window};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::client::Client;
use crate::failure::Failure;
use crate::process::Workspace;
use crate::recording;
use crate::screen::Screen;
use crate::stream::{Delta, Response};
use crate::tools::{self, FunctionCall};

const INSTRUCTIONS: &str = "\
You are a coding agent in a scratch project. You have a shell, exec_command, and nothing else: \
look before you change anything, change as little as the task needs, and never claim what no \
command has shown you. Commands that do not depend on each other may be called in one go. The \
project builds without network. When the task is done, say what you found and what you changed, \
with the numbers, in a few sentences of plain text.";

/// A model that needs more than this for one turn is going in circles.
const MAX_RESPONSES: usize = 40;
const MAX_ATTEMPTS: u32 = 4;

/// One thread: everything said and done since the agent started.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) client: Client,
    pub(crate) model: String,
    pub(crate) reasoning: bool,
    pub(crate) workspace: Workspace,
    /// Every item so far. The API stores nothing, so every request carries all of it.
    pub(crate) history: Vec<Value>,
    pub(crate) screen: Screen,
    /// The recording of it.
    pub(crate) thread: Thread,
    pub(crate) turns: u32,
}

impl Agent {
    /// One turn: from what the user says to the model's last word on it.
    pub(crate) async fn turn(&mut self, prompt: &str) -> Result<()> {
        self.turns += 1;
        let id = TurnId::from(format!("turn-{}", self.turns));
        let turn = self.thread.turn(Some(id.clone()));
        let outcome = self.work_on(prompt, &turn, &id).instrument(turn.span().clone()).await;
        match &outcome {
            Ok(()) => turn.completed(),
            Err(error) => turn.failed(format!("{error:#}")),
        }
        outcome
    }

    async fn work_on(&mut self, prompt: &str, turn: &Turn, id: &TurnId) -> Result<()> {
        self.screen.heading(prompt);
        self.history.push(user_message(prompt));
        for _ in 0..MAX_RESPONSES {
            let response = self.infer(turn).await?;
            let calls = tools::calls_in(&response.output_items);
            self.history.extend(response.output_items);
            if calls.is_empty() {
                return Ok(());
            }
            // The model asks for several only when none needs the other.
            let outputs = join_all(calls.iter().map(|call| self.call(call, turn, id))).await;
            self.history.extend(outputs);
        }
        bail!("the model still called for tools after {MAX_RESPONSES} responses")
    }

    /// One response, in as many attempts as it takes.
    async fn infer(&self, turn: &Turn) -> Result<Response> {
        let request = self.request();
        let mut number = 1;
        loop {
            let failure = match self.attempt(&request, turn).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let Some(pause) = failure.wait(number).filter(|_| number < MAX_ATTEMPTS) else {
                return Err(gave_up(number, &failure));
            };
            let seconds = pause.as_secs_f64();
            self.screen.warning(&format!(
                "{} (attempt {number} of {MAX_ATTEMPTS}, the next in {seconds:.2} s)",
                failure.message
            ));
            tokio::time::sleep(pause).await;
            number += 1;
        }
    }

    /// One attempt at a response, which is an inference call of its own.
    async fn attempt(&self, request: &Value, turn: &Turn) -> Result<Response, Failure> {
        let inference = turn.inference(Model { name: &self.model, provider: "openai" });
        inference.request(Json(request));
        let on_delta = |delta: Delta<'_>| {
            if !matches!(delta, Delta::End) {
                inference.first_token();
            }
            self.screen.delta(delta);
        };
        let outcome = self.client.attempt(request, &on_delta).instrument(inference.span().clone()).await;
        match &outcome {
            Ok(response) => recording::response(&inference, response),
            Err(failure) => recording::failure(&inference, failure),
        }
        outcome
    }

    /// One tool call. Whatever goes wrong with it is the model's to hear, and the run goes on.
    async fn call(&self, call: &FunctionCall, turn: &Turn, turn_id: &TurnId) -> Value {
        let tool = turn.tool(Call::new(&call.name).id(&call.call_id).arguments(&call.arguments));
        let output = match tools::start(call, &self.workspace) {
            Ok(running) => {
                let begin = recording::CommandBegin::new(call, turn_id, &running);
                tool.runtime_started(Json(&begin));
                self.screen.command(&begin.cmd);
                let finished = running.finish().instrument(tool.span().clone()).await;
                self.screen.finished(&begin.cmd, &finished);
                let end = begin.ended(&finished);
                tool.runtime_ended(end.status(), Json(&end));
                finished.formatted_output()
            }
            Err(error) => {
                let error = format!("error: {error:#}");
                self.screen.warning(&error);
                error
            }
        };
        // The model was answered, whatever the command made of it: the call itself is complete.
        tool.output(&output);
        tool.completed();
        json!({"type": "function_call_output", "call_id": call.call_id, "output": output})
    }

    fn request(&self) -> Value {
        let mut request = json!({
            "model": self.model,
            "instructions": INSTRUCTIONS,
            "input": self.history,
            "tools": [tools::exec_command()],
            "parallel_tool_calls": true,
            "stream": true,
            "store": false,
        });
        if self.reasoning {
            request["reasoning"] = json!({"summary": "auto"});
            // Nothing is stored, so the model gets its reasoning back from us.
            request["include"] = json!(["reasoning.encrypted_content"]);
        }
        request
    }
}

fn gave_up(number: u32, failure: &Failure) -> Error {
    let request = failure.request_id.as_ref().map(|id| format!(", request {id}"));
    let request = request.unwrap_or_default();
    let message = &failure.message;
    anyhow!("no response (attempt {number} of {MAX_ATTEMPTS}{request}): {message}")
}

fn user_message(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}
