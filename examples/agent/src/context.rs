//! The context of one agent: executes the tool calls of its model and of its scripts.

use std::sync::Arc;

use anyhow::{Result, bail};
use otel_trace::event::TurnId;
use otel_trace::{CodeCell, Json, Operation, ToolCall, ToolCallMeta, Turn};
use serde_json::json;
use tracing::Instrument;

use crate::cell::Cells;
use crate::hook::Decision;
use crate::registry::Identity;
use crate::screen::Screen;
use crate::setup::Setup;
use crate::tools::{FunctionCall, ToolOutput, agents, exec_command, wait, write_stdin};

/// The resources of one agent.
#[derive(Debug)]
pub(crate) struct AgentContext {
    pub(crate) setup: Arc<Setup>,
    pub(crate) identity: Identity,
    pub(crate) screen: Screen,
    pub(crate) cells: Cells,
}

/// The requester of a tool call, and the turn in which it requests the call.
#[derive(Debug, Clone)]
pub(crate) struct Requester {
    pub(crate) turn_id: TurnId,
    pub(crate) kind: RequesterKind,
}

/// The kind of requester, with the handle under which its tool calls are recorded.
#[derive(Debug, Clone)]
pub(crate) enum RequesterKind {
    Model(Turn),
    Script(CodeCell),
}

impl AgentContext {
    /// Executes and records one tool call. Any error is returned as text, for the model or the script to handle.
    pub(crate) async fn call(&self, call: &FunctionCall, requester: &Requester) -> Result<ToolOutput, String> {
        let tool = requester.start_tool_call(call);
        match self.execute(call, requester, &tool).instrument(tool.span().clone()).await {
            Ok(output) => {
                requester.record_output(&tool, &output);
                tool.complete();
                Ok(output)
            }
            Err(error) => {
                let error = format!("{error:#}");
                self.screen.print_warning(&error);
                tool.fail(&error);
                Err(error)
            }
        }
    }

    /// Checks the call against the approval hook and dispatches it to its tool.
    async fn execute(&self, call: &FunctionCall, requester: &Requester, tool: &ToolCall) -> Result<ToolOutput> {
        if let Decision::Block(reason) = self.setup.hook.review(call) {
            bail!(reason);
        }
        match (call.name.as_str(), &requester.kind) {
            (exec_command::NAME, _) => self.exec_command(call, requester, tool).await,
            (write_stdin::NAME, _) => self.write_stdin(call).await,
            (agents::SPAWN, _) => self.spawn_agent(call, tool),
            (agents::SEND, _) => self.send(call, tool, false),
            (agents::FOLLOW_UP, _) => self.send(call, tool, true),
            (agents::WAIT, _) => self.wait_agent(call).await,
            (agents::CLOSE, _) => self.close_agent(call, tool).await,
            (wait::NAME, RequesterKind::Model(_)) => self.wait(call).await,
            (name, _) => bail!("there is no tool {name:?}"),
        }
    }
}

impl Requester {
    /// Records the start of a tool call as a child of the requester.
    fn start_tool_call(&self, call: &FunctionCall) -> ToolCall {
        let call = ToolCallMeta::new(&call.name).id(&call.call_id).arguments(&call.arguments);
        match &self.kind {
            RequesterKind::Model(turn) => turn.tool_call(call),
            RequesterKind::Script(cell) => cell.tool_call(call),
        }
    }

    /// Records the output of a tool call in the form that the requester receives.
    fn record_output(&self, tool: &ToolCall, output: &ToolOutput) {
        match &self.kind {
            RequesterKind::Model(_) => tool.output(&output.text),
            RequesterKind::Script(_) => {
                tool.result(Json(&json!({"type": "code_mode_response", "value": output.value})))
            }
        }
    }
}
