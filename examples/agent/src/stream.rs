//! The events of a streamed response, and the response that they add up to.

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Retry};

/// A complete response of the model.
#[derive(Debug)]
pub(crate) struct Response {
    /// The id that the server assigned to the response.
    pub(crate) response_id: String,
    /// The value of the `x-request-id` header.
    pub(crate) request_id: Option<String>,
    /// The tokens used; `None` if the endpoint does not count them.
    pub(crate) usage: Option<Usage>,
    /// Reasoning, messages and calls in their order, unchanged: the next request has to send them back.
    pub(crate) output_items: Vec<Value>,
}

/// The token counts of one response.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) input_tokens_details: Option<InputDetails>,
    pub(crate) output_tokens: u64,
    pub(crate) output_tokens_details: Option<OutputDetails>,
    pub(crate) total_tokens: u64,
}

/// Details of the input tokens: how many the server had cached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InputDetails {
    pub(crate) cached_tokens: u64,
}

/// Details of the output tokens: how many were spent on reasoning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OutputDetails {
    pub(crate) reasoning_tokens: u64,
}

impl Usage {
    pub(crate) fn cached_input_tokens(&self) -> u64 {
        self.input_tokens_details.as_ref().map_or(0, |details| details.cached_tokens)
    }

    pub(crate) fn reasoning_output_tokens(&self) -> u64 {
        self.output_tokens_details.as_ref().map_or(0, |details| details.reasoning_tokens)
    }
}

/// A piece of a streamed response, for display.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delta<'a> {
    Reasoning(&'a str),
    Text(&'a str),
    Arguments,
    /// The end of a paragraph of reasoning or of a message.
    End,
}

/// Callback for each piece of a response, as it arrives.
pub(crate) type OnDelta<'a> = &'a (dyn Fn(Delta<'_>) + Sync);

/// The events that the agent handles. All others, including future ones, are ignored.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "response.created", alias = "response.in_progress")]
    StartedCommand { response: ResponseHead },
    #[serde(rename = "response.output_item.added")]
    ItemAdded,
    #[serde(rename = "response.reasoning_summary_text.delta", alias = "response.reasoning_text.delta")]
    Reasoning { delta: String },
    #[serde(
        rename = "response.reasoning_summary_text.done",
        alias = "response.reasoning_text.done",
        alias = "response.output_text.done",
        alias = "response.refusal.done"
    )]
    TextDone,
    #[serde(rename = "response.output_text.delta", alias = "response.refusal.delta")]
    Text { delta: String },
    #[serde(rename = "response.function_call_arguments.delta", alias = "response.custom_tool_call_input.delta")]
    Arguments,
    #[serde(rename = "response.output_item.done")]
    ItemDone {
        #[serde(default)]
        output_index: usize,
        item: Value,
    },
    #[serde(rename = "response.completed")]
    Completed { response: CompletedResponse },
    #[serde(rename = "response.failed")]
    Failed { response: Value },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Value },
    #[serde(rename = "error")]
    Error {
        #[serde(flatten)]
        error: Value,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
struct ResponseHead {
    id: String,
}

#[derive(Deserialize)]
struct CompletedResponse {
    id: String,
    usage: Option<Usage>,
    #[serde(default)]
    output: Vec<Value>,
}

/// Assembles the events of one response.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    response_id: Option<String>,
    /// `true` if text was emitted whose end has not been emitted yet.
    is_text_open: bool,
    items: Vec<(usize, Value)>,
}

