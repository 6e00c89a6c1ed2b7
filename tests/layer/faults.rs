//! Tests of faults during a recording: the host continues and the bundle stays readable.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, Durability, Exact, Json, Lost, Model, Operation, PayloadKind, Recorder,
    Store, ThreadMeta, ToolCallMeta,
};
use serde::ser::{Error, Serialize, Serializer};
use serde_json::{Value, json};
use tracing::span::{Attributes, Id};
use tracing::subscriber::with_default;
use tracing::{Span, Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::common::{Bundle, bundles, child, record, record_one, recorder, role, run_recorded, wait_until};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// A value whose serialization returns an error.
struct ReturnsError;

impl Serialize for ReturnsError {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("planted error"))
    }
}

/// A value whose serialization panics.
struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("planted panic")
    }
}

/// Records tool calls with results, and causes a fault between them. Returns after the recorder has noticed a loss.
fn record_with_fault(recorder: &Recorder, fault: impl FnOnce(&Path)) {
    let thread = run_recorded(recorder, || AgentThread::start(ThreadMeta::new()));
    let turn = run_recorded(recorder, || thread.turn(None));
    let calls = |count| {
        run_recorded(recorder, || (0..count).for_each(|_| turn.tool_call(ToolCallMeta::new("n")).output("done")))
    };
    calls(10);
    wait_until(|| recorder.stats().events.get("tool_call_ended") == Some(&10));
    fault(&thread.bundle().unwrap());
    calls(500);
    // The loss is noticed while the run is still open.
    wait_until(|| recorder.stats().lost() > 0);
    let stats = recorder.stats();
    assert_eq!(stats.lost_bundles, 0);
    turn.complete();
    thread.complete();
}

#[test]
fn bundle_deleted_during_its_run_is_detected() {
    for (store, durability) in [
        (Store::Files, Durability::PageCache),
        (Store::Pack, Durability::PageCache),
        (Store::Pack, Durability::Buffered),
    ] {
        let root = tempfile::tempdir().unwrap();
        let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
        let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
        record_with_fault(&recorder, |bundle| fs::remove_dir_all(bundle).unwrap());
        drop(guard);
        let stats = recorder.stats();
        let undetected = stats.events["tool_call_ended"] - 10;
        assert!(undetected < 40, "{store:?} {durability:?}: {stats:?}");
        assert_eq!(stats.lost_bundles, 1);
    }
}

#[test]
fn pack_deleted_during_a_run_is_detected_and_logged() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().store(Store::Pack);
    let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
    record_with_fault(&recorder, |bundle| fs::remove_file(bundle.join("payloads.pack")).unwrap());
    drop(guard);
    let stats = recorder.stats();
    assert!(stats.lost_payloads["tool_result"] > 460, "{stats:?}");
    assert_eq!(stats.lost_bundles, 1);
    let bundle = fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    let gaps: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("recording_gap"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lost: u64 = gaps.iter().map(|gap| gap["payload"]["metadata"]["lost"].as_u64().unwrap()).sum();
    assert_eq!(lost, stats.lost());
}

#[test]
fn failed_encoding_stores_its_error_and_keeps_the_event() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let inference = turn.inference(MODEL);
        inference.request(Json(&ReturnsError));
        inference.response(Json(&[Panics]));
        drop(inference);
        turn.tool_call(ToolCallMeta::new("n")).result(Json(&Panics));
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let reason = |name: &str, field: &str| bundle.payload_json(&bundle.event(name)[field])["otel_trace.lost"].clone();
    assert_eq!(reason("inference_started", "request_payload"), "planted error");
    assert_eq!(reason("inference_completed", "response_payload"), "`Body::encode` panicked: planted panic");
    assert_eq!(bundle.event("tool_call_ended")["status"], "completed");
    let lost = [("inference_request", 1), ("inference_response", 1), ("tool_result", 1)];
    assert_eq!(recorder.stats().lost_bodies, lost.into());
    assert_eq!(bundle.events("other").len(), 0, "the payloads contain the errors");
}

