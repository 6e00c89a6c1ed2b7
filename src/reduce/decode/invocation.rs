//! Decodes `tool_invocation` payloads of the tools whose arguments name a terminal or a code cell.

use super::item_cache::ItemCache;
use super::payloads::{NOT_AN_OBJECT, PayloadShape};
use crate::provider::Object;

/// The invocation of a tool: its name and, for `write_stdin` and `wait`, its arguments.
#[derive(Debug)]
pub(in crate::reduce) struct Invocation {
    pub(in crate::reduce) tool_name: Option<String>,
    pub(in crate::reduce) has_namespace: bool,
    /// The arguments that the model wrote, or the reason why they cannot be read.
    pub(in crate::reduce) arguments: Result<Arguments, &'static str>,
}

/// The arguments of a `write_stdin` or `wait` call.
#[derive(Debug)]
pub(in crate::reduce) struct Arguments {
    pub(in crate::reduce) session_id: Option<String>,
    pub(in crate::reduce) chars: String,
    pub(in crate::reduce) yield_time_ms: Option<u64>,
    pub(in crate::reduce) max_output_tokens: Option<u64>,
    pub(in crate::reduce) cell_id: Option<String>,
}

impl PayloadShape for Invocation {
    fn parse(text: &str, _: &ItemCache) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            tool_name: body.string("tool_name"),
            has_namespace: body.non_null("tool_namespace").is_some(),
            arguments: arguments(&body),
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
    })
}
