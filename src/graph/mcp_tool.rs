//! Tools of MCP servers.

use serde::Serialize;

use crate::event::ToolKind;

/// A tool of an MCP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct McpTool {
    /// Name of the server. `None` if the evidence does not name it.
    pub server: Option<String>,
    /// Name of the tool on the server.
    pub tool: String,
}

/// The names of the tool that a call used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolNames<'a> {
    pub(crate) kind: &'a ToolKind,
    /// Label of the call's summary. `None` if the summary has none.
    pub(crate) label: Option<&'a str>,
    /// Name of the tool in the call's invocation. `None` if the invocation was not read.
    pub(crate) name: Option<&'a str>,
    /// Namespace of the tool in the call's invocation. `None` if it has none or the invocation was not read.
    pub(crate) namespace: Option<&'a str>,
}

/// Start of the labels and namespaces of MCP tools. The name of the server follows.
const PREFIX: &str = "mcp__";

impl McpTool {
    /// Returns the tool that a call used, if it is one of an MCP server: if its kind or its names state it, or if
    /// `is_correlated` is `true` because the MCP client gave the call an id.
    ///
    /// The names are a label `mcp__<server>.<tool>` or `mcp__<server>__<tool>`, or a namespace `mcp__<server>`.
    pub(crate) fn from_call(names: ToolNames<'_>, is_correlated: bool) -> Option<Self> {
        let ToolNames { kind, label, name, namespace } = names;
        let other_name = match kind.contained_name() {
            Some((Some(server), tool)) => return Some(Self::new(Some(server), tool)),
            other => other.map(|(_, name)| name),
        };
        let label = label.or(other_name).unwrap_or_default();
        let after_prefix = label.strip_prefix(PREFIX);
        let namespace = namespace.and_then(|namespace| namespace.strip_prefix(PREFIX));
        if !is_correlated && after_prefix.is_none() && namespace.is_none() {
            return None;
        }
        let in_label = after_prefix.unwrap_or(label).split_once('.');
        let in_names = || Some((namespace?, name.unwrap_or(label)));
        match in_label.or_else(in_names).or_else(|| after_prefix?.split_once("__")) {
            Some((server, tool)) => Some(Self::new(Some(server), tool)),
            None => Some(Self::new(None, name.unwrap_or(label))),
        }
    }

    /// Creates a tool. An empty name of the server counts as unknown.
    fn new(server: Option<&str>, tool: &str) -> Self {
        Self { server: server.filter(|server| !server.is_empty()).map(str::to_owned), tool: tool.to_owned() }
    }
}
