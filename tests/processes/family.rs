//! Records a parent run and runs `otel-trace` on its root directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use otel_trace::{AgentThread, ChildProcess, Operation, Recorder, ThreadMeta, ToolCallMeta};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{recorder, run_recorded};

/// A parent run, and the root directory that it shares with its child processes.
pub(crate) struct Family {
    pub(crate) root: TempDir,
    /// Trace id of the parent.
    pub(crate) trace: String,
    pub(crate) bundle: PathBuf,
}

impl Family {
    /// Records a parent run and passes `spawn` a function that registers child processes of its tool call `call-1`.
    pub(crate) fn new(spawn: impl FnOnce(&dyn Fn() -> ChildProcess)) -> Self {
        let (root, recorder, guard) = recorder();
        let (trace, bundle) = parent(&recorder, spawn);
        drop(guard);
        assert_eq!(recorder.stats().lost(), 0);
        Self { root, trace, bundle }
    }

    pub(crate) fn run(&self, command: &str, expected: i32) -> Output {
        let output = otel_trace(&[command, self.root.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        output
    }

    /// Reduces the root and returns `joined.json` and stderr.
    pub(crate) fn joined(&self) -> (Value, String) {
        let output = self.run("reduce", 0);
        let path = self.root.path().join("joined.json");
        assert_eq!(text(&output.stdout).lines().last(), path.to_str());
        (read_json(&path), text(&output.stderr))
    }
}

/// Records the parent run and returns its trace id and bundle.
pub(crate) fn parent(recorder: &Recorder, spawn: impl FnOnce(&dyn Fn() -> ChildProcess)) -> (String, PathBuf) {
    run_recorded(recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("parent"));
        let turn = thread.turn(None);
        let tool = turn.tool_call(ToolCallMeta::new("delegate").id("call-1"));
        spawn(&|| tool.child_process());
        tool.output("done");
        let bundle = thread.bundle().unwrap();
        (read_json(&bundle.join("manifest.json"))["trace_id"].as_str().unwrap().to_owned(), bundle)
    })
}

pub(crate) fn otel_trace(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns the thread id that the parent created for the child.
pub(crate) fn child_thread_id(process: &ChildProcess) -> String {
    let parent: Value = serde_json::from_str(process.parent().unwrap()).unwrap();
    parent["child_thread_id"].as_str().unwrap().to_owned()
}

/// Returns the joined runs, except the parent.
pub(crate) fn children(joined: &Value) -> Vec<&Value> {
    joined["rollouts"].as_array().unwrap().iter().filter(|run| run["root_thread_id"] != "parent").collect()
}

/// Returns the expected edge from the parent's tool call to a thread of this trace, without time and seq.
pub(crate) fn edge(family: &Family, thread: &str, trace: Option<&Value>) -> Value {
    let mut edge = json!({
        "edge_id": format!("edge:spawn:parent:{thread}"),
        "kind": "spawn_agent",
        "source": { "trace_id": family.trace, "type": "tool_call", "tool_call_id": "call-1" },
        "target": { "type": "thread", "thread_id": thread },
    });
    if let Some(trace) = trace {
        edge["target"]["trace_id"] = trace.clone();
    }
    edge
}

/// Returns the joined edges without time and seq, after checking that these come from events of the parent.
pub(crate) fn edges(joined: &Value) -> Vec<Value> {
    let mut edges = joined["edges"].as_array().unwrap().clone();
    for edge in &mut edges {
        let edge = edge.as_object_mut().unwrap();
        let (at, seq) = (edge.remove("spawned_at_unix_ms"), edge.remove("seq"));
        assert!(at.unwrap().as_u64().unwrap() > 0 && seq.unwrap().as_u64().unwrap() > 1);
    }
    edges
}

pub(crate) fn codes(joined: &Value) -> Vec<&str> {
    joined["diagnostics"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect()
}
