//! Tests of child processes: the parent sets a variable and logs the child, and the child records its parent.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use otel_trace::bundle::Reader;
use otel_trace::event::ParentProcess;
use otel_trace::{
    AgentThread, ChildProcess, CodeCellMeta, Model, Operation, Recorder, SpanExt, ThreadMeta, ToolCall, ToolCallMeta,
    Turn,
};
use serde_json::{Value, json};
use tracing::info_span;
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, child, record, recorder, role, run_recorded};

const VARIABLE: &str = otel_trace::layer::PARENT_VARIABLE;

/// Returns the environment for a child process.
fn env(child: &ChildProcess) -> BTreeMap<&'static str, &OsStr> {
    child.env().collect()
}

/// Parses the parent in the environment for a child process.
fn parent_of(child: &ChildProcess) -> ParentProcess {
    ParentProcess::parse(child.parent().unwrap()).unwrap()
}

/// Starts a thread with a turn.
fn turn() -> (AgentThread, Turn) {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(Some("u".into()));
    (thread, turn)
}

/// Starts a thread with a tool call.
fn tool() -> (AgentThread, ToolCall) {
    let (thread, turn) = turn();
    (thread, turn.tool_call(ToolCallMeta::new("ask").id("call-1")))
}

/// Returns the thread, the turn and the metadata of each `process_spawned` event.
fn spawned(bundle: &Bundle) -> Vec<[&Value; 3]> {
    let lines = bundle.lines.iter().filter(|line| line["payload"]["kind"] == "process_spawned");
    lines.map(|line| [&line["thread_id"], &line["codex_turn_id"], &line["payload"]["metadata"]]).collect()
}

/// Returns the metadata of the root thread of a bundle.
fn metadata(bundle: &Bundle) -> Value {
    bundle.payload_json(&bundle.events("thread_started")[0]["metadata_payload"])
}

#[test]
fn spawning_tool_call_sets_the_variable_and_logs_the_child() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let (thread, tool) = tool();
        let child = tool.child_process();
        let bundle = Bundle::read(&thread.bundle().unwrap());
        let parent = parent_of(&child);
        assert_eq!(
            env(&child),
            BTreeMap::from([
                ("OTEL_TRACE_ROOT", root.path().as_os_str()),
                (VARIABLE, OsStr::new(child.parent().unwrap())),
            ])
        );
        assert_eq!(
            parent,
            ParentProcess {
                trace_id: Reader::open(&bundle.path).unwrap().manifest().trace_id.clone(),
                bundle: bundle.path.file_name().unwrap().to_str().unwrap().to_owned(),
                thread_id: "t".into(),
                tool_call_id: Some("call-1".into()),
                child_thread_id: parent.child_thread_id.clone(),
                depth: 1,
            }
        );
        let id = uuid::Uuid::parse_str(parent.child_thread_id.as_str()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        let metadata = json!({ "child_thread_id": parent.child_thread_id, "tool_call_id": "call-1" });
        assert_eq!(spawned(&bundle), [[&json!("t"), &json!("u"), &metadata]]);
        assert_ne!(
            parent_of(&tool.child_process()).child_thread_id,
            parent.child_thread_id,
            "each child process has its own thread id"
        );
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
}

#[test]
fn every_operation_can_spawn_a_process() {
    let bundles = record(|| {
        let (thread, turn) = turn();
        let cell = turn.code_cell(CodeCellMeta::new("1").call_id("c"));
        let children = [
            thread.child_process(),
            turn.child_process(),
            turn.inference(Model { name: "m", provider: "p" }).child_process(),
            cell.child_process(),
            thread.turn(None).tool_call(ToolCallMeta::new("n").id("x")).child_process(),
        ];
        let tools = children.map(|child| parent_of(&child).tool_call_id.map(|id| id.to_string()));
        assert_eq!(tools, [None, None, None, None, Some("x".to_owned())]);
    });
    let spawned = spawned(&bundles[0]);
    assert_eq!(spawned.len(), 5);
    assert_eq!((spawned[0][1], spawned[1][1]), (&Value::Null, &json!("u")));
}

#[test]
fn plain_span_can_spawn_a_process() {
    let bundles = record(|| {
        let span = info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "ask",
            gen_ai.tool.call.id = "call-1",
        );
        let child = span.in_scope(|| tracing::Span::current().otel_trace().child_process());
        assert_eq!(parent_of(&child).tool_call_id, Some("call-1".into()));
        assert_eq!(info_span!("span without a kind").otel_trace().child_process().env().count(), 0);
    });
    assert_eq!(spawned(&bundles[0])[0][2]["tool_call_id"], "call-1");
    assert_eq!(
        bundles[0].event_names()[2..],
        [
            "codex_turn_started",
            "tool_call_started",
            "other",
            "tool_call_ended",
            "codex_turn_ended",
            "thread_ended",
            "rollout_ended"
        ]
    );
}

