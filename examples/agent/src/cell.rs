//! `exec`: code cells, the scripts of the model. A script runs in an engine of its own, calls the agent's tools, and
//! may run on when the call that brought it returns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use otel_trace::{CellStatus, CodeCell, CodeCellMeta, Json};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::desk::{Asker, By, Desk};
use crate::kept::shorten;
use crate::script::{Event, Script, ToolRequest};
use crate::tools::{self, CustomCall, FunctionCall};

pub(crate) const NAME: &str = "exec";
/// As many tools as one script may have running.
const MAX_CALLS: usize = 16;
/// As much as the model is sent of what a script said.
const MODEL_BYTES: usize = 16 * 1024;
/// How long a call waits for a script that says nothing of giving way.
pub(crate) const DEFAULT_YIELD: Duration = Duration::from_secs(10);

pub(crate) fn definition() -> Value {
    let names = tools::IN_SCRIPTS.map(|name| format!("tools.{name}")).join(", ");
    let description = format!(
        "Runs a script, which is the whole input: JavaScript, no JSON, no Markdown. `await` works everywhere. \
         Functions: {names}, which take one object and return one (of exec_command: output, exit_code, session_id), \
         or throw; text(value) adds to the result; yield_control() returns what was said so far while the script runs \
         on, and `wait` waits for it. There is no network, no file and no module: only the tools reach outside."
    );
    json!({"type": "custom", "name": NAME, "description": description})
}

/// The scripts of one agent that still run, or whose end nobody was told.
#[derive(Debug, Default)]
pub(crate) struct Cells(Mutex<HashMap<String, Arc<Cell>>>);

/// A script that runs.
#[derive(Debug)]
pub(crate) struct Cell {
    id: String,
    handle: CodeCell,
    said: watch::Sender<Said>,
    task: Mutex<Option<AbortHandle>>,
    started: Instant,
}

/// What a script said and nobody heard yet, and how it stands.
#[derive(Debug, Default)]
struct Said {
    texts: Vec<String>,
    gave_way: bool,
    end: Option<End>,
}

#[derive(Debug, Clone)]
enum End {
    Done,
    Threw(String),
    Terminated,
}

/// What was heard of a script.
#[derive(Debug)]
pub(crate) struct Heard {
    cell_id: String,
    texts: Vec<String>,
    end: Option<End>,
    elapsed: Duration,
}

impl Desk {
    /// Runs a script, until it ends, gives way, or has taken too long. The text is for the model.
    pub(crate) async fn exec(self: &Arc<Self>, call: &CustomCall, asker: &Asker) -> Result<String> {
        let By::Model(turn) = &asker.by else { return Err(anyhow!("a script can't run scripts")) };
        let id = self.setup.next_cell_id();
        self.screen.script(&id, &call.input);
        let handle = turn.code_cell(CodeCellMeta::new(&call.input).id(&id).call_id(&call.call_id));
        let script = Script::start(&call.input, &tools::IN_SCRIPTS).context("could not start the script")?;
        let cell = Arc::new(Cell {
            id,
            handle,
            said: watch::Sender::default(),
            task: Mutex::default(),
            started: Instant::now(),
        });
        self.cells.keep(&cell);
        let asker = Asker { turn_id: asker.turn_id.clone(), by: By::Script(cell.handle.clone()) };
        let task = tokio::spawn(drive(script, Arc::clone(&cell), Arc::clone(self), asker));
        *locked(&cell.task) = Some(task.abort_handle());

        let heard = cell.listen(DEFAULT_YIELD).await;
        cell.handle.responded(heard.ended().unwrap_or(CellStatus::Yielded), Json(&heard.body()));
        if heard.ended().is_some() {
            self.cells.forget(&cell.id);
        }
        Ok(heard.text())
    }
}

/// Does what a script asks for. It goes on when the call that brought the script has returned, and with it end the
/// tools that the script did not wait for.
async fn drive(mut script: Script, cell: Arc<Cell>, desk: Arc<Desk>, asker: Asker) {
    let mut calls = JoinSet::new();
    let mut count = 0;
    while let Some(event) = script.next().await {
        match event {
            Event::Text(text) => cell.said.send_modify(|said| said.texts.push(text)),
            Event::Yield => cell.said.send_modify(|said| said.gave_way = true),
            Event::Call(request) => {
                while calls.try_join_next().is_some() {}
                if calls.len() == MAX_CALLS {
                    request.answer(Err(format!("a script may have {MAX_CALLS} calls running: await some first")));
                    continue;
                }
                count += 1;
                let call_id = format!("cell-{}-tool-{count}", cell.id);
                calls.spawn(answer(request, call_id, Arc::clone(&desk), asker.clone()));
            }
            Event::Ended(outcome) => {
                let end = outcome.map_or_else(End::Threw, |()| End::Done);
                return cell.end(end);
            }
        }
    }
    cell.end(End::Threw("the engine is gone".to_owned()));
}

