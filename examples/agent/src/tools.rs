//! The tools of the model: their definitions, and the calls of the model.

pub(crate) mod agents;
pub(crate) mod exec_command;
pub(crate) mod wait;
pub(crate) mod write_stdin;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The tools that a script may call: all functions except the one that waits for scripts.
pub(crate) const SCRIPT_TOOLS: [&str; 7] = [
    exec_command::NAME,
    write_stdin::NAME,
    agents::SPAWN,
    agents::SEND,
    agents::FOLLOW_UP,
    agents::WAIT,
    agents::CLOSE,
];

/// Returns the tool definitions of a request. Tools that take a script are left out for endpoints that support JSON
/// arguments only.
pub(crate) fn definitions(with_scripts: bool) -> Vec<Value> {
    let mut tools = vec![exec_command::definition(), write_stdin::definition()];
    tools.extend(agents::definitions());
    if with_scripts {
        tools.extend([crate::cell::definition(), wait::definition()]);
    }
    tools
}

/// Returns the definition of a function tool in the format of the API.
fn function(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
    json!({
        "type": "function",
        "name": name,
        "description": description,
        "strict": false,
        "parameters": {
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        },
    })
}

/// A call of a function tool.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FunctionCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    /// The arguments; valid JSON, unless the model made a mistake.
    pub(crate) arguments: String,
}

impl FunctionCall {
    /// Parses the arguments. The error is written for the model, which can call the tool again.
    fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T> {
        let name = &self.name;
        serde_json::from_str(&self.arguments).with_context(|| format!("invalid arguments for {name}"))
    }
}

/// A call of a custom tool, which takes free text: the script for `exec`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CustomCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    pub(crate) input: String,
}

/// A tool call of the model.
#[derive(Clone, Debug)]
pub(crate) enum ModelCall {
    Function(FunctionCall),
    Custom(CustomCall),
}

/// Returns the tool calls among the items of a response, in their order.
pub(crate) fn calls_in(items: &[Value]) -> Vec<ModelCall> {
    let call = |item: &Value| match item["type"].as_str()? {
        "function_call" => FunctionCall::deserialize(item).ok().map(ModelCall::Function),
        "custom_tool_call" => CustomCall::deserialize(item).ok().map(ModelCall::Custom),
        _ => None,
    };
    items.iter().filter_map(call).collect()
}

/// The output of a tool, in the form for each kind of requester.
#[derive(Debug)]
pub(crate) struct ToolOutput {
    /// The text for a model.
    pub(crate) text: String,
    /// The value for a script.
    pub(crate) value: Value,
}

impl ToolOutput {
    /// Creates an output whose text is the JSON value.
    fn from_json(value: Value) -> Self {
        Self { text: value.to_string(), value }
    }
}
