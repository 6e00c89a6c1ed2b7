//! Decodes `tool_invocation` payloads of the tools whose arguments name a terminal or a code cell, or contain a message
//! to an agent.

use super::canonical_json::{canonical, canonical_text, summary};
use super::item_cache::ItemCache;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use crate::provider::{Object, text};

/// The invocation of a tool: its name and its arguments.
#[derive(Debug)]
pub(in crate::reduce) struct Invocation {
    pub(in crate::reduce) tool_name: Option<String>,
    pub(in crate::reduce) namespace: Option<String>,
    /// The arguments that the model wrote, or the reason why they cannot be read.
    pub(in crate::reduce) arguments: Result<Arguments, &'static str>,
    /// Start of the arguments as compact JSON, as call items have it. `None` if they are not JSON.
    pub(in crate::reduce) arguments_summary: Option<Box<str>>,
}

/// The arguments of a tool call that the reduction needs.
#[derive(Debug)]
pub(in crate::reduce) struct Arguments {
    pub(in crate::reduce) session_id: Option<String>,
    pub(in crate::reduce) chars: String,
    pub(in crate::reduce) yield_time_ms: Option<u64>,
    pub(in crate::reduce) max_output_tokens: Option<u64>,
    pub(in crate::reduce) cell_id: Option<String>,
    /// Text that the call passes to an agent: its first task, a further task or a message.
    pub(in crate::reduce) message: Option<String>,
}

impl PayloadShape for Invocation {
    fn parse(json: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(json).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            tool_name: body.string("tool_name"),
            namespace: body.string("tool_namespace"),
            arguments: arguments(&body),
            arguments_summary: arguments_summary(&body, json),
        })
    }
}

/// Parses the arguments of a function call in the body of an invocation.
fn arguments(body: &Object<'_>) -> Result<Arguments, &'static str> {
    let payload = body.object("payload").ok_or("there is no `payload` object")?;
    if payload.text("type").as_deref() != Some("function") {
        return Err("they are not the arguments of a function");
    }
    let text = payload.text("arguments").ok_or("they are not a string")?;
    let arguments = Object::parse(&text).ok_or("they are not a JSON object")?;
    Ok(Arguments {
        session_id: arguments.text_or_number("session_id").filter(|id| !id.is_empty()),
        chars: arguments.string("chars").unwrap_or_default(),
        yield_time_ms: arguments.number("yield_time_ms"),
        max_output_tokens: arguments.number("max_output_tokens"),
        cell_id: arguments.text_or_number("cell_id"),
        message: ["message", "prompt", "task"].into_iter().find_map(|name| arguments.string(name)),
    })
}

/// Returns the start of the arguments of a call as compact JSON: those in the `payload` of an invocation, otherwise the
/// whole body, which a program may use for the arguments alone. Returns `None` if they are not JSON.
fn arguments_summary(body: &Object<'_>, json: &str) -> Option<Box<str>> {
    let canonical = match body.object("payload") {
        Some(payload) => {
            let arguments = payload.get("arguments")?;
            text(arguments).map_or_else(|| canonical(arguments), |text| canonical_text(&text))
        }
        None if body.get("tool_name").is_some() => None,
        None => canonical_text(json),
    };
    canonical.map(|canonical| summary(&canonical))
}
