//! Bodies of the coding agent: items of a conversation as the model writes and sees them, and the runtime's reports.

use serde_json::{Value, json};

/// Returns a user's message.
pub(super) fn user(text: &str) -> Value {
    json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] })
}

/// Returns a message of the model to the user.
pub(super) fn answer(text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text }]);
    json!({ "type": "message", "role": "assistant", "phase": "final_answer", "content": content })
}

/// Returns a reasoning item, which later requests repeat by its encrypted content.
pub(super) fn reasoning(text: &str) -> Value {
    json!({
        "type": "reasoning",
        "summary": [{ "type": "summary_text", "text": text }],
        "encrypted_content": format!("encrypted: {text}"),
    })
}

/// Returns a message from one agent to another, as the model of the other agent sees it.
pub(super) fn delivered(author: &str, recipient: &str, text: &str) -> Value {
    let envelope = json!({
        "author": author, "recipient": recipient, "other_recipients": [], "content": text, "trigger_turn": true,
    });
    let content = json!([{ "type": "output_text", "text": envelope.to_string() }]);
    json!({ "type": "message", "role": "assistant", "phase": "commentary", "content": content })
}

/// Returns the model's call of a function.
pub(super) fn function_call(call: &str, name: &str, arguments: &Value) -> Value {
    json!({ "type": "function_call", "call_id": call, "name": name, "arguments": arguments.to_string() })
}

/// Returns the model's call of a tool with free input.
pub(super) fn custom_call(call: &str, name: &str, input: &str) -> Value {
    json!({ "type": "custom_tool_call", "call_id": call, "name": name, "input": input })
}

/// Returns the output of a function as the model sees it.
pub(super) fn function_output(call: &str, output: &str) -> Value {
    json!({ "type": "function_call_output", "call_id": call, "output": output })
}

/// Returns the output of a tool with free input as the model sees it.
pub(super) fn custom_output(call: &str, output: &str) -> Value {
    json!({ "type": "custom_tool_call_output", "call_id": call, "output": output })
}

/// Returns the body of a response.
pub(super) fn response(id: &str, items: &[Value]) -> Value {
    json!({
        "response_id": id,
        "token_usage": {
            "input_tokens": 100, "cached_input_tokens": 60, "output_tokens": 20, "reasoning_output_tokens": 8,
            "total_tokens": 120,
        },
        "output_items": items,
    })
}

/// A command that the runtime runs in a process.
pub(super) struct Command<'a> {
    pub(super) call: &'a str,
    pub(super) turn: &'a str,
    pub(super) words: &'a [&'a str],
    pub(super) process: Option<&'a str>,
}

impl Command<'_> {
    /// Returns the runtime's report that the command begins.
    pub(super) fn begin(&self) -> Value {
        let Self { call, turn, words, process } = self;
        json!({ "call_id": call, "turn_id": turn, "process_id": process, "command": words, "cwd": "/repo" })
    }

    /// Returns the runtime's report that the command ended.
    pub(super) fn end(&self, exit_code: i32, stdout: &str) -> Value {
        let mut body = self.begin();
        let status = if exit_code == 0 { "completed" } else { "failed" };
        let more = json!({
            "stdout": stdout, "stderr": "", "exit_code": exit_code, "formatted_output": stdout, "status": status,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }
}

/// Information that one agent passes to another, or an action on it.
pub(super) struct Passing<'a> {
    pub(super) call: &'a str,
    pub(super) sender: &'a str,
    pub(super) receiver: &'a str,
    pub(super) prompt: &'a str,
}

impl Passing<'_> {
    pub(super) fn spawn_begin(&self) -> Value {
        json!({ "call_id": self.call, "sender_thread_id": self.sender, "prompt": self.prompt })
    }

    pub(super) fn spawn_end(&self, nickname: &str) -> Value {
        let Self { call, sender, receiver, prompt } = self;
        json!({
            "call_id": call, "sender_thread_id": sender, "new_thread_id": receiver, "new_agent_nickname": nickname,
            "new_agent_role": "worker", "prompt": prompt, "model": "gpt-5-mini", "reasoning_effort": "low",
            "status": "running",
        })
    }

    pub(super) fn message_begin(&self) -> Value {
        let Self { call, sender, receiver, prompt } = self;
        json!({
            "call_id": call, "sender_thread_id": sender, "receiver_thread_id": receiver, "prompt": prompt,
        })
    }

    pub(super) fn message_end(&self, nickname: &str) -> Value {
        let Self { call, sender, receiver, prompt } = self;
        json!({
            "call_id": call, "sender_thread_id": sender, "receiver_thread_id": receiver, "prompt": prompt,
            "receiver_agent_nickname": nickname, "receiver_agent_role": "worker", "status": "running",
        })
    }

    pub(super) fn close_begin(&self) -> Value {
        json!({ "call_id": self.call, "sender_thread_id": self.sender, "receiver_thread_id": self.receiver })
    }

    pub(super) fn close_end(&self, nickname: &str) -> Value {
        json!({
            "call_id": self.call, "sender_thread_id": self.sender, "receiver_thread_id": self.receiver,
            "receiver_agent_nickname": nickname, "receiver_agent_role": "worker", "status": "interrupted",
        })
    }
}

/// Returns the response of a code cell. `status` is `Yielded` or `Result`.
pub(super) fn cell_response(status: &str, cell: &str, text: &str) -> Value {
    let mut response = json!({ "cell_id": cell, "content_items": [{ "type": "input_text", "text": text }] });
    if status == "Result" {
        response["stored_values"] = json!({});
        response["error_text"] = Value::Null;
    }
    json!({ "response": { status: response } })
}
