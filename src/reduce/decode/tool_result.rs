//! Decodes `tool_result` payloads.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::canonical_json::canonical;
use super::item_cache::ItemCache;
use super::output_hash::OutputHash;
use super::payloads::{NOT_AN_OBJECT, PayloadShape, UnusablePayload};
use super::runtime_event::command_result;
use crate::graph::TerminalResult;
use crate::provider::{Object, is_null, list, text};

/// The result of a tool call.
#[derive(Debug)]
pub(in crate::reduce) struct ToolResult {
    /// Error message in the result. `None` if the result reports no error.
    pub(in crate::reduce) error: Option<String>,
    /// The output that the tool returned to the model. `None` if there is none, or if the result was truncated.
    pub(in crate::reduce) output: Option<OutputHash>,
}

impl PayloadShape for ToolResult {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let output = model_output(&body).or_else(|| OutputHash::of_value(serde_json::from_str(text).ok()?));
        Ok(Self { error: error(&body), output })
    }

    /// Only the error counts, and the status of the call reports the failure in any case.
    fn parse_truncated(text: &str, cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        Self::parse(text, cache).map(|result| Self { output: None, ..result }).map_err(|_| unusable)
    }
}

/// The result of a tool call that writes to a running command.
#[derive(Debug)]
pub(in crate::reduce) struct StdinResult {
    /// Error message in the result. `None` if the result reports no error.
    pub(in crate::reduce) error: Option<String>,
    /// Output of the command. `None` if the result has no known type.
    pub(in crate::reduce) result: Option<TerminalResult>,
    /// The output that the tool returned to the model. `None` if the result has no known form.
    pub(in crate::reduce) output: Option<OutputHash>,
}

impl PayloadShape for StdinResult {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let error = error(&body);
        let result = command_result(&body).or_else(|| match body.text("type").as_deref() {
            Some("direct_response") => direct_response(body.get("response_item")?),
            Some("code_mode_response") => code_mode_response(body.get("value")?),
            Some("error") => error.as_deref().map(stderr_result),
            Some(_) | None => None,
        });
        Ok(Self { error, result, output: model_output(&body) })
    }
}

/// Members of a result that contain the output, the one that the model sees first.
const OUTPUT_MEMBERS: [&str; 7] = ["formatted_output", "stdout", "content", "output", "result", "text", "error"];

/// Returns the output that a tool returned to the model. Returns `None` for results of other forms, and for those that
/// were returned to a script.
fn model_output(body: &Object<'_>) -> Option<OutputHash> {
    match body.text("type").as_deref() {
        Some("direct_response") => {
            let item = body.get("response_item")?;
            let output = Object::from_value(item).and_then(|item| item.first(&["output", "content"]));
            OutputHash::of_value(output.unwrap_or(item))
        }
        Some("code_mode_response") => None,
        Some(_) | None => body.first(&OUTPUT_MEMBERS).and_then(OutputHash::of_value),
    }
}

/// Returns the error message of a result of type `error`. Returns `None` for other results.
fn error(body: &Object<'_>) -> Option<String> {
    if body.text("type").as_deref() != Some("error") {
        return None;
    }
    let error = body.non_null("error")?;
    Some(text(error).map_or_else(|| compact_json(error), Into::into))
}

/// Creates a terminal result with the given text as `stderr`.
fn stderr_result(error: &str) -> TerminalResult {
    let error = Arc::<str>::from(error);
    TerminalResult { stderr: Arc::clone(&error), formatted_output: Some(error), ..TerminalResult::default() }
}

/// Creates a terminal result with the given text as `stdout`.
fn stdout_result(text: String) -> TerminalResult {
    let text = Arc::<str>::from(text);
    TerminalResult { stdout: Arc::clone(&text), formatted_output: Some(text), ..TerminalResult::default() }
}

/// Returns the output in the item of a `direct_response`, as it was returned to a model.
fn direct_response(item: &RawValue) -> Option<TerminalResult> {
    let output = Object::from_value(item).and_then(|item| item.non_null("output"));
    Some(stdout_result(output.map_or_else(|| compact_json(item), to_text)))
}

/// Returns the output in the value of a `code_mode_response`, as it was returned to a script.
fn code_mode_response(value: &RawValue) -> Option<TerminalResult> {
    let object = Object::from_value(value);
    let Some((output, object)) = object.and_then(|object| Some((object.string("output")?, object))) else {
        return Some(stdout_result(to_text(value)));
    };
    Some(TerminalResult {
        exit_code: object.number("exit_code"),
        original_token_count: object.number("original_token_count"),
        chunk_id: object.text_or_number("chunk_id"),
        ..stdout_result(output)
    })
}

/// Converts a JSON value to a text: a string to its text, a list to the texts of its parts joined by newlines, and any
/// other value to compact JSON.
fn to_text(value: &RawValue) -> String {
    if let Some(text) = text(value) {
        return text.into();
    }
    match list(value).filter(|_| !is_null(value)) {
        Some(parts) => {
            let texts = parts.into_iter().filter_map(Object::from_value).filter_map(|part| part.string("text"));
            texts.collect::<Vec<_>>().join("\n")
        }
        None => compact_json(value),
    }
}

/// Returns the value as compact JSON. Returns its original JSON if the value has no canonical form.
fn compact_json(value: &RawValue) -> String {
    canonical(value).unwrap_or_else(|| value.get().to_owned())
}
