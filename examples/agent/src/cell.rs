//! The tool `exec`: code cells, which are scripts of the model. Each script runs in a separate engine, calls the tools
//! of its agent, and may keep running after its tool call has returned.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use otel_trace::{CellStatus, CodeCell, CodeCellMeta, Json};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::bounded_output::truncate_middle;
use crate::context::{AgentContext, Requester, RequesterKind};
use crate::script::{Event, Script, ToolRequest};
use crate::tools::{self, CustomCall, FunctionCall};

pub(crate) const NAME: &str = "exec";
/// Maximum number of tool calls that one script may have running at the same time.
const MAX_RUNNING_CALLS: usize = 16;
/// Maximum length of the output of a script that is sent to the model, in bytes.
const MAX_OUTPUT_BYTES: usize = 16 * 1024;
/// Default timeout of a call that waits for a script.
pub(crate) const DEFAULT_YIELD: Duration = Duration::from_secs(10);

pub(crate) fn definition() -> Value {
    let names = tools::SCRIPT_TOOLS.map(|name| format!("tools.{name}")).join(", ");
    let description = format!(
        "Runs a script, which is the whole input: JavaScript, no JSON, no Markdown. `await` works everywhere. \
         Functions: {names}, which take one object and return one (of exec_command: output, exit_code, session_id), \
         or throw; text(value) adds to the result; yield_control() returns what was said so far while the script runs \
         on, and `wait` waits for it. There is no network, no file and no module: only the tools reach outside."
    );
    json!({"type": "custom", "name": NAME, "description": description})
}

/// The scripts of one agent that are still running, or whose end the model has not seen yet.
#[derive(Debug, Default)]
pub(crate) struct Cells(Mutex<HashMap<String, Arc<Cell>>>);

/// A running script.
#[derive(Debug)]
pub(crate) struct Cell {
    id: String,
    handle: CodeCell,
    state: watch::Sender<CellState>,
    task: Mutex<Option<JoinHandle<()>>>,
    started: Instant,
}

/// Output of a script that the model has not read yet, and the state of the script.
#[derive(Debug, Default)]
struct CellState {
    texts: Vec<String>,
    has_yielded: bool,
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone)]
enum Outcome {
    Done,
    Threw(String),
    Terminated,
}

/// Output of a script since the last read, with its outcome if it has ended.
#[derive(Debug)]
pub(crate) struct Progress {
    cell_id: String,
    texts: Vec<String>,
    outcome: Option<Outcome>,
    elapsed: Duration,
}

impl AgentContext {
    /// Runs a script until it ends, yields or reaches the default timeout. Returns the output for the model.
    pub(crate) async fn exec(self: &Arc<Self>, call: &CustomCall, requester: &Requester) -> Result<String> {
        let RequesterKind::Model(turn) = &requester.kind else { return Err(anyhow!("a script can't run scripts")) };
        let id = self.setup.next_cell_id();
        self.screen.print_script(&id, &call.input);
        let handle = turn.code_cell(CodeCellMeta::new(&call.input).id(&id).call_id(&call.call_id));
        let script = Script::start(&call.input, &tools::SCRIPT_TOOLS).context("could not start the script")?;
        let cell = Arc::new(Cell {
            id,
            handle,
            state: watch::Sender::default(),
            task: Mutex::default(),
            started: Instant::now(),
        });
        self.cells.insert(&cell);
        let requester =
            Requester { turn_id: requester.turn_id.clone(), kind: RequesterKind::Script(cell.handle.clone()) };
        let task = tokio::spawn(run_script(script, Arc::clone(&cell), Arc::clone(self), requester));
        *lock(&cell.task) = Some(task);

        let progress = cell.next_progress(DEFAULT_YIELD).await;
        cell.handle.responded(progress.status().unwrap_or(CellStatus::Yielded), Json(&progress.body()));
        if progress.status().is_some() {
            self.cells.remove(&cell.id);
        }
        Ok(progress.text())
    }
}

/// Handles the events of a script until it ends, also after the tool call that started the script has returned. Tool
/// calls that the script did not await are dropped when it ends.
async fn run_script(mut script: Script, cell: Arc<Cell>, ctx: Arc<AgentContext>, requester: Requester) {
    let mut calls = JoinSet::new();
    let mut count = 0;
    while let Some(event) = script.next().await {
        match event {
            Event::Text(text) => cell.state.send_modify(|state| state.texts.push(text)),
            Event::Yield => cell.state.send_modify(|state| state.has_yielded = true),
            Event::Call(request) => {
                while calls.try_join_next().is_some() {}
                if calls.len() == MAX_RUNNING_CALLS {
                    request
                        .answer(Err(format!("a script may have {MAX_RUNNING_CALLS} calls running: await some first")));
                    continue;
                }
                count += 1;
                let call_id = format!("cell-{}-tool-{count}", cell.id);
                calls.spawn(execute(request, call_id, Arc::clone(&ctx), requester.clone()));
            }
            Event::Ended(outcome) => {
                let outcome = outcome.map_or_else(Outcome::Threw, |()| Outcome::Done);
                return cell.end(outcome);
            }
        }
    }
    cell.end(Outcome::Threw("the script engine ended unexpectedly".to_owned()));
}

