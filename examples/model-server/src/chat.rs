//! The Chat Completions API: parses requests and builds responses, in one piece or streamed.

use axum::response::sse::Event;
use serde_json::{Value, json};

use crate::conversation::{Call, Conversation, Message, Reply, text_of};
use crate::events::id;
use crate::request::ApiError;

/// Estimated number of bytes of a token, on average.
const BYTES_PER_TOKEN: usize = 4;

/// Parses a request. Returns the error of the API if the request is invalid.
pub(crate) fn parse(body: &[u8]) -> Result<Conversation, ApiError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::new(400, "invalid_json", format!("The body is not valid JSON: {error}.")))?;
    let Some(model) = body["model"].as_str() else {
        return Err(ApiError::invalid("model", "Missing required parameter: 'model'."));
    };
    let Some(messages) = body["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        return Err(ApiError::invalid("messages", "Missing required parameter: 'messages', an array."));
    };
    let messages: Vec<Message> = messages.iter().map(message).collect::<Result<_, _>>()?;
    check_calls(&messages)?;
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Conversation {
        model: model.to_owned(),
        messages,
        tools: tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned).collect(),
        is_streamed: body["stream"] == true,
    })
}

fn message(message: &Value) -> Result<Message, ApiError> {
    let text = || text_of(&message["content"]);
    match message["role"].as_str() {
        Some("system" | "developer") => Ok(Message::System),
        Some("user") => Ok(Message::User(text())),
        Some("assistant") => {
            let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
            Ok(Message::Assistant { calls: calls.iter().map(call).collect::<Result<_, _>>()? })
        }
        Some("tool") => {
            let call_id = message["tool_call_id"].as_str().unwrap_or_default().to_owned();
            Ok(Message::Tool { call_id, output: text() })
        }
        _ => Err(ApiError::invalid("messages", format!("Not a message: {message}."))),
    }
}

fn call(call: &Value) -> Result<Call, ApiError> {
    let function = &call["function"];
    match (call["id"].as_str(), function["name"].as_str(), function["arguments"].as_str()) {
        (Some(id), Some(name), Some(_)) => Ok(Call { id: id.to_owned(), name: name.to_owned() }),
        _ => Err(ApiError::invalid("messages", format!("Not a tool call: {call}."))),
    }
}

/// Checks that each tool call has an output before the conversation continues, and that each output has a call.
fn check_calls(messages: &[Message]) -> Result<(), ApiError> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        match message {
            Message::Assistant { calls } => open.extend(calls.iter().map(|call| call.id.as_str())),
            Message::Tool { call_id, .. } => match open.iter().position(|id| id == call_id) {
                Some(index) => drop(open.swap_remove(index)),
                None => {
                    let message = format!("'tool_call_id' {call_id} answers no call of the message before.");
                    return Err(ApiError::invalid("messages", message));
                }
            },
            Message::System | Message::User(_) if open.is_empty() => {}
            Message::System | Message::User(_) => break,
        }
    }
    match open.first() {
        Some(id) => Err(ApiError::invalid("messages", format!("The tool call {id} has no tool message."))),
        None => Ok(()),
    }
}

/// Returns the response in one piece.
pub(crate) fn completion(conversation: &Conversation, reply: &Reply, prompt_bytes: usize) -> Value {
    let (message, finish_reason) = message_of(reply);
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish_reason });
    let mut completion = head("chat.completion", conversation);
    completion["choices"] = json!([choice]);
    completion["usage"] = usage(&message, prompt_bytes);
    completion
}

/// Returns the response as the chunks of a stream.
pub(crate) fn chunks(conversation: &Conversation, reply: &Reply, prompt_bytes: usize) -> Vec<Event> {
    let (message, finish_reason) = message_of(reply);
    let head = head("chat.completion.chunk", conversation);
    let chunk = |delta: Value, finish_reason: Value| {
        let mut chunk = head.clone();
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]);
        chunk
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    let text = message["content"].as_str().unwrap_or_default();
    chunks.extend(text.split_inclusive(' ').map(|word| chunk(json!({ "content": word }), Value::Null)));
    for (index, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let mut first = call.clone();
        first["index"] = json!(index);
        let arguments = first["function"]["arguments"].take();
        first["function"]["arguments"] = json!("");
        chunks.push(chunk(json!({ "tool_calls": [first] }), Value::Null));
        for piece in arguments.as_str().unwrap_or_default().split_inclusive(':') {
            let rest = json!({ "index": index, "function": { "arguments": piece } });
            chunks.push(chunk(json!({ "tool_calls": [rest] }), Value::Null));
        }
    }
    chunks.push(chunk(json!({}), json!(finish_reason)));
    let mut last = head;
    last["choices"] = json!([]);
    last["usage"] = usage(&message, prompt_bytes);
    chunks.push(last);
    let done = Event::default().data("[DONE]");
    chunks.iter().map(|chunk| Event::default().data(chunk.to_string())).chain([done]).collect()
}

fn head(object: &str, conversation: &Conversation) -> Value {
    json!({ "id": id("chatcmpl"), "object": object, "created": 1_700_000_000, "model": conversation.model })
}

fn message_of(reply: &Reply) -> (Value, &'static str) {
    match reply {
        Reply::Text(text) => (json!({ "role": "assistant", "content": text }), "stop"),
        Reply::Calls(calls) => {
            let calls: Vec<_> = calls
                .iter()
                .map(|(name, arguments)| {
                    let function = json!({ "name": name, "arguments": arguments.to_string() });
                    json!({ "id": id("call"), "type": "function", "function": function })
                })
                .collect();
            (json!({ "role": "assistant", "content": null, "tool_calls": calls }), "tool_calls")
        }
    }
}

fn usage(message: &Value, prompt_bytes: usize) -> Value {
    let input = prompt_bytes.div_ceil(BYTES_PER_TOKEN);
    let output = message.to_string().len().div_ceil(BYTES_PER_TOKEN);
    json!({
        "prompt_tokens": input,
        "prompt_tokens_details": { "cached_tokens": 0 },
        "completion_tokens": output,
        "completion_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": input + output,
    })
}
