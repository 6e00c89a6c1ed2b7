//! The tool `wait`: waits for a running script.

use std::time::Duration;

use anyhow::Result;
use otel_trace::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FunctionCall, ToolOutput};
use crate::cell::DEFAULT_YIELD;
use crate::context::AgentContext;

pub(crate) const NAME: &str = "wait";

const MAX_YIELD: u64 = 120_000;

pub(crate) fn definition() -> Value {
    super::function(
        NAME,
        "Waits for a script that exec left running, and returns what it said since.",
        &json!({
            "cell_id": {"type": "string", "description": "The cell ID of exec's result."},
            "yield_time_ms": {"type": "integer", "description": "Return after this long at the latest [default: 10000]"},
            "terminate": {"type": "boolean", "description": "Stop the script instead [default: false]"},
        }),
        &["cell_id"],
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    cell_id: String,
    yield_time_ms: Option<u64>,
    #[serde(default)]
    terminate: bool,
}

impl AgentContext {
    pub(crate) async fn wait(&self, call: &FunctionCall) -> Result<ToolOutput> {
        let Arguments { cell_id, yield_time_ms, terminate } = call.parse_arguments()?;
        let cell = self.cells.get(&cell_id)?;
        if terminate {
            cell.terminate();
        }
        let timeout = yield_time_ms.map_or(DEFAULT_YIELD, Duration::from_millis);
        let progress = cell.next_progress(timeout.min(Duration::from_millis(MAX_YIELD))).await;
        if let Some(status) = progress.status() {
            cell.handle().ended(status, Json(&progress.body()));
            self.cells.remove(&cell_id);
        }
        Ok(ToolOutput { text: progress.text(), value: Value::Null })
    }
}
