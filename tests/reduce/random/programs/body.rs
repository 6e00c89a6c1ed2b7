//! The conversation of a simulated program, and the bodies that contain it.

use serde_json::{Value, json};

/// A number that one call, its tool and its output have in common, and no other.
pub(super) type Token = usize;

/// A tool of a program.
#[derive(Debug, PartialEq)]
pub(super) struct Tool {
    /// The MCP server of the tool. `None` for a tool of the program.
    pub(super) server: Option<&'static str>,
    pub(super) name: &'static str,
}

pub(super) static TOOLS: [Tool; 4] = [
    Tool { server: Some("docs"), name: "search" },
    Tool { server: Some("code"), name: "search" },
    Tool { server: None, name: "look" },
    Tool { server: None, name: "write" },
];

/// The form in which a provider gets the names of the tools of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NameForm {
    Joined,
    Dotted,
    /// In the member `namespace` of the call. Only the Responses API has it.
    Member,
}

impl Tool {
    /// Returns the namespace and the name in a call.
    pub(super) fn in_call(&self, form: NameForm) -> (Option<String>, String) {
        let Self { server, name } = self;
        match (server, form) {
            (None, _) => (None, (*name).to_owned()),
            (Some(server), NameForm::Joined) => (None, format!("mcp__{server}__{name}")),
            (Some(server), NameForm::Dotted) => (None, format!("{server}.{name}")),
            (Some(server), NameForm::Member) => (Some(format!("mcp__{server}")), (*name).to_owned()),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) tool: &'static Tool,
    pub(super) token: Token,
    pub(super) arguments: String,
}

/// An entry of a conversation.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    System(String),
    User(String),
    /// The response of a model.
    Answer {
        text: Option<String>,
        calls: Vec<Call>,
    },
    Output {
        id: String,
        token: Token,
        text: String,
    },
}

/// The tokens of the calls and outputs in entries, in order.
pub(super) fn tokens(entries: &[Entry]) -> Vec<Token> {
    let tokens = |entry: &Entry| match entry {
        Entry::System(_) | Entry::User(_) => Vec::new(),
        Entry::Answer { calls, .. } => calls.iter().map(|call| call.token).collect(),
        Entry::Output { token, .. } => vec![*token],
    };
    entries.iter().flat_map(tokens).collect()
}

/// The API of a provider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Responses,
    Chat,
}

/// How a program speaks to a provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api {
    pub(super) shape: Shape,
    pub(super) names: NameForm,
}

impl Api {
    /// Returns the body of a request. `previous` is the id of the response that the request continues.
    pub(super) fn request(self, entries: &[Entry], previous: Option<&str>) -> Value {
        match self.shape {
            Shape::Responses => json!({ "input": self.items(entries), "previous_response_id": previous }),
            Shape::Chat => json!({ "messages": self.messages(entries) }),
        }
    }

    pub(super) fn response(self, answer: &Entry) -> Value {
        let answer = std::slice::from_ref(answer);
        match self.shape {
            Shape::Responses => json!({ "output_items": self.items(answer) }),
            Shape::Chat => json!({ "choices": [{ "index": 0, "message": self.messages(answer)[0] }] }),
        }
    }

    /// Returns entries as items of the Responses API.
    pub(super) fn items(self, entries: &[Entry]) -> Vec<Value> {
        let message = |role: &str, text: &str| json!({ "type": "message", "role": role, "content": text });
        let call = |call: &Call| {
            let (namespace, name) = call.tool.in_call(self.names);
            let Call { id, arguments, .. } = call;
            let mut item = json!({ "type": "function_call", "call_id": id, "name": name, "arguments": arguments });
            namespace.into_iter().for_each(|namespace| item["namespace"] = json!(namespace));
            item
        };
        let items = |entry: &Entry| match entry {
            Entry::System(text) => vec![message("system", text)],
            Entry::User(text) => vec![message("user", text)],
            Entry::Answer { text, calls } => {
                text.iter().map(|text| message("assistant", text)).chain(calls.iter().map(call)).collect()
            }
            Entry::Output { id, text, .. } => {
                vec![json!({ "type": "function_call_output", "call_id": id, "output": text })]
            }
        };
        entries.iter().flat_map(items).collect()
    }

    /// Returns entries as messages of Chat Completions.
    fn messages(self, entries: &[Entry]) -> Vec<Value> {
        let call = |call: &Call| {
            let (_, name) = call.tool.in_call(self.names);
            let Call { id, arguments, .. } = call;
            json!({ "id": id, "type": "function", "function": { "name": name, "arguments": arguments } })
        };
        let message = |entry: &Entry| match entry {
            Entry::System(text) => json!({ "role": "system", "content": text }),
            Entry::User(text) => json!({ "role": "user", "content": text }),
            Entry::Answer { text, calls } if calls.is_empty() => json!({ "role": "assistant", "content": text }),
            Entry::Answer { text, calls } => {
                let calls: Vec<_> = calls.iter().map(call).collect();
                json!({ "role": "assistant", "content": text, "tool_calls": calls })
            }
            Entry::Output { id, text, .. } => json!({ "role": "tool", "tool_call_id": id, "content": text }),
        };
        entries.iter().map(message).collect()
    }
}
