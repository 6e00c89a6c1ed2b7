//! Requests of the Responses API, and their validation.

use std::collections::HashSet;

use serde_json::Value;

/// A valid request of the Responses API, for a response or a compaction.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) model: String,
    pub(super) input: Vec<Value>,
    /// Instructions and tools, which count as input.
    preamble: String,
    /// `true` if the client keeps reasoning items, so that responses include them in encrypted form.
    pub(super) encrypted_reasoning: bool,
    /// The key of the conversation: requests with equal keys belong together.
    pub(super) conversation: String,
    /// The names of the functions that may be called.
    pub(super) tools: Vec<String>,
    pub(super) is_streamed: bool,
}

/// An error response of the API.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) param: Option<&'static str>,
    pub(super) retry_after_ms: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, retry_after_ms: None }
    }

    pub(super) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::new(400, "invalid_value", message) }
    }
}

impl Request {
    /// Returns the whole prompt, in the order in which a model reads it.
    pub(super) fn prompt(&self) -> String {
        let items = self.input.iter().map(Value::to_string);
        self.preamble.clone() + &items.collect::<String>()
    }
}

/// Parses a request for a response.
pub(super) fn parse(body: &[u8]) -> Result<Request, ApiError> {
    let body = json(body)?;
    read(&body, body["store"] == false)
}

/// Parses a compaction request, which never stores anything.
pub(super) fn parse_compaction(body: &[u8]) -> Result<Request, ApiError> {
    read(&json(body)?, true)
}

fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::new(400, "invalid_json", format!("The body is not valid JSON: {error}.")))
}

fn read(body: &Value, stores_nothing: bool) -> Result<Request, ApiError> {
    let Some(model) = body["model"].as_str() else {
        return Err(ApiError::invalid("model", "Missing required parameter: 'model'."));
    };
    let Some(input) = body["input"].as_array() else {
        return Err(ApiError::invalid("input", "Missing required parameter: 'input', an array."));
    };
    check(input, stores_nothing)?;
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let include = body["include"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Request {
        model: model.to_owned(),
        preamble: format!("{}{}", body["instructions"], body["tools"]),
        encrypted_reasoning: include.iter().any(|it| it == "reasoning.encrypted_content"),
        conversation: body["prompt_cache_key"].as_str().unwrap_or_default().to_owned(),
        input: input.clone(),
        tools: tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect(),
        is_streamed: body["stream"] == true,
    })
}

/// Validates the rules that clients most often violate: item types, and the pairing of calls with outputs.
fn check(input: &[Value], stores_nothing: bool) -> Result<(), ApiError> {
    if input.is_empty() {
        return Err(ApiError::invalid("input", "'input' is empty."));
    }
    let mut open = HashSet::new();
    for item in input {
        let call_id = item["call_id"].as_str().unwrap_or_default();
        match item["type"].as_str() {
            Some("message") if item["role"].is_string() => {}
            Some("reasoning") if stores_nothing && !item["encrypted_content"].is_string() => {
                let message =
                    format!("Item with id {} not found. Items are not persisted when 'store' is false.", item["id"]);
                return Err(ApiError::invalid("input", message));
            }
            Some("reasoning") => {}
            Some(call @ ("function_call" | "custom_tool_call")) => {
                open.insert((call, call_id));
            }
            // An output item has the type of its call.
            Some(output @ ("function_call_output" | "custom_tool_call_output")) => {
                let call = output.trim_end_matches("_output");
                if !open.remove(&(call, call_id)) {
                    let message = format!("No tool call found for {} with call_id {call_id}.", spaced(output));
                    return Err(ApiError::invalid("input", message));
                }
            }
            _ => return Err(ApiError::invalid("input", format!("Not an input item: {item}."))),
        }
    }
    match open.into_iter().min() {
        Some((call, call_id)) => {
            let message = format!("No tool output found for {} {call_id}.", spaced(call));
            Err(ApiError::invalid("input", message))
        }
        None => Ok(()),
    }
}

/// Formats an item type for an error message.
fn spaced(kind: &str) -> String {
    kind.replace('_', " ")
}

/// Returns the length of the common prefix of two prompts, in bytes: the part that a prompt cache saves.
pub(super) fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
