//! What the model can do: the tools it is told about, and its calls of them.

pub(crate) mod agents;
pub(crate) mod exec_command;
pub(crate) mod wait;
pub(crate) mod write_stdin;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The tools that a script may call: all functions but the one that waits for scripts.
pub(crate) const SCRIPT_TOOLS: [&str; 7] = [
    exec_command::NAME,
    write_stdin::NAME,
    agents::SPAWN,
    agents::SEND,
    agents::FOLLOW_UP,
    agents::WAIT,
    agents::CLOSE,
];

/// The tools as the model is told about them. Not every endpoint knows tools that take other text than JSON.
pub(crate) fn definitions(with_scripts: bool) -> Vec<Value> {
    let mut tools = vec![exec_command::definition(), write_stdin::definition()];
    tools.extend(agents::definitions());
    if with_scripts {
        tools.extend([crate::cell::definition(), wait::definition()]);
    }
    tools
}

/// One function, in the words of the API.
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

/// A call of a function.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FunctionCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    /// JSON, if the model got it right.
    pub(crate) arguments: String,
}

impl FunctionCall {
    /// The arguments. The error is worded for the model, which can call again.
    fn parse_arguments<T: DeserializeOwned>(&self) -> Result<T> {
        let name = &self.name;
        serde_json::from_str(&self.arguments).with_context(|| format!("the arguments are not what {name} takes"))
    }
}

/// A call of a tool that takes any text: a script for `exec`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CustomCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    pub(crate) input: String,
}

/// A call of either kind.
#[derive(Clone, Debug)]
pub(crate) enum ModelCall {
    Function(FunctionCall),
    Custom(CustomCall),
}

/// The calls among the items of a response, in their order.
pub(crate) fn calls_in(items: &[Value]) -> Vec<ModelCall> {
    let call = |item: &Value| match item["type"].as_str()? {
        "function_call" => FunctionCall::deserialize(item).ok().map(ModelCall::Function),
        "custom_tool_call" => CustomCall::deserialize(item).ok().map(ModelCall::Custom),
        _ => None,
    };
    items.iter().filter_map(call).collect()
}

/// What a tool answers, for both who may have asked.
#[derive(Debug)]
pub(crate) struct ToolOutput {
    /// For a model.
    pub(crate) text: String,
    /// For a script.
    pub(crate) value: Value,
}

impl ToolOutput {
    /// The same for both.
    fn from_json(value: Value) -> Self {
        Self { text: value.to_string(), value }
    }
}
