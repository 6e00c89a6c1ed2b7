//! Extracts from payloads what spans export as attributes.

mod items;
mod message;
mod part;
mod parts;
mod request;
mod response;
mod response_output;
mod tool;

#[cfg(test)]
mod tests;

use crate::event::{CallId, Usage};
use crate::provider::CallWithId;

/// Digest of a request to a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RequestDigest {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<f64>,
    pub(crate) max_tokens: Option<i64>,
    pub(crate) frequency_penalty: Option<f64>,
    pub(crate) presence_penalty: Option<f64>,
    /// Number of alternative answers.
    pub(crate) choice_count: Option<i64>,
    pub(crate) seed: Option<i64>,
    /// Texts at which the model stops.
    pub(crate) stop_sequences: Vec<String>,
    pub(crate) stream: Option<bool>,
    /// Form of the output that the request asks for.
    pub(crate) output_type: Option<String>,
    pub(crate) previous_response_id: Option<String>,
    /// Id of the conversation, kept by the provider, that the request continues.
    pub(crate) conversation_id: Option<String>,
    pub(crate) reasoning_level: Option<String>,
    /// Ids of the calls whose outputs the request adds to the conversation.
    pub(crate) answered_calls: Vec<CallId>,
    /// Hash of these outputs and of their place in the conversation.
    pub(crate) last_outputs: u128,
    /// Input messages as JSON text in the schema of the GenAI conventions. `None` if content is not captured.
    pub(crate) input_messages: Option<String>,
    /// System instructions as JSON text in the schema of the GenAI conventions. `None` if content is not captured.
    pub(crate) system_instructions: Option<String>,
    /// Tool definitions as JSON text in the schema of the GenAI conventions. `None` if content is not captured.
    pub(crate) tool_definitions: Option<String>,
}

/// Maximum length of a provider's error in a span, in characters.
const ERROR_CHARS: usize = 200;

/// Digest of a model's response.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResponseDigest {
    pub(crate) response_id: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) finish_reasons: Vec<String>,
    pub(crate) usage: Option<Usage>,
    /// Tool calls that the response requests.
    pub(crate) calls: Vec<CallWithId>,
    /// `true` if the items of the response are known. A response whose items were not recorded may have requested any
    /// tool call.
    pub(crate) has_known_items: bool,
    /// `true` if the payload is a response and not, for example, the body of an HTTP error: it has output of a known API,
    /// or an encoding that is not decoded.
    pub(crate) is_response: bool,
    /// The error that the provider reports, its first line and at most [`ERROR_CHARS`] characters of it: it is exported
    /// even if content is not, so it must not repeat a request. `None` if the provider reports none.
    pub(crate) error: Option<String>,
    /// Output messages as JSON text in the schema of the GenAI conventions. `None` if content is not captured.
    pub(crate) output_messages: Option<String>,
}

/// Digest of a tool invocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct InvocationDigest {
    /// Arguments as text. `None` if content is not captured.
    pub(crate) arguments: Option<String>,
}

/// Digest of a tool's runtime event.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RuntimeDigest {
    /// File name of the executable.
    pub(crate) executable: Option<String>,
    pub(crate) exit_code: Option<i64>,
}

/// Digest of a tool's result.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResultDigest {
    /// Result as text. `None` if content is not captured.
    pub(crate) result: Option<String>,
}
