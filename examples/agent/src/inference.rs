//! Requests to the model, with retries. Each attempt is recorded as a separate inference call.

use anyhow::{Error, Result, anyhow};
use otel_trace::{Model, Operation, Turn};
use serde_json::{Value, json};
use tracing::Instrument;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::recording;
use crate::stream::{Delta, Response};
use crate::tools;

pub(crate) const INSTRUCTIONS: &str = "\
You are a coding agent in a scratch project. Look before you change anything, change as little as the task needs, and \
never claim what no command has shown you. Calls that do not depend on each other may be made in one go; a script \
(exec) saves you from reading what you need not see. The project builds without network. Messages of other agents \
arrive as JSON with author, recipient and content: one addressed to you is your task, or the answer to one you gave. \
When the task is done, say what you found and what you changed, with the numbers, in a few sentences of plain text.";

const MAX_ATTEMPTS: u32 = 4;

impl Agent {
    /// Requests one response, and retries failed attempts.
    pub(super) async fn infer(&mut self, turn: &Turn) -> Result<Response> {
        let request = self.request();
        let mut number = 1;
        loop {
            let failure = match self.attempt(&request, turn).await {
                Ok(response) => {
                    self.context_tokens = response.usage.as_ref().map_or(0, |usage| usage.total_tokens);
                    self.ctx.screen.print_answer(&response.output_items);
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            let Some(delay) = failure.retry_delay(number).filter(|_| number < MAX_ATTEMPTS) else {
                return Err(retries_exhausted(number, &failure));
            };
            let (seconds, message) = (delay.as_secs_f64(), &failure.message);
            let next = format!("attempt {number} of {MAX_ATTEMPTS}, the next in {seconds:.2} s");
            self.ctx.screen.print_warning(&format!("{message} ({next})"));
            tokio::time::sleep(delay).await;
            number += 1;
        }
    }

    /// Sends the request once, recorded as an inference call. The HTTP layer records the request when it is sent.
    async fn attempt(&self, request: &Value, turn: &Turn) -> Result<Response, Failure> {
        let setup = &self.ctx.setup;
        let inference = turn.inference(Model { name: &setup.model, provider: "openai" });
        let on_delta = |delta: Delta<'_>| {
            if !matches!(delta, Delta::End) {
                inference.first_token();
            }
            self.ctx.screen.print_delta(delta);
        };
        let outcome = setup.client.attempt(request, &on_delta).instrument(inference.span().clone()).await;
        match &outcome {
            Ok(response) => recording::response(&inference, response),
            Err(failure) => recording::failure(&inference, failure),
        }
        outcome
    }

    /// Builds the request body: instructions, history and tools.
    fn request(&self) -> Value {
        let setup = &self.ctx.setup;
        let mut request = json!({
            "model": setup.model,
            "instructions": INSTRUCTIONS,
            "input": self.history,
            "tools": tools::definitions(setup.scripts),
            "parallel_tool_calls": true,
            "prompt_cache_key": self.ctx.identity.thread_id,
            "stream": true,
            "store": false,
        });
        if setup.reasoning {
            request["reasoning"] = json!({"summary": "auto"});
            // The server stores nothing, so the client returns the reasoning items with the next request.
            request["include"] = json!(["reasoning.encrypted_content"]);
        }
        request
    }
}

fn retries_exhausted(number: u32, failure: &Failure) -> Error {
    let request = failure.request_id.as_ref().map(|id| format!(", request {id}"));
    let request = request.unwrap_or_default();
    let message = &failure.message;
    anyhow!("no response (attempt {number} of {MAX_ATTEMPTS}{request}): {message}")
}
