//! What of a body goes into attributes.

mod answer;
mod items;
mod message;
mod part;
mod parts;
mod request;
mod response;
mod tool;

#[cfg(test)]
mod tests;

use crate::event::{CallId, Usage};

/// Of a request to a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RequestDigest {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) max_tokens: Option<i64>,
    pub(crate) stream: Option<bool>,
    pub(crate) previous_response_id: Option<String>,
    pub(crate) reasoning_level: Option<String>,
    /// Where content is wanted, as JSON text in the schema of the GenAI conventions.
    pub(crate) input_messages: Option<String>,
    pub(crate) system_instructions: Option<String>,
    pub(crate) tool_definitions: Option<String>,
}

/// Of a model's answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResponseDigest {
    pub(crate) response_id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) finish_reasons: Vec<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) cache_write_tokens: Option<u64>,
    /// The calls that it asks for.
    pub(crate) call_ids: Vec<CallId>,
    /// Whether its items are known: one whose content was not recorded may have asked for anything.
    pub(crate) is_known: bool,
    /// Where content is wanted.
    pub(crate) output_messages: Option<String>,
}

/// Of how a tool was called.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InvocationDigest {
    /// Where content is wanted.
    pub(crate) arguments: Option<String>,
}

/// Of what a tool's runtime saw.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RuntimeDigest {
    /// The file name of what ran.
    pub(crate) executable: Option<String>,
    pub(crate) exit_code: Option<i64>,
}

/// Of what a tool gave back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResultDigest {
    /// Where content is wanted.
    pub(crate) result: Option<String>,
}