async fn execute(request: ToolRequest, call_id: String, ctx: Arc<AgentContext>, requester: Requester) {
    let call = FunctionCall { call_id, name: request.name.clone(), arguments: request.arguments.clone() };
    request.answer(ctx.call(&call, &requester).await.map(|answer| answer.value));
}

impl Cells {
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Cell>> {
        let entry = lock(&self.0).get(id).map(Arc::clone);
        entry.with_context(|| format!("there is no cell {id}: it has ended or never existed"))
    }

    fn insert(&self, cell: &Arc<Cell>) {
        lock(&self.0).insert(cell.id.clone(), Arc::clone(cell));
    }

    pub(crate) fn remove(&self, id: &str) {
        lock(&self.0).remove(id);
    }

    /// Stops all running scripts and records the ends that no call waited for.
    pub(crate) async fn close(&self) {
        let cells = std::mem::take(&mut *lock(&self.0));
        for cell in cells.into_values() {
            cell.terminate();
            let task = lock(&cell.task).take();
            if let Some(task) = task {
                // Its calls are dropped with it: one whose process is killed next must not complete.
                let _ = task.await;
            }
            let progress = cell.take_progress();
            if let Some(status) = progress.status() {
                cell.handle.ended(status, Json(&progress.body()));
            }
        }
    }
}

impl Cell {
    pub(crate) fn handle(&self) -> &CodeCell {
        &self.handle
    }

    /// Stops the script. Has no effect on the outcome of a script that has already ended.
    pub(crate) fn terminate(&self) {
        self.end(Outcome::Terminated);
        if let Some(task) = &*lock(&self.task) {
            task.abort();
        }
    }

    fn end(&self, outcome: Outcome) {
        self.state.send_modify(|state| {
            state.outcome.get_or_insert(outcome);
        });
    }

    /// Waits until the script ends or yields, or `timeout` has passed. Returns the output since the last read.
    pub(crate) async fn next_progress(&self, timeout: Duration) -> Progress {
        let mut state = self.state.subscribe();
        let _ =
            tokio::time::timeout(timeout, state.wait_for(|state| state.has_yielded || state.outcome.is_some())).await;
        self.take_progress()
    }

    fn take_progress(&self) -> Progress {
        let mut progress =
            Progress { cell_id: self.id.clone(), texts: Vec::new(), outcome: None, elapsed: self.started.elapsed() };
        self.state.send_modify(|state| {
            progress.texts = std::mem::take(&mut state.texts);
            progress.outcome.clone_from(&state.outcome);
            state.has_yielded = false;
        });
        progress
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        for cell in lock(&self.0).values() {
            cell.terminate();
        }
    }
}

impl Progress {
    /// Returns the status of a script that has ended. Returns `None` while the script is running.
    pub(crate) fn status(&self) -> Option<CellStatus> {
        Some(match self.outcome.as_ref()? {
            Outcome::Done => CellStatus::Completed,
            Outcome::Threw(_) => CellStatus::Failed,
            Outcome::Terminated => CellStatus::Terminated,
        })
    }

    /// Returns the `tool_result` body that is recorded for the output.
    pub(crate) fn body(&self) -> Value {
        let items = self.texts.iter().map(|text| json!({"type": "input_text", "text": text}));
        let mut fields = json!({"cell_id": self.cell_id, "content_items": items.collect::<Vec<_>>()});
        let kind = match &self.outcome {
            None => "Yielded",
            Some(Outcome::Terminated) => "Terminated",
            Some(outcome @ (Outcome::Done | Outcome::Threw(_))) => {
                fields["stored_values"] = json!({});
                fields["error_text"] = match outcome {
                    Outcome::Threw(error) => json!(error),
                    Outcome::Done | Outcome::Terminated => Value::Null,
                };
                "Result"
            }
        };
        json!({"response": {kind: fields}})
    }

    /// Returns the output as the text that is sent to the model.
    pub(crate) fn text(&self) -> String {
        let (id, seconds) = (&self.cell_id, self.elapsed.as_secs_f64());
        let texts = truncate_middle(&self.texts.join("\n"), MAX_OUTPUT_BYTES);
        let (state, error) = match &self.outcome {
            None => (format!("script running with cell ID {id}"), String::new()),
            Some(Outcome::Done) => ("script completed".to_owned(), String::new()),
            Some(Outcome::Threw(error)) => ("script failed".to_owned(), format!("\nerror: {error}")),
            Some(Outcome::Terminated) => ("script terminated".to_owned(), String::new()),
        };
        format!("{state}\nwall time: {seconds:.1} s\noutput:\n{texts}{error}")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