#[test]
fn deleted_directory_loses_only_its_own_contents() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let in_callback = Arc::clone(&reported);
    let root = tempfile::tempdir().unwrap();
    let on_loss = move |loss: &otel_trace::Loss| in_callback.lock().unwrap().push(loss.kind);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().on_loss(on_loss).build().unwrap();
    run_recorded(&recorder, || {
        let first = AgentThread::start(ThreadMeta::new().id("first"));
        fs::remove_dir_all(first.bundle().unwrap()).unwrap();
        let turn = first.turn(None);
        turn.inference(MODEL).request(Json(&1));
        turn.tool_call(ToolCallMeta::new("n")).output("r");
        drop(turn);
        drop(first);
        fs::remove_dir_all(root.path()).unwrap();
        drop(AgentThread::start(ThreadMeta::new().id("second")).turn(None));
    });
    drop(guard);
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1, "the root directory is created again");
    bundles[0].event("codex_turn_ended");
    let stats = recorder.stats();
    assert_eq!(stats.lost_payloads, [("inference_request", 1), ("tool_result", 1)].into());
    assert_eq!(stats.lost_events, [("inference_started", 1)].into());
    assert_eq!(stats.lost_bundles, 1, "the deleted bundle counts as lost");
    let event = Lost::Event(otel_trace::event::EventKind::InferenceStarted);
    let [request, result] = [PayloadKind::InferenceRequest, PayloadKind::ToolResult].map(Lost::Payload);
    assert_eq!(*reported.lock().unwrap(), [request, event, result, Lost::Bundle]);
}

#[test]
fn restored_payload_directory_leaves_a_logged_gap() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let payloads = thread.bundle().unwrap().join("payloads");
        fs::remove_dir(&payloads).unwrap();
        turn.inference(MODEL).request(Json(&1));
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        tool.output("lost");
        fs::create_dir(&payloads).unwrap();
        drop(tool);
        drop(turn.tool_call(ToolCallMeta::new("n")));
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let gaps: Vec<_> =
        bundle.events("other").iter().map(|gap| (gap["kind"].clone(), gap["metadata"].clone())).collect();
    let first = json!({ "lost": 2, "by": { "inference_request": 1, "inference_started": 1 } });
    let second = json!({ "lost": 1, "by": { "tool_result": 1 } });
    assert_eq!(gaps, [first, second].map(|gap| (json!("recording_gap"), gap)));
    assert_eq!(
        bundle.events("tool_call_ended")[0]["status"],
        "completed",
        "the call has a result, although its payload is lost"
    );
    assert_eq!(recorder.stats().lost(), 3);
}

#[test]
fn failed_bundle_creation_encodes_nothing() {
    struct Untouchable;
    impl Body for Untouchable {
        fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
            panic!("encoded although no bundle exists")
        }
    }
    let (root, recorder, guard) = recorder();
    fs::remove_dir(root.path()).unwrap();
    fs::write(root.path(), "a file is in the way").unwrap();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new());
        let tool = thread.turn(None).tool_call(ToolCallMeta::new("n"));
        tool.result(Untouchable);
        drop(tool.spawn_thread(ThreadMeta::new()).turn(None).inference(MODEL));
        thread.complete();
        assert_eq!(thread.bundle(), None);
    });
    drop(guard);
    let stats = recorder.stats();
    assert_eq!((stats.lost(), stats.lost_bundles, stats.events.len()), (1, 1, 0));
    fs::remove_file(root.path()).unwrap();
    fs::create_dir(root.path()).unwrap();
}

/// Runs the program of a child process whose files are limited to 8 KiB: a large payload and a long line are lost,
/// small ones are recorded.
fn record_on_a_full_disk() {
    let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
    let stack = tracing_subscriber::registry().with(recorder.layer());
    with_default(stack, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        turn.inference(MODEL).request(Json(&"x".repeat(100_000)));
        let long = "i".repeat(10_000);
        drop(turn.tool_call(ToolCallMeta::new("n").id(&long)));
        turn.tool_call(ToolCallMeta::new("n").id("short")).output("r");
        // Fills the log, until not even end events fit.
        for _ in 0..100 {
            drop(turn.tool_call(ToolCallMeta::new("n")));
        }
    });
    let lost = recorder.stats().lost_events;
    assert!(lost["tool_call_started"] > 50 && lost["inference_started"] == 1, "{lost:?}");
    drop(guard);
}

#[test]
fn full_disk_loses_what_does_not_fit_and_tears_no_line() {
    if role().is_some() {
        return record_on_a_full_disk();
    }
    let root = tempfile::tempdir().unwrap();
    let this = child("faults::full_disk_loses_what_does_not_fit_and_tears_no_line", "full");
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"]).arg(this.get_program()).args(this.get_args());
    for (name, value) in this.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let output = shell.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let reports: Vec<_> = stderr.lines().filter(|line| line.starts_with("otel-trace:")).collect();
    assert!(matches!(reports[..], [one] if one.contains("tool_call_started")), "not reported exactly once: {stderr}");

    let bundle = &bundles(root.path())[0];
    assert_eq!(bundle.events("inference_started").len(), 0);
    assert!(bundle.events("tool_call_started").iter().any(|started| started["tool_call_id"] == "short"));
    let by = json!({ "inference_request": 1, "inference_started": 1, "tool_call_started": 1 });
    assert_eq!(bundle.events("other")[0]["metadata"], json!({ "lost": 3, "by": by }));
    assert!(fs::metadata(bundle.path.join("trace.jsonl")).unwrap().len() <= 8192);
}

