//! A process is told who spawned it, and both sides write that down.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use common::{Bundle, bundles, child, record, recorder, role, under};
use otel_trace::bundle::Reader;
use otel_trace::event::ParentProcess;
use otel_trace::{
    AgentThread, ChildProcess, CodeCellMeta, Model, Operation, Recorder, SpanExt, ThreadMeta, ToolCall, ToolCallMeta,
    Turn,
};
use serde_json::{Value, json};
use tracing::info_span;
use tracing_subscriber::prelude::*;

const VARIABLE: &str = otel_trace::layer::PARENT_VARIABLE;

fn env(child: &ChildProcess) -> BTreeMap<&'static str, &OsStr> {
    child.env().collect()
}

/// The variable's value, read.
fn told(child: &ChildProcess) -> ParentProcess {
    ParentProcess::of_text(child.parent().unwrap()).unwrap()
}

fn turn() -> (AgentThread, Turn) {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(Some("u".into()));
    (thread, turn)
}

fn tool() -> (AgentThread, ToolCall) {
    let (thread, turn) = turn();
    (thread, turn.tool_call(ToolCallMeta::new("ask").id("call-1")))
}

/// The lines that tell of processes, as (thread, turn, metadata).
fn spawned(bundle: &Bundle) -> Vec<[&Value; 3]> {
    let lines = bundle.lines.iter().filter(|line| line["payload"]["kind"] == "process_spawned");
    lines.map(|line| [&line["thread_id"], &line["codex_turn_id"], &line["payload"]["metadata"]]).collect()
}

/// The metadata of a bundle's root thread.
fn metadata(bundle: &Bundle) -> Value {
    bundle.body(&bundle.all("thread_started")[0]["metadata_payload"])
}

#[test]
fn the_tool_call_that_spawns_a_process_tells_it_and_writes_it_down_at_once() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let (thread, tool) = tool();
        let child = tool.child_process();
        let bundle = Bundle::read(&thread.bundle().unwrap());
        let parent = told(&child);
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
        assert_ne!(told(&tool.child_process()).child_thread_id, parent.child_thread_id, "one for each process");
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
}

#[test]
fn any_window_may_spawn_a_process() {
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
        let tools = children.map(|child| told(&child).tool_call_id.map(|id| id.to_string()));
        assert_eq!(tools, [None, None, None, None, Some("x".to_owned())]);
    });
    let spawned = spawned(&bundles[0]);
    assert_eq!(spawned.len(), 5);
    assert_eq!((spawned[0][1], spawned[1][1]), (&Value::Null, &json!("u")));
}

#[test]
fn a_plain_span_may_spawn_a_process() {
    let bundles = record(|| {
        let span = info_span!(
            "execute_tool",
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = "ask",
            gen_ai.tool.call.id = "call-1",
        );
        let child = span.in_scope(|| tracing::Span::current().otel_trace().child_process());
        assert_eq!(told(&child).tool_call_id, Some("call-1".into()));
        assert_eq!(info_span!("says nothing of what it is").otel_trace().child_process().env().count(), 0);
    });
    assert_eq!(spawned(&bundles[0])[0][2]["tool_call_id"], "call-1");
    assert_eq!(
        bundles[0].names()[2..],
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
fn where_nothing_records_the_environment_is_empty() {
    let nobody = |child: ChildProcess| assert_eq!((child.env().count(), child.parent()), (0, None));
    nobody(tool().1.child_process());
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let (_thread, tool) = tool();
        drop(guard);
        nobody(tool.child_process());
    });
    assert_eq!(spawned(&bundles(root.path())[0]).len(), 0);
}

