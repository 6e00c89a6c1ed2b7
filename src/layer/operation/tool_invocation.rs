//! What a tool is called with: [`ToolInvocation`], and the `tool_invocation` body.

use std::borrow::Cow;

use serde::Serialize;

use crate::event::RawJson;

/// What a tool is called with, in one of the forms that a `tool_invocation` body has.
///
/// ```
/// use otel_trace::{AgentThread, Operation, ThreadMeta, ToolCallMeta, ToolInvocation};
///
/// let turn = AgentThread::start(ThreadMeta::new()).turn(None);
/// let patch = ToolInvocation::Custom { input: "*** Begin Patch\n*** End Patch".into() };
/// let tool = turn.tool_call(ToolCallMeta::new("apply_patch").id("call_1").invocation(patch));
/// tool.output("patched");
/// tool.complete();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToolInvocation<'a> {
    /// A call of a function.
    Function {
        /// The arguments as the model wrote them, usually JSON text.
        arguments: Cow<'a, str>,
    },
    /// A call of a tool whose input is free text, such as a patch or a script.
    Custom {
        /// The input as the model wrote it.
        input: Cow<'a, str>,
    },
    /// A search for tools.
    ToolSearch {
        /// The arguments of the search.
        arguments: RawJson,
    },
    /// A command for the shell tool that the provider defines.
    LocalShell {
        /// The program and its arguments.
        command: Vec<String>,
        /// The directory that the command runs in.
        #[serde(skip_serializing_if = "Option::is_none")]
        workdir: Option<Cow<'a, str>>,
        /// Maximum duration of the command, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// A call of a tool of an MCP server.
    Mcp {
        /// Name of the MCP server.
        server: Cow<'a, str>,
        /// Name of the tool on the server.
        tool: Cow<'a, str>,
        /// The arguments as the model wrote them, usually JSON text.
        raw_arguments: Cow<'a, str>,
    },
}

impl ToolInvocation<'_> {
    /// Returns an invocation that borrows nothing.
    pub(in crate::layer) fn into_owned(self) -> ToolInvocation<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Function { arguments } => ToolInvocation::Function { arguments: owned(arguments) },
            Self::Custom { input } => ToolInvocation::Custom { input: owned(input) },
            Self::ToolSearch { arguments } => ToolInvocation::ToolSearch { arguments },
            Self::LocalShell { command, workdir, timeout_ms } => {
                ToolInvocation::LocalShell { command, workdir: workdir.map(owned), timeout_ms }
            }
            Self::Mcp { server, tool, raw_arguments } => {
                ToolInvocation::Mcp { server: owned(server), tool: owned(tool), raw_arguments: owned(raw_arguments) }
            }
        }
    }

    /// Returns the input of the tool as text, which the summary of the call shows.
    pub(super) fn input_text(&self) -> Cow<'_, str> {
        match self {
            Self::Function { arguments } => Cow::Borrowed(arguments),
            Self::Custom { input } => Cow::Borrowed(input),
            Self::ToolSearch { arguments } => Cow::Borrowed(arguments.as_str()),
            Self::LocalShell { command, .. } => Cow::Owned(command.join(" ")),
            Self::Mcp { raw_arguments, .. } => Cow::Borrowed(raw_arguments),
        }
    }

    /// Returns the type of the item that returns the output of such a call to the model.
    pub(super) fn output_item_type(&self) -> &'static str {
        match self {
            Self::Custom { .. } => "custom_tool_call_output",
            Self::Function { .. } | Self::ToolSearch { .. } | Self::LocalShell { .. } | Self::Mcp { .. } => {
                FUNCTION_OUTPUT
            }
        }
    }
}

/// Type of the item that returns the output of a function to the model.
pub(super) const FUNCTION_OUTPUT: &str = "function_call_output";

/// A `tool_invocation` body, in the shape of format 1.
#[derive(Serialize)]
pub(super) struct InvocationBody<'a> {
    pub(super) tool_name: &'a str,
    pub(super) tool_namespace: Option<&'a str>,
    pub(super) payload: &'a ToolInvocation<'a>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_has_its_members_in_the_body() {
        let check = |invocation: ToolInvocation<'_>, expected: serde_json::Value| {
            let body = InvocationBody { tool_name: "t", tool_namespace: Some("n"), payload: &invocation };
            let body = serde_json::to_value(&body).expect("a body");
            assert_eq!(body, json!({ "tool_name": "t", "tool_namespace": "n", "payload": expected }));
        };
        check(ToolInvocation::Function { arguments: "{}".into() }, json!({ "type": "function", "arguments": "{}" }));
        check(ToolInvocation::Custom { input: "p".into() }, json!({ "type": "custom", "input": "p" }));
        let arguments = RawJson::from_value(&json!({ "query": "q" }));
        let search = ToolInvocation::ToolSearch { arguments };
        check(search, json!({ "type": "tool_search", "arguments": { "query": "q" } }));
        let command = vec!["ls".to_owned(), "-l".to_owned()];
        let shell = ToolInvocation::LocalShell { command: command.clone(), workdir: None, timeout_ms: None };
        check(shell, json!({ "type": "local_shell", "command": ["ls", "-l"] }));
        let shell = ToolInvocation::LocalShell { command, workdir: Some("/w".into()), timeout_ms: Some(9) };
        check(shell, json!({ "type": "local_shell", "command": ["ls", "-l"], "workdir": "/w", "timeout_ms": 9 }));
        let mcp = ToolInvocation::Mcp { server: "s".into(), tool: "t".into(), raw_arguments: "{}".into() };
        check(mcp, json!({ "type": "mcp", "server": "s", "tool": "t", "raw_arguments": "{}" }));
    }
}
