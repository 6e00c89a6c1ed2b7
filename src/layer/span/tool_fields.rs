//! The fields of a tool span that tell more of the call than the GenAI conventions: [`ToolFields`].

use std::sync::Arc;

use serde::Deserialize;

use crate::event::{RawJson, ToolKind};
use crate::layer::operation::ToolInvocation;
use crate::semconv;

/// Fields of a tool span that few spans have, in one allocation.
#[derive(Debug, Default, Clone)]
pub(super) struct ToolFields {
    pub(super) mcp_server: Option<String>,
    pub(super) namespace: Option<String>,
    /// The id that the runtime of a code cell gave the call.
    pub(super) runtime_id: Option<String>,
    /// Name of the kind of tool.
    kind: Option<String>,
    /// Name of the form of the invocation.
    invocation: Option<String>,
}

impl ToolFields {
    /// Returns `true` if the field `name` is stored here.
    pub(super) fn has_name(name: &str) -> bool {
        name.starts_with(semconv::OTEL_TRACE_NAMESPACE) && Self::default().slot(name).is_some()
    }

    /// Returns the member that stores the field `name`. Returns `None` for other fields.
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            semconv::MCP_SERVER => &mut self.mcp_server,
            semconv::TOOL_NAMESPACE => &mut self.namespace,
            semconv::TOOL_RUNTIME_ID => &mut self.runtime_id,
            semconv::TOOL_KIND => &mut self.kind,
            semconv::TOOL_INVOCATION => &mut self.invocation,
            _ => return None,
        })
    }

    /// Replaces the values of all fields that are set in `newer`.
    pub(super) fn merge(&mut self, newer: Self) {
        let Self { mcp_server, namespace, runtime_id, kind, invocation } = newer;
        self.mcp_server = mcp_server.or(self.mcp_server.take());
        self.namespace = namespace.or(self.namespace.take());
        self.runtime_id = runtime_id.or(self.runtime_id.take());
        self.kind = kind.or(self.kind.take());
        self.invocation = invocation.or(self.invocation.take());
    }

    /// Returns the kind of the tool `name`. Returns `None` if no field tells it.
    pub(super) fn kind(&self, name: &Arc<str>) -> Option<ToolKind> {
        let tool = || name.to_string();
        match (self.kind.as_deref(), &self.mcp_server) {
            (None, None) => None,
            (None | Some("mcp"), server) => {
                Some(ToolKind::Mcp { server: server.clone().unwrap_or_default(), tool: tool() })
            }
            (Some(kind), _) => Some(kind_named(kind).unwrap_or_else(|| ToolKind::Other { name: Arc::clone(name) })),
        }
    }

    /// Returns the invocation with these arguments: a function call, unless a field names another form.
    pub(super) fn invocation(&self, tool_name: &str, arguments: &str) -> ToolInvocation<'static> {
        let text = || arguments.to_owned().into();
        match self.invocation.as_deref() {
            Some("custom") => ToolInvocation::Custom { input: text() },
            Some("tool_search") => {
                let parsed = serde_json::from_str(arguments).unwrap_or_else(|_| RawJson::from_value(arguments));
                ToolInvocation::ToolSearch { arguments: parsed }
            }
            Some("local_shell") => local_shell(arguments),
            Some("mcp") => ToolInvocation::Mcp {
                server: self.mcp_server.clone().unwrap_or_default().into(),
                tool: tool_name.to_owned().into(),
                raw_arguments: text(),
            },
            Some(_) | None => ToolInvocation::Function { arguments: text() },
        }
    }
}

/// Returns the kind of tool of this name in format 1. Returns `None` for names that are no kind, or that tell only a part
/// of one.
fn kind_named(name: &str) -> Option<ToolKind> {
    serde_json::from_value(serde_json::json!({ "type": name })).ok()
}

/// Returns the invocation of a shell tool. Arguments that are not an object with a command are the command.
fn local_shell(arguments: &str) -> ToolInvocation<'static> {
    #[derive(Deserialize)]
    struct Arguments {
        command: Vec<String>,
        workdir: Option<String>,
        timeout_ms: Option<u64>,
    }
    match serde_json::from_str(arguments) {
        Ok(Arguments { command, workdir, timeout_ms }) => {
            ToolInvocation::LocalShell { command, workdir: workdir.map(Into::into), timeout_ms }
        }
        Err(_) => ToolInvocation::LocalShell { command: vec![arguments.to_owned()], workdir: None, timeout_ms: None },
    }
}
