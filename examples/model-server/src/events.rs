//! Responses of the Responses API, in one piece or as a stream of events.

use axum::response::sse::Event;
use serde_json::{Value, json};

use super::bug_fix::Output;
use super::request::Request;

/// Estimated number of bytes of a token, on average.
const BYTES_PER_TOKEN: usize = 4;
/// Size of the blocks in which prompts are cached, in tokens.
const CACHE_BLOCK: usize = 128;

/// Returns the events of a response to `request`, whose prompt has `prompt_bytes` bytes, of which `cached_bytes` are
/// cached.
pub(super) fn stream(request: &Request, output: &[Output], prompt_bytes: usize, cached_bytes: usize) -> Vec<Event> {
    let (mut stream, _) = build(request, output, prompt_bytes, cached_bytes);
    let chunks = stream.events.drain(..).map(|(kind, data)| Event::default().event(kind).data(data.to_string()));
    chunks.collect()
}

/// Returns the response to `request` in one piece.
pub(super) fn response(request: &Request, output: &[Output], prompt_bytes: usize, cached_bytes: usize) -> Value {
    build(request, output, prompt_bytes, cached_bytes).1
}

/// Builds the event stream of a response, and the complete response.
fn build(request: &Request, output: &[Output], prompt_bytes: usize, cached_bytes: usize) -> (Stream, Value) {
    let mut stream = Stream::default();
    let mut response = json!({
        "id": id("resp"), "object": "response", "created_at": 1_700_000_000, "status": "in_progress",
        "model": request.model, "output": [], "tools": [], "usage": null,
    });
    stream.push("response.created", json!({"response": response}));
    stream.push("response.in_progress", json!({"response": response}));
    let mut items = Vec::new();
    for (index, output) in output.iter().enumerate() {
        items.push(stream.item(index, output, request.encrypted_reasoning));
    }
    response["status"] = json!("completed");
    response["usage"] = usage(output, prompt_bytes, cached_bytes);
    response["output"] = Value::Array(items);
    stream.push("response.completed", json!({"response": response}));
    (stream, response)
}

/// Returns the response to a compaction request.
pub(super) fn compaction(output: &[Value], prompt_bytes: usize) -> Value {
    let (input, visible) =
        (tokens(prompt_bytes), output.iter().map(|item| tokens(item.to_string().len())).sum::<usize>());
    json!({
        "id": id("resp"), "object": "response.compaction", "output": output,
        "usage": {"input_tokens": input, "output_tokens": visible, "total_tokens": input + visible},
    })
}

fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Creates a random id in the format of the API.
pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}_{:032x}", fastrand::u128(..))
}

fn usage(output: &[Output], prompt_bytes: usize, cached_bytes: usize) -> Value {
    let mut reasoning = 0;
    let mut visible = 0;
    for item in output {
        match item {
            Output::Reasoning(text) => reasoning += tokens(text.len()),
            Output::Message(text) | Output::Script(text) => visible += tokens(text.len()),
            Output::Call { arguments, .. } => visible += tokens(arguments.to_string().len()),
        }
    }
    let input = tokens(prompt_bytes);
    let cached = cached_bytes / BYTES_PER_TOKEN / CACHE_BLOCK * CACHE_BLOCK;
    json!({
        "input_tokens": input,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": reasoning + visible,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": input + reasoning + visible,
    })
}

#[derive(Default)]
struct Stream {
    /// Events with their types.
    events: Vec<(String, Value)>,
}

impl Stream {
    fn push(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.events.len());
        self.events.push((kind.to_owned(), data));
    }

    /// Appends the events of one output item. Returns the complete item.
    fn item(&mut self, index: usize, output: &Output, encrypt: bool) -> Value {
        let (started, done) = match output {
            Output::Reasoning(text) => reasoning(text, encrypt),
            Output::Message(text) => message(text),
            Output::Call { name, arguments } => function_call(name, arguments),
            Output::Script(source) => custom_call(source),
        };
        self.push("response.output_item.added", json!({"output_index": index, "item": started}));
        let (kind, last, text) = match output {
            Output::Reasoning(text) => ("response.reasoning_summary_text", "text", text.clone()),
            Output::Message(text) => ("response.output_text", "text", text.clone()),
            Output::Call { arguments, .. } => ("response.function_call_arguments", "arguments", arguments.to_string()),
            Output::Script(source) => ("response.custom_tool_call_input", "input", source.clone()),
        };
        let locate = |mut data: Value| {
            data["item_id"] = done["id"].clone();
            data["output_index"] = json!(index);
            match output {
                Output::Reasoning(_) => data["summary_index"] = json!(0),
                Output::Message(_) => data["content_index"] = json!(0),
                Output::Call { .. } | Output::Script(_) => {}
            }
            data
        };
        for piece in text.split_inclusive(' ') {
            self.push(&format!("{kind}.delta"), locate(json!({"delta": piece})));
        }
        self.push(&format!("{kind}.done"), locate(json!({last: text})));
        self.push("response.output_item.done", json!({"output_index": index, "item": done}));
        done
    }
}

fn reasoning(text: &str, encrypt: bool) -> (Value, Value) {
    let started = json!({"type": "reasoning", "id": id("rs"), "summary": []});
    let mut done = started.clone();
    done["summary"] = json!([{"type": "summary_text", "text": text}]);
    if encrypt {
        // Random data: encrypted reasoning is opaque to the client.
        let count = text.len().div_ceil(16);
        let encrypted: String = (0..count).map(|_| format!("{:016x}", fastrand::u64(..))).collect();
        done["encrypted_content"] = json!(encrypted);
    }
    (started, done)
}

fn message(text: &str) -> (Value, Value) {
    let started = json!({
        "type": "message", "id": id("msg"), "role": "assistant", "status": "in_progress",
        "content": [],
    });
    let mut done = started.clone();
    done["status"] = json!("completed");
    done["content"] = json!([{"type": "output_text", "text": text, "annotations": []}]);
    (started, done)
}

fn function_call(name: &str, arguments: &Value) -> (Value, Value) {
    let started = json!({
        "type": "function_call", "id": id("fc"), "call_id": id("call"), "name": name, "arguments": "",
        "status": "in_progress",
    });
    let mut done = started.clone();
    done["status"] = json!("completed");
    done["arguments"] = json!(arguments.to_string());
    (started, done)
}

fn custom_call(source: &str) -> (Value, Value) {
    let started = json!({
        "type": "custom_tool_call", "id": id("ctc"), "call_id": id("call"), "name": "exec", "input": "",
        "status": "in_progress",
    });
    let mut done = started.clone();
    done["status"] = json!("completed");
    done["input"] = json!(source);
    (started, done)
}