#[test]
fn environment_is_empty_without_a_recorder() {
    let assert_empty = |child: ChildProcess| assert_eq!((child.env().count(), child.parent()), (0, None));
    assert_empty(tool().1.child_process());
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let (_thread, tool) = tool();
        drop(guard);
        assert_empty(tool.child_process());
    });
    assert_eq!(spawned(&bundles(root.path())[0]).len(), 0);
}

#[test]
fn first_active_recorder_sets_the_child_environment() {
    let ((root_a, a, guard_a), (root_b, b, _guard_b)) = (recorder(), recorder());
    let stack = tracing_subscriber::registry().with(a.layer()).with(b.layer());
    tracing::subscriber::with_default(stack, || {
        let (_thread, tool) = tool();
        assert_eq!(env(&tool.child_process())["OTEL_TRACE_ROOT"], root_a.path());
        drop(guard_a);
        assert_eq!(env(&tool.child_process())["OTEL_TRACE_ROOT"], root_b.path());
    });
    let counts = [root_a, root_b].map(|root| spawned(&bundles(root.path())[0]).len());
    assert_eq!(counts, [1, 1], "a recorder logs exactly the child processes whose environment it set");
}

#[test]
fn ids_too_long_for_a_variable_only_drop_the_parent_link() {
    let (_root, recorder, _guard) = recorder();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id(&"t".repeat(20_000)));
        let child = thread.child_process();
        let mut command = Command::new(std::env::current_exe().unwrap());
        assert!(command.arg("--list").envs(child.env()).output().unwrap().status.success());
        assert_eq!(child.env().count(), 0);
    });
    assert_eq!(recorder.stats().lost(), 1, "{:?}", recorder.stats());
}

/// Records `program` with this parent and returns its bundles.
fn record_with_parent(parent: Option<&str>, program: impl FnOnce()) -> Vec<Bundle> {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path());
    let builder = match parent {
        Some(parent) => builder.parent(parent),
        None => builder.no_parent(),
    };
    let (recorder, guard) = builder.build().unwrap();
    run_recorded(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    bundles(root.path())
}

/// Returns a parent process and its value of the variable.
fn some_parent() -> (ParentProcess, String) {
    let parent = ParentProcess {
        trace_id: "trace".into(),
        bundle: "trace-trace-t".into(),
        thread_id: "above".into(),
        tool_call_id: Some("x".into()),
        child_thread_id: "created".into(),
        depth: 3,
    };
    let value = parent.to_text();
    (parent, value)
}

#[test]
fn first_thread_takes_the_id_and_all_bundles_name_the_parent() {
    let (parent, value) = some_parent();
    let bundles = record_with_parent(Some(&value), || {
        let (first, second) =
            (AgentThread::start(ThreadMeta::new()), AgentThread::start(ThreadMeta::new().agent_name("n")));
        drop(first.turn(None).tool_call(ToolCallMeta::new("spawn_agent")).spawn_thread(ThreadMeta::new()));
        drop(second);
    });
    assert_eq!(bundles.len(), 2);
    for bundle in &bundles {
        assert_eq!(bundle.manifest["parent"], serde_json::to_value(&parent).unwrap());
        let spawn = &metadata(bundle)["session_source"]["subagent"]["thread_spawn"];
        assert_eq!((&spawn["parent_thread_id"], &spawn["depth"]), (&json!("above"), &json!(3)));
        assert_eq!(bundle.events("thread_started")[0]["agent_path"], "/root");
    }
    let ids: Vec<_> = bundles.iter().map(|bundle| bundle.manifest["root_thread_id"].clone()).collect();
    assert!(ids[0] != "created" && ids[1] == "created", "{ids:?}");
    // The parent of a spawned thread is in the same bundle, and its depth is one more.
    let spawned = bundles[1].payload_json(&bundles[1].events("thread_started")[1]["metadata_payload"]);
    let spawn = &spawned["session_source"]["subagent"]["thread_spawn"];
    assert_eq!((&spawn["parent_thread_id"], &spawn["depth"]), (&json!("created"), &json!(4)));
}

#[test]
fn named_first_thread_leaves_the_parents_id_unused() {
    let (_, value) = some_parent();
    let bundles = record_with_parent(Some(&value), || {
        drop(AgentThread::start(ThreadMeta::new().id("mine")));
        drop(AgentThread::start(ThreadMeta::new()));
    });
    let root_id = |bundle: &Bundle| bundle.manifest["root_thread_id"].clone();
    assert!(root_id(&bundles[0]) != "created" && root_id(&bundles[1]) == "mine", "a later thread must not take the id");
    assert!(bundles.iter().all(|bundle| bundle.manifest["parent"]["child_thread_id"] == "created"));
}

