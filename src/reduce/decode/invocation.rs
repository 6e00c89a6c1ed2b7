//! `tool_invocation` bodies of the tools whose arguments say what they act on.

use super::bodies::{NOT_AN_OBJECT, Shape};
use super::contents::Contents;
use super::object::Object;

/// How a tool was called.
#[derive(Debug)]
pub(in crate::reduce) struct Invocation {
    pub(in crate::reduce) tool_name: Option<String>,
    pub(in crate::reduce) has_namespace: bool,
    /// What a model wrote, or why it can't be read.
    pub(in crate::reduce) arguments: Result<Arguments, &'static str>,
}

/// Arguments of `write_stdin` and `wait`.
#[derive(Debug)]
pub(in crate::reduce) struct Arguments {
    pub(in crate::reduce) session_id: Option<String>,
    pub(in crate::reduce) chars: String,
    pub(in crate::reduce) yield_time_ms: Option<u64>,
    pub(in crate::reduce) max_output_tokens: Option<u64>,
    pub(in crate::reduce) cell_id: Option<String>,
}

impl Shape for Invocation {
    fn read(text: &str, _: &Contents) -> Result<Self, String> {
        let body = Object::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            tool_name: body.string("tool_name"),
            has_namespace: body.some("tool_namespace").is_some(),
            arguments: arguments(&body),
        })
    }
}

fn arguments(body: &Object<'_>) -> Result<Arguments, &'static str> {
    let payload = body.object("payload").ok_or("there are none")?;
    if payload.text("type").as_deref() != Some("function") {
        return Err("they are not those of a function");
    }
    let text = payload.text("arguments").ok_or("they are no text")?;
    let arguments = Object::parse(&text).ok_or("they are no JSON object")?;
    Ok(Arguments {
        session_id: arguments.name("session_id").filter(|id| !id.is_empty()),
        chars: arguments.string("chars").unwrap_or_default(),
        yield_time_ms: arguments.number("yield_time_ms"),
        max_output_tokens: arguments.number("max_output_tokens"),
        cell_id: arguments.name("cell_id"),
    })
}