impl Collector {
    /// Processes the data of one event. Returns the response if the event completes it.
    pub(crate) fn push(&mut self, data: &str, on_delta: OnDelta<'_>) -> Result<Option<Response>, Failure> {
        // Older endpoints end every stream with this marker.
        if data == "[DONE]" {
            return Ok(None);
        }
        let event = serde_json::from_str(data).map_err(|error| {
            Failure::new(format!("cannot parse an event of the stream ({error}): {data}"), Retry::Backoff)
        })?;
        match event {
            Event::StartedCommand { response } => self.response_id = Some(response.id),
            Event::Reasoning { delta } => self.emit(Delta::Reasoning(&delta), on_delta),
            Event::Text { delta } => self.emit(Delta::Text(&delta), on_delta),
            Event::Arguments => self.emit(Delta::Arguments, on_delta),
            Event::TextDone => self.end_text(on_delta),
            Event::ItemDone { output_index, item } => {
                self.end_text(on_delta);
                self.items.push((output_index, item));
            }
            Event::Completed { response } => return Ok(Some(self.complete(response))),
            Event::Failed { response } => return Err(Failure::in_stream(&response["error"])),
            Event::Incomplete { response } => return Err(incomplete(&response)),
            Event::Error { error } if error["error"].is_object() => {
                return Err(Failure::in_stream(&error["error"]));
            }
            Event::Error { error } => return Err(Failure::in_stream(&error)),
            Event::ItemAdded | Event::Unknown => {}
        }
        Ok(None)
    }

    /// Adds the items that were received so far to the failure of a response that was cut off.
    pub(crate) fn into_failure(mut self, failure: Failure, on_delta: OnDelta<'_>) -> Failure {
        self.end_text(on_delta);
        Failure { output_items: in_order(self.items), response_id: self.response_id, ..failure }
    }

    fn emit(&mut self, delta: Delta<'_>, on_delta: OnDelta<'_>) {
        self.is_text_open |= !matches!(delta, Delta::Arguments);
        on_delta(delta);
    }

    fn end_text(&mut self, on_delta: OnDelta<'_>) {
        if std::mem::take(&mut self.is_text_open) {
            on_delta(Delta::End);
        }
    }

    fn complete(&mut self, completed: CompletedResponse) -> Response {
        let items = in_order(std::mem::take(&mut self.items));
        Response {
            response_id: completed.id,
            request_id: None,
            usage: completed.usage,
            // Some endpoints send the items only with the last event.
            output_items: if items.is_empty() { completed.output } else { items },
        }
    }
}

fn in_order(mut items: Vec<(usize, Value)>) -> Vec<Value> {
    items.sort_by_key(|(index, _)| *index);
    items.into_iter().map(|(_, item)| item).collect()
}

fn incomplete(response: &Value) -> Failure {
    let reason = response["incomplete_details"]["reason"].as_str().unwrap_or("no reason given");
    Failure::new(format!("the model stopped before it was done: {reason}"), Retry::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(events: &[&str]) -> Result<Option<Response>, Failure> {
        let mut collector = Collector::default();
        for event in events {
            if let Some(response) = collector.push(event, &|_| {})? {
                return Ok(Some(response));
            }
        }
        Ok(None)
    }

    #[test]
    fn items_are_ordered_and_usage_is_parsed() -> Result<(), Failure> {
        let response = collect(&[
            r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}"#,
            r#"{"type":"response.something_new","anything":[1,2]}"#,
            r#"{"type":"response.output_text.delta","delta":"hi","output_index":1}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"n":1}}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"n":0}}"#,
            "[DONE]",
            r#"{"type":"response.completed","response":{"id":"resp_1","usage":{
                "input_tokens":10,"input_tokens_details":{"cached_tokens":4},
                "output_tokens":3,"output_tokens_details":null,"total_tokens":13}}}"#,
        ])?;
        let response = response.unwrap_or_else(|| panic!("not complete"));
        assert_eq!(response.output_items, [serde_json::json!({"n":0}), serde_json::json!({"n":1})]);
        let usage = response.usage.unwrap_or_default();
        assert_eq!((usage.cached_input_tokens(), usage.reasoning_output_tokens()), (4, 0));
        Ok(())
    }

    #[test]
    fn error_events_become_failures() {
        let cases = [
            (r#"{"type":"error","code":"server_error","message":"m"}"#, Retry::Backoff),
            (r#"{"type":"error","error":{"code":"invalid_prompt","message":"m"}}"#, Retry::Never),
            (
                r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"m"}}}"#,
                Retry::Backoff,
            ),
            (
                r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#,
                Retry::Never,
            ),
            ("<html>", Retry::Backoff),
        ];
        for (event, retry) in cases {
            match collect(&[event]) {
                Err(failure) => assert_eq!(failure.retry, retry, "{event}"),
                Ok(_) => panic!("taken for a response: {event}"),
            }
        }
    }
}
