//! An agent's desk: where its tool calls arrive, from its model and from its scripts.

use std::sync::Arc;

use anyhow::{Result, bail};
use otel_trace::event::TurnId;
use otel_trace::{CodeCell, Json, Operation, ToolCall, ToolCallMeta, Turn};
use serde_json::json;
use tracing::Instrument;

use crate::cell::Cells;
use crate::crew::Identity;
use crate::hook::Verdict;
use crate::screen::Screen;
use crate::setup::Setup;
use crate::tools::{Answer, FunctionCall, agents, exec_command, wait, write_stdin};

/// What one agent works with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) setup: Arc<Setup>,
    pub(crate) me: Identity,
    pub(crate) screen: Screen,
    pub(crate) cells: Cells,
}

/// Who asks for a tool, and in which turn.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) turn_id: TurnId,
    pub(crate) by: By,
}

#[derive(Debug, Clone)]
pub(crate) enum By {
    Model(Turn),
    Script(CodeCell),
}

impl Desk {
    /// One tool call, from its start to its answer. Whatever goes wrong with it is the asker's to hear.
    pub(crate) async fn call(&self, call: &FunctionCall, asker: &Asker) -> Result<Answer, String> {
        let tool = asker.start(call);
        match self.run(call, asker, &tool).instrument(tool.span().clone()).await {
            Ok(answer) => {
                asker.answered(&tool, &answer);
                tool.complete();
                Ok(answer)
            }
            Err(error) => {
                let error = format!("{error:#}");
                self.screen.warning(&error);
                tool.fail(&error);
                Err(error)
            }
        }
    }

    async fn run(&self, call: &FunctionCall, asker: &Asker, tool: &ToolCall) -> Result<Answer> {
        if let Verdict::Block(reason) = self.setup.hook.review(call) {
            bail!(reason);
        }
        match (call.name.as_str(), &asker.by) {
            (exec_command::NAME, _) => self.exec_command(call, asker, tool).await,
            (write_stdin::NAME, _) => self.write_stdin(call).await,
            (agents::SPAWN, _) => self.spawn_agent(call, tool),
            (agents::SEND, _) => self.send(call, tool, false),
            (agents::FOLLOW_UP, _) => self.send(call, tool, true),
            (agents::WAIT, _) => self.wait_agent(call).await,
            (agents::CLOSE, _) => self.close_agent(call, tool).await,
            (wait::NAME, By::Model(_)) => self.wait(call).await,
            (name, _) => bail!("there is no tool {name:?}"),
        }
    }
}

impl Asker {
    fn start(&self, call: &FunctionCall) -> ToolCall {
        let call = ToolCallMeta::new(&call.name).id(&call.call_id).arguments(&call.arguments);
        match &self.by {
            By::Model(turn) => turn.tool_call(call),
            By::Script(cell) => cell.tool_call(call),
        }
    }

    fn answered(&self, tool: &ToolCall, answer: &Answer) {
        match &self.by {
            By::Model(_) => tool.output(&answer.text),
            By::Script(_) => tool.result(Json(&json!({"type": "code_mode_response", "value": answer.value}))),
        }
    }
}