#[test]
fn the_first_recorder_that_records_speaks_for_the_process() {
    let ((root_a, a, guard_a), (root_b, b, _guard_b)) = (recorder(), recorder());
    let stack = tracing_subscriber::registry().with(a.layer()).with(b.layer());
    tracing::subscriber::with_default(stack, || {
        let (_thread, tool) = tool();
        assert_eq!(env(&tool.child_process())["OTEL_TRACE_ROOT"], root_a.path());
        drop(guard_a);
        assert_eq!(env(&tool.child_process())["OTEL_TRACE_ROOT"], root_b.path());
    });
    let counts = [root_a, root_b].map(|root| spawned(&bundles(root.path())[0]).len());
    assert_eq!(counts, [1, 1], "nobody tells of a child that it did not tell");
}

#[test]
fn ids_too_long_for_an_environment_cost_the_child_its_parent_and_nothing_else() {
    let (_root, recorder, _guard) = recorder();
    under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id(&"t".repeat(20_000)));
        let child = thread.child_process();
        let mut command = Command::new(std::env::current_exe().unwrap());
        assert!(command.arg("--list").envs(child.env()).output().unwrap().status.success());
        assert_eq!(child.env().count(), 0);
    });
    assert_eq!(recorder.stats().lost(), 1, "{:?}", recorder.stats());
}

/// What a process with this parent leaves: one of its own making, in this process.
fn left(parent: Option<&str>, program: impl FnOnce()) -> Vec<Bundle> {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path());
    let builder = match parent {
        Some(parent) => builder.parent(parent),
        None => builder.no_parent(),
    };
    let (recorder, guard) = builder.build().unwrap();
    under(&recorder, program);
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    bundles(root.path())
}

/// A parent, and the value that names it.
fn some_parent() -> (ParentProcess, String) {
    let parent = ParentProcess {
        trace_id: "trace".into(),
        bundle: "trace-trace-t".into(),
        thread_id: "above".into(),
        tool_call_id: Some("x".into()),
        child_thread_id: "made".into(),
        depth: 3,
    };
    let value = parent.to_text();
    (parent, value)
}