async fn answer(request: ToolRequest, call_id: String, desk: Arc<Desk>, asker: Asker) {
    let call = FunctionCall { call_id, name: request.name.clone(), arguments: request.arguments.clone() };
    request.answer(desk.call(&call, &asker).await.map(|answer| answer.value));
}

impl Cells {
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Cell>> {
        let found = locked(&self.0).get(id).map(Arc::clone);
        found.with_context(|| format!("there is no cell {id}: it has ended, or never was"))
    }

    fn keep(&self, cell: &Arc<Cell>) {
        locked(&self.0).insert(cell.id.clone(), Arc::clone(cell));
    }

    pub(crate) fn forget(&self, id: &str) {
        locked(&self.0).remove(id);
    }

    /// Stops what still runs, and records the ends that nobody waited for.
    pub(crate) fn close(&self) {
        for (_, cell) in std::mem::take(&mut *locked(&self.0)) {
            cell.terminate();
            let heard = cell.hear();
            if let Some(status) = heard.ended() {
                cell.handle.ended(status, Json(&heard.body()));
            }
        }
    }
}

impl Cell {
    pub(crate) fn handle(&self) -> &CodeCell {
        &self.handle
    }

    /// Stops the script. One that has ended stays as it ended.
    pub(crate) fn terminate(&self) {
        self.end(End::Terminated);
        if let Some(task) = &*locked(&self.task) {
            task.abort();
        }
    }

    fn end(&self, end: End) {
        self.said.send_modify(|said| {
            said.end.get_or_insert(end);
        });
    }

    /// What it says until it ends, gives way, or `patience` is over.
    pub(crate) async fn listen(&self, patience: Duration) -> Heard {
        let mut said = self.said.subscribe();
        let _ = tokio::time::timeout(patience, said.wait_for(|said| said.gave_way || said.end.is_some())).await;
        self.hear()
    }

    fn hear(&self) -> Heard {
        let mut heard =
            Heard { cell_id: self.id.clone(), texts: Vec::new(), end: None, elapsed: self.started.elapsed() };
        self.said.send_modify(|said| {
            heard.texts = std::mem::take(&mut said.texts);
            heard.end.clone_from(&said.end);
            said.gave_way = false;
        });
        heard
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        for cell in locked(&self.0).values() {
            cell.terminate();
        }
    }
}

impl Heard {
    /// How it ended; None while it runs on.
    pub(crate) fn ended(&self) -> Option<CellStatus> {
        Some(match self.end.as_ref()? {
            End::Done => CellStatus::Completed,
            End::Threw(_) => CellStatus::Failed,
            End::Terminated => CellStatus::Terminated,
        })
    }

    /// For the recording.
    pub(crate) fn body(&self) -> Value {
        let items = self.texts.iter().map(|text| json!({"type": "input_text", "text": text}));
        let mut fields = json!({"cell_id": self.cell_id, "content_items": items.collect::<Vec<_>>()});
        let kind = match &self.end {
            None => "Yielded",
            Some(End::Terminated) => "Terminated",
            Some(end @ (End::Done | End::Threw(_))) => {
                fields["stored_values"] = json!({});
                fields["error_text"] = match end {
                    End::Threw(error) => json!(error),
                    End::Done | End::Terminated => Value::Null,
                };
                "Result"
            }
        };
        json!({"response": {kind: fields}})
    }

    /// For the model.
    pub(crate) fn text(&self) -> String {
        let (id, seconds) = (&self.cell_id, self.elapsed.as_secs_f64());
        let texts = shorten(&self.texts.join("\n"), MODEL_BYTES);
        let (state, error) = match &self.end {
            None => (format!("script running with cell ID {id}"), String::new()),
            Some(End::Done) => ("script completed".to_owned(), String::new()),
            Some(End::Threw(error)) => ("script failed".to_owned(), format!("\nerror: {error}")),
            Some(End::Terminated) => ("script terminated".to_owned(), String::new()),
        };
        format!("{state}\nwall time: {seconds:.1} s\noutput:\n{texts}{error}")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