#[test]
fn closed_stderr_causes_no_panic() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        run_recorded(&recorder, || {
            AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&ReturnsError))
        });
        drop(guard);
        assert_eq!(recorder.stats().lost(), 1);
        std::process::exit(7);
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = child("faults::closed_stderr_causes_no_panic", "silent");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.env("OTEL_TRACE_ROOT", root.path()).stderr(writer).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(7));
}

#[test]
fn ids_of_any_characters_are_kept_inside_the_bundle() {
    let ids = ["", "/", "..", "../../x", "a\"b'c\\d", "line\nbreak\r\n", "\0\u{7}", "é\u{202e}𝄞", &"k".repeat(10_000)];
    for id in ids {
        let bundles = record(|| {
            let thread = AgentThread::start(ThreadMeta::new().id(id).agent_path(id).agent_name(id).model(id, id));
            let turn = thread.turn(Some(id.into()));
            let inference = turn.inference(Model { name: id, provider: id });
            inference.response_id(id);
            inference.upstream_request_id(id);
            inference.response(Json(id));
            drop(inference);
            let tool = turn.tool_call(ToolCallMeta::new(id).id(id).arguments(id));
            tool.output(id);
            tool.fail(id);
            // An empty id of a span tells nothing, so that it finds no thread.
            let around = if id.is_empty() { turn.span().clone() } else { Span::none() };
            let agent = info_span!(parent: &around, "agent", gen_ai.operation.name = "invoke_agent",
                gen_ai.conversation.id = id);
            agent.in_scope(|| {
                info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = id, gen_ai.tool.call.id = id)
                    .in_scope(|| {});
            });
        });
        assert_eq!(bundles.len(), 1, "{id:?}");
        check_ids(&bundles[0], id);
    }
}

/// Checks that the events of a bundle contain this id, or a numbered variant of it.
fn check_ids(bundle: &Bundle, id: &str) {
    assert_eq!(bundle.event("thread_started")["thread_id"], id);
    let started = bundle.events("tool_call_started");
    assert_eq!(started[0]["tool_call_id"], id);
    if !id.is_empty() {
        assert_eq!(started[1]["tool_call_id"], format!("{id}#2"));
        assert_eq!(started[1]["model_visible_call_id"], id);
    }
    assert_eq!(bundle.event("inference_completed")["response_id"], id);
    assert_eq!(bundle.events("tool_call_ended")[0]["error"], id);
    assert_eq!(bundle.events("codex_turn_started")[0]["codex_turn_id"], id);
}

/// A layer that passes each close of a span to the inner layer twice.
struct ClosesTwice<L>(L);

impl<S, L> Layer<S> for ClosesTwice<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
{
    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(id.clone(), ctx.clone());
        self.0.on_close(id, ctx);
    }
}

#[test]
fn span_closed_twice_ends_once() {
    let (root, recorder, guard) = recorder();
    with_default(tracing_subscriber::registry().with(ClosesTwice(recorder.layer())), || {
        info_span!("tool", otel_trace.kind = "tool").in_scope(|| {});
    });
    drop(guard);
    bundles(root.path())[0].event("tool_call_ended");
}

/// A value whose `Debug` implementation panics.
struct PanicsInDebug;

impl std::fmt::Debug for PanicsInDebug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("planted")
    }
}

#[test]
fn field_with_a_panicking_debug_is_empty() {
    let bundle = record_one(|| {
        let span =
            info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = ?PanicsInDebug, unknown = ?PanicsInDebug);
        span.in_scope(|| {});
    });
    assert_eq!(bundle.event("tool_call_started")["kind"]["name"], "");
}

#[test]
fn deeply_nested_json_is_kept_as_json() {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    run_recorded(&recorder, || {
        let inference = AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL);
        inference.request(Exact(deep.as_bytes()));
    });
    drop(guard);
    let bundle = root.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(bundle.join("trace.jsonl")).unwrap();
    let started: Value = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["payload"]["type"] == "inference_started")
        .unwrap();
    assert_eq!(started["payload"]["request_payload"]["path"], "payloads/1.json");
    assert_eq!(read(&bundle, "payloads/1.json"), deep);
}

fn read(bundle: &Path, path: &str) -> String {
    fs::read_to_string(bundle.join(path)).unwrap()
}