#[test]
fn the_first_root_thread_takes_the_id_and_every_bundle_names_the_parent() {
    let (parent, value) = some_parent();
    let bundles = left(Some(&value), || {
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
        assert_eq!(bundle.all("thread_started")[0]["agent_path"], "/root");
    }
    let ids: Vec<_> = bundles.iter().map(|bundle| bundle.manifest["root_thread_id"].clone()).collect();
    assert!(ids[0] != "made" && ids[1] == "made", "{ids:?}");
    // A thread of the bundle is spawned by one of the bundle, one further down.
    let spawned = bundles[1].body(&bundles[1].all("thread_started")[1]["metadata_payload"]);
    let spawn = &spawned["session_source"]["subagent"]["thread_spawn"];
    assert_eq!((&spawn["parent_thread_id"], &spawn["depth"]), (&json!("made"), &json!(4)));
}

#[test]
fn a_first_thread_that_the_program_names_forgoes_the_id() {
    let (_, value) = some_parent();
    let bundles = left(Some(&value), || {
        drop(AgentThread::start(ThreadMeta::new().id("mine")));
        drop(AgentThread::start(ThreadMeta::new()));
    });
    let of = |bundle: &Bundle| bundle.manifest["root_thread_id"].clone();
    assert!(of(&bundles[0]) != "made" && of(&bundles[1]) == "mine", "no later thread is the one it was made for");
    assert!(bundles.iter().all(|bundle| bundle.manifest["parent"]["child_thread_id"] == "made"));
}

#[test]
fn a_thread_of_plain_spans_takes_the_id_too() {
    let (_, value) = some_parent();
    let chat = || drop(info_span!("chat", gen_ai.operation.name = "chat", gen_ai.request.model = "m").entered());
    let agent = || drop(info_span!("agent", otel_trace.kind = "thread").entered());
    for program in [&chat as &dyn Fn(), &agent] {
        let bundles = left(Some(&value), program);
        assert_eq!(bundles[0].manifest["root_thread_id"], "made");
        assert_eq!(metadata(&bundles[0])["thread_id"], "made");
    }
}

#[test]
fn without_a_parent_nothing_is_said_of_one() {
    let bundles = left(None, || drop(AgentThread::start(ThreadMeta::new())));
    assert_eq!(bundles[0].manifest.get("parent"), None);
    assert_eq!(bundles[0].one("thread_started")["metadata_payload"], Value::Null);
}

/// A child process with a thread of its own, as its environment says, and what it left.
fn in_child(test: &str, parent: Option<&OsStr>, root: &Path) -> (Output, Vec<Bundle>) {
    let mut command = child(test, "child");
    let output = command.env("OTEL_TRACE_ROOT", root).envs(parent.map(|value| (VARIABLE, value))).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (output, bundles(root))
}

fn a_child() {
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    under(&recorder, || {
        for _ in 0..2 {
            drop(AgentThread::start(ThreadMeta::new()));
        }
    });
}

/// What of ours a process said on stderr.
fn said(output: &Output) -> Vec<&str> {
    let said = str::from_utf8(&output.stderr).unwrap();
    said.lines().filter(|line| line.starts_with("otel-trace:")).collect()
}

#[test]
fn a_value_that_can_not_be_read_is_told_once_and_recording_goes_on() {
    if role().is_some() {
        return a_child();
    }
    let test = "a_value_that_can_not_be_read_is_told_once_and_recording_goes_on";
    let mut values = vec![OsStr::new("garbage"), OsStr::new(r#"{"trace_id":"t"}"#)];
    #[cfg(unix)]
    values.push(std::os::unix::ffi::OsStrExt::from_bytes(b"\xff{}"));
    for value in values {
        let root = tempfile::tempdir().unwrap();
        let (output, bundles) = in_child(test, Some(value), root.path());
        let [line] = said(&output)[..] else { panic!("{output:?}") };
        for word in [VARIABLE, root.path().to_str().unwrap(), "Command::envs", "unset"] {
            assert!(line.contains(word), "{word} is not in {line}");
        }
        assert_eq!(bundles.len(), 2);
        assert!(bundles.iter().all(|bundle| bundle.manifest.get("parent").is_none()));
    }
    // By code, likewise: the host goes on.
    assert_eq!(left(Some("garbage"), || drop(AgentThread::start(ThreadMeta::new())))[0].manifest.get("parent"), None);
}

#[test]
fn an_empty_value_is_none() {
    if role().is_some() {
        return a_child();
    }
    for value in [None, Some(OsStr::new(""))] {
        let root = tempfile::tempdir().unwrap();
        let (output, bundles) = in_child("an_empty_value_is_none", value, root.path());
        assert_eq!(said(&output), [""; 0]);
        assert_eq!(bundles[0].manifest.get("parent"), None);
    }
}

#[test]
fn ids_of_any_characters_reach_the_child() {
    if role().is_some() {
        return a_child();
    }
    let odd = "a\n\"b\"\\\u{0}=\u{1f980};$(x)\u{202e}\r'% ";
    let (root, recorder, _guard) = recorder();
    let child = under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id(odd));
        thread.turn(None).tool_call(ToolCallMeta::new("n").id(odd)).child_process()
    });
    let value = env(&child)[VARIABLE].to_owned();
    let (output, bundles) = in_child("ids_of_any_characters_reach_the_child", Some(&value), root.path());
    assert_eq!(said(&output), [""; 0]);
    let parents: Vec<_> = bundles.iter().map(|bundle| bundle.manifest["parent"].clone()).collect();
    let [first, second] = parents.iter().filter(|parent| !parent.is_null()).collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((first, &first["thread_id"], &first["tool_call_id"]), (second, &json!(odd), &json!(odd)));
    let above = bundles.iter().find(|bundle| bundle.manifest["root_thread_id"] == odd).unwrap();
    assert_eq!(first["bundle"], above.path.file_name().unwrap().to_str().unwrap());
}