#[test]
fn thread_of_plain_spans_takes_the_parents_id() {
    let (_, value) = some_parent();
    let chat = || drop(info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m").entered());
    let agent = || drop(info_span!("agent", otel_trace.kind = "thread").entered());
    for program in [&chat as &dyn Fn(), &agent] {
        let bundles = record_with_parent(Some(&value), program);
        assert_eq!(bundles[0].manifest["root_thread_id"], "created");
        assert_eq!(metadata(&bundles[0])["thread_id"], "created");
    }
}

#[test]
fn manifest_without_a_parent_process_has_no_parent() {
    let bundles = record_with_parent(None, || drop(AgentThread::start(ThreadMeta::new())));
    assert_eq!(bundles[0].manifest.get("parent"), None);
    assert_eq!(bundles[0].event("thread_started")["metadata_payload"], Value::Null);
}

/// Runs a child process with this value of the variable. Returns its output and the bundles under `root`.
fn run_child(test: &str, parent: Option<&OsStr>, root: &Path) -> (Output, Vec<Bundle>) {
    let mut command = child(test, "child");
    let output = command.env("OTEL_TRACE_ROOT", root).envs(parent.map(|value| (VARIABLE, value))).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (output, bundles(root))
}

/// Runs the program of a child process: two threads.
fn child_program() {
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    run_recorded(&recorder, || {
        for _ in 0..2 {
            drop(AgentThread::start(ThreadMeta::new()));
        }
    });
}

/// Returns the messages of the recorder on stderr.
fn messages(output: &Output) -> Vec<&str> {
    let stderr = str::from_utf8(&output.stderr).unwrap();
    stderr.lines().filter(|line| line.starts_with("otel-trace:")).collect()
}

#[test]
fn invalid_variable_is_reported_once_and_recording_continues() {
    if role().is_some() {
        return child_program();
    }
    let test = "child_processes::invalid_variable_is_reported_once_and_recording_continues";
    let mut values = vec![OsStr::new("garbage"), OsStr::new(r#"{"trace_id":"t"}"#)];
    #[cfg(unix)]
    values.push(std::os::unix::ffi::OsStrExt::from_bytes(b"\xff{}"));
    for value in values {
        let root = tempfile::tempdir().unwrap();
        let (output, bundles) = run_child(test, Some(value), root.path());
        let [line] = messages(&output)[..] else { panic!("{output:?}") };
        for word in [VARIABLE, root.path().to_str().unwrap(), "Command::envs", "unset"] {
            assert!(line.contains(word), "{word} is not in {line}");
        }
        assert_eq!(bundles.len(), 2);
        assert!(bundles.iter().all(|bundle| bundle.manifest.get("parent").is_none()));
    }
    // An invalid value in code does not stop the host either.
    assert_eq!(
        record_with_parent(Some("garbage"), || drop(AgentThread::start(ThreadMeta::new())))[0].manifest.get("parent"),
        None
    );
}

#[test]
fn empty_variable_means_no_parent() {
    if role().is_some() {
        return child_program();
    }
    for value in [None, Some(OsStr::new(""))] {
        let root = tempfile::tempdir().unwrap();
        let (output, bundles) = run_child("child_processes::empty_variable_means_no_parent", value, root.path());
        assert_eq!(messages(&output), [""; 0]);
        assert_eq!(bundles[0].manifest.get("parent"), None);
    }
}

#[test]
fn ids_of_any_characters_reach_the_child() {
    if role().is_some() {
        return child_program();
    }
    let odd = "a\n\"b\"\\\u{0}=\u{1f980};$(x)\u{202e}\r'% ";
    let (root, recorder, _guard) = recorder();
    let child = run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id(odd));
        thread.turn(None).tool_call(ToolCallMeta::new("n").id(odd)).child_process()
    });
    let value = env(&child)[VARIABLE].to_owned();
    let (output, bundles) =
        run_child("child_processes::ids_of_any_characters_reach_the_child", Some(&value), root.path());
    assert_eq!(messages(&output), [""; 0]);
    let parents: Vec<_> = bundles.iter().map(|bundle| bundle.manifest["parent"].clone()).collect();
    let [first, second] = parents.iter().filter(|parent| !parent.is_null()).collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((first, &first["thread_id"], &first["tool_call_id"]), (second, &json!(odd), &json!(odd)));
    let above = bundles.iter().find(|bundle| bundle.manifest["root_thread_id"] == odd).unwrap();
    assert_eq!(first["bundle"], above.path.file_name().unwrap().to_str().unwrap());
}
