//! `tool_result` bodies.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::canonical_json::canonical;
use super::contents::Contents;
use super::object::{Object, is_null, list, text};
use super::runtime_event::command_result;
use crate::graph::TerminalResult;

/// What a tool gave back.
#[derive(Debug)]
pub(in crate::reduce) struct ToolResult {
    /// Why it failed, where the result says so.
    pub(in crate::reduce) error: Option<String>,
}

impl Shape for ToolResult {
    /// Only an error is read of it, and the call says that it failed.
    const DOES_WITH_ENDS: bool = true;

    fn read(text: &str, _: &Contents) -> Result<Self, String> {
        Ok(Self { error: error(&Object::parse(text).ok_or(NOT_AN_OBJECT)?) })
    }
}

/// What a write to a running command gave back.
#[derive(Debug)]
pub(in crate::reduce) struct StdinResult {
    /// Why it failed, where the result says so.
    pub(in crate::reduce) error: Option<String>,
    /// What came of it; `None` where the body is of no known shape.
    pub(in crate::reduce) result: Option<TerminalResult>,
}

impl Shape for StdinResult {
    fn read(text: &str, _: &Contents) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        let error = error(&body);
        let result = command_result(&body).or_else(|| match body.text("type").as_deref() {
            Some("direct_response") => direct_response(body.get("response_item")?),
            Some("code_mode_response") => code_mode_response(body.get("value")?),
            Some("error") => error.as_deref().map(failed),
            Some(_) | None => None,
        });
        Ok(Self { error, result })
    }
}

fn error(body: &Object<'_>) -> Option<String> {
    if body.text("type").as_deref() != Some("error") {
        return None;
    }
    let error = body.some("error")?;
    Some(text(error).map_or_else(|| compact(error), Into::into))
}

fn failed(error: &str) -> TerminalResult {
    let error = Arc::<str>::from(error);
    TerminalResult { stderr: Arc::clone(&error), formatted_output: Some(error), ..TerminalResult::default() }
}

fn printed(text: String) -> TerminalResult {
    let text = Arc::<str>::from(text);
    TerminalResult { stdout: Arc::clone(&text), formatted_output: Some(text), ..TerminalResult::default() }
}

fn direct_response(item: &RawValue) -> Option<TerminalResult> {
    let output = Object::of(item).and_then(|item| item.some("output"));
    Some(printed(output.map_or_else(|| compact(item), as_text)))
}

fn code_mode_response(value: &RawValue) -> Option<TerminalResult> {
    let object = Object::of(value);
    let Some((output, object)) = object.and_then(|object| Some((object.string("output")?, object))) else {
        return Some(printed(as_text(value)));
    };
    Some(TerminalResult {
        exit_code: object.number("exit_code"),
        original_token_count: object.number("original_token_count"),
        chunk_id: object.name("chunk_id"),
        ..printed(output)
    })
}

/// Text as it is, the texts of a list line by line, anything else as JSON.
fn as_text(value: &RawValue) -> String {
    if let Some(text) = text(value) {
        return text.into();
    }
    match list(value).filter(|_| !is_null(value)) {
        Some(parts) => {
            let texts = parts.into_iter().filter_map(Object::of).filter_map(|part| part.string("text"));
            texts.collect::<Vec<_>>().join("\n")
        }
        None => compact(value),
    }
}

/// Compact JSON; as it was written where it can't be made compact.
fn compact(value: &RawValue) -> String {
    canonical(value).unwrap_or_else(|| value.get().to_owned())
}
