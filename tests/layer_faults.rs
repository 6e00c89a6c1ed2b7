//! Whatever goes wrong with a recording, the host goes on and the bundle can be read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use common::{Bundle, bundles, child, record, record_one, recorder, role, under, until};
use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, Durability, Exact, Json, Lost, Model, Operation, PayloadKind, Recorder,
    Store, ThreadMeta, ToolCallMeta,
};
use serde::ser::{Error, Serialize, Serializer};
use serde_json::{Value, json};
use tracing::span::{Attributes, Id};
use tracing::subscriber::with_default;
use tracing::{Subscriber, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

struct Errs;

impl Serialize for Errs {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("planted error"))
    }
}

struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("planted panic")
    }
}

/// A run of so many calls with results, in the midst of which something happens.
fn amid_calls(recorder: &Recorder, trouble: impl FnOnce(&Path)) {
    let thread = under(recorder, || AgentThread::start(ThreadMeta::new()));
    let turn = under(recorder, || thread.turn(None));
    let calls =
        |count| under(recorder, || (0..count).for_each(|_| turn.tool_call(ToolCallMeta::new("n")).output("done")));
    calls(10);
    until(|| recorder.stats().events.get("tool_call_ended") == Some(&10));
    trouble(&thread.bundle().unwrap());
    calls(500);
    // While it goes on.
    until(|| recorder.stats().lost() > 0);
    let stats = recorder.stats();
    assert_eq!(stats.lost_bundles, 0);
    turn.complete();
    thread.complete();
}

#[test]
fn a_bundle_that_is_deleted_amid_its_run_is_missed_before_the_end() {
    for (store, durability) in [
        (Store::Files, Durability::PageCache),
        (Store::Pack, Durability::PageCache),
        (Store::Pack, Durability::Buffered),
    ] {
        let root = tempfile::tempdir().unwrap();
        let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
        let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
        amid_calls(&recorder, |bundle| fs::remove_dir_all(bundle).unwrap());
        drop(guard);
        let stats = recorder.stats();
        let gone = stats.events["tool_call_ended"] - 10;
        assert!(gone < 40, "{store:?} {durability:?}: {stats:?}");
        assert_eq!(stats.lost_bundles, 1);
    }
}

#[test]
fn bodies_that_are_deleted_amid_a_run_are_missed_and_the_log_says_so() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().store(Store::Pack);
    let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
    amid_calls(&recorder, |bundle| fs::remove_file(bundle.join("payloads.pack")).unwrap());
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
fn a_body_that_errs_or_panics_is_its_reason_and_its_event_stands() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let turn = AgentThread::start(ThreadMeta::new()).turn(None);
        let inference = turn.inference(MODEL);
        inference.request(Json(&Errs));
        inference.response(Json(&[Panics]));
        drop(inference);
        turn.tool_call(ToolCallMeta::new("n")).result(Json(&Panics));
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let reason = |name: &str, field: &str| bundle.body(&bundle.one(name)[field])["otel_trace.lost"].clone();
    assert_eq!(reason("inference_started", "request_payload"), "planted error");
    assert_eq!(reason("inference_completed", "response_payload"), "its encoding panicked: planted panic");
    assert_eq!(bundle.one("tool_call_ended")["status"], "completed");
    let lost = [("inference_request", 1), ("inference_response", 1), ("tool_result", 1)];
    assert_eq!(recorder.stats().lost_bodies, lost.into());
    assert_eq!(bundle.all("other").len(), 0, "the bodies say it themselves");
}

#[test]
fn a_directory_that_vanishes_costs_what_was_in_it_and_no_more() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let root = tempfile::tempdir().unwrap();
    let on_loss = move |loss: &otel_trace::Loss| listener.lock().unwrap().push(loss.what);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().on_loss(on_loss).build().unwrap();
    under(&recorder, || {
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
    assert_eq!(bundles.len(), 1, "the directory of bundles is made again");
    bundles[0].one("codex_turn_ended");
    let stats = recorder.stats();
    assert_eq!(stats.lost_payloads, [("inference_request", 1), ("tool_result", 1)].into());
    assert_eq!(stats.lost_events, [("inference_started", 1)].into());
    assert_eq!(stats.lost_bundles, 1, "what was written to the deleted log is gone");
    let event = Lost::Event(otel_trace::event::EventKind::InferenceStarted);
    let [request, result] = [PayloadKind::InferenceRequest, PayloadKind::ToolResult].map(Lost::Payload);
    assert_eq!(*told.lock().unwrap(), [request, event, result, Lost::Bundle]);
}

#[test]
fn a_payload_directory_that_comes_back_leaves_a_gap_that_is_told() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
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
    let gaps: Vec<_> = bundle.all("other").iter().map(|gap| (gap["kind"].clone(), gap["metadata"].clone())).collect();
    let first = json!({ "lost": 2, "by": { "inference_request": 1, "inference_started": 1 } });
    let second = json!({ "lost": 1, "by": { "tool_result": 1 } });
    assert_eq!(gaps, [first, second].map(|gap| (json!("recording_gap"), gap)));
    assert_eq!(bundle.all("tool_call_ended")[0]["status"], "completed", "it was answered, though the answer is lost");
    assert_eq!(recorder.stats().lost(), 3);
}

#[test]
fn where_no_bundle_can_be_made_nothing_is_encoded_and_the_host_goes_on() {
    struct Untouchable;
    impl Body for Untouchable {
        fn encode(&self, _: &mut BodyBuf) -> Result<(), BodyError> {
            panic!("encoded for nobody")
        }
    }
    let (root, recorder, guard) = recorder();
    fs::remove_dir(root.path()).unwrap();
    fs::write(root.path(), "a file is in the way").unwrap();
    under(&recorder, || {
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

/// What a child whose files may have 8 KiB does: a large body is lost, a long line is lost, and what is small is not.
fn under_a_full_disk() {
    let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
    let stack = tracing_subscriber::registry().with(recorder.layer());
    with_default(stack, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        turn.inference(MODEL).request(Json(&"x".repeat(100_000)));
        let long = "i".repeat(10_000);
        drop(turn.tool_call(ToolCallMeta::new("n").id(&long)));
        turn.tool_call(ToolCallMeta::new("n").id("short")).output("r");
        // Until the log itself is full; then there is no room even for ends.
        for _ in 0..100 {
            drop(turn.tool_call(ToolCallMeta::new("n")));
        }
    });
    let lost = recorder.stats().lost_events;
    assert!(lost["tool_call_started"] > 50 && lost["inference_started"] == 1, "{lost:?}");
    drop(guard);
}

#[test]
fn a_full_disk_costs_what_does_not_fit_and_no_line() {
    if role().is_some() {
        return under_a_full_disk();
    }
    let root = tempfile::tempdir().unwrap();
    let this = child("a_full_disk_costs_what_does_not_fit_and_no_line", "full");
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"]).arg(this.get_program()).args(this.get_args());
    for (name, value) in this.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let output = shell.env("OTEL_TRACE_ROOT", root.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let ours: Vec<_> = said.lines().filter(|line| line.starts_with("otel-trace:")).collect();
    assert!(matches!(ours[..], [one] if one.contains("tool_call_started")), "told once: {said}");

    let bundle = &bundles(root.path())[0];
    assert_eq!(bundle.all("inference_started").len(), 0);
    assert!(bundle.all("tool_call_started").iter().any(|started| started["tool_call_id"] == "short"));
    let by = json!({ "inference_request": 1, "inference_started": 1, "tool_call_started": 1 });
    assert_eq!(bundle.all("other")[0]["metadata"], json!({ "lost": 3, "by": by }));
    assert!(fs::metadata(bundle.path.join("trace.jsonl")).unwrap().len() <= 8192);
}

#[test]
fn a_closed_stderr_is_no_reason_to_panic() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        under(&recorder, || AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&Errs)));
        drop(guard);
        assert_eq!(recorder.stats().lost(), 1);
        std::process::exit(7);
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = child("a_closed_stderr_is_no_reason_to_panic", "silent");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command.env("OTEL_TRACE_ROOT", root.path()).stderr(writer).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(7));
}

#[test]
fn ids_with_any_characters_are_kept_and_name_nothing_outside() {
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
            info_span!("agent", gen_ai.operation.name = "invoke_agent", gen_ai.conversation.id = id).in_scope(|| {
                info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = id, gen_ai.tool.call.id = id)
                    .in_scope(|| {});
            });
        });
        assert_eq!(bundles.len(), 1, "{id:?}");
        check_ids(&bundles[0], id);
    }
}

fn check_ids(bundle: &Bundle, id: &str) {
    assert_eq!(bundle.one("thread_started")["thread_id"], id);
    let started = bundle.all("tool_call_started");
    assert_eq!([&started[0]["tool_call_id"], &started[1]["tool_call_id"]], [id, &format!("{id}#2")]);
    assert_eq!(started[1]["model_visible_call_id"], id);
    assert_eq!(bundle.one("inference_completed")["response_id"], id);
    assert_eq!(bundle.all("tool_call_ended")[0]["error"], id);
    assert_eq!(bundle.all("codex_turn_started")[0]["codex_turn_id"], id);
}

/// A layer that tells the one inside of each close twice.
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
fn a_span_that_closes_twice_ends_once() {
    let (root, recorder, guard) = recorder();
    with_default(tracing_subscriber::registry().with(ClosesTwice(recorder.layer())), || {
        info_span!("tool", otel_trace.kind = "tool").in_scope(|| {});
    });
    drop(guard);
    bundles(root.path())[0].one("tool_call_ended");
}

struct BadDebug;

impl std::fmt::Debug for BadDebug {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("planted")
    }
}

#[test]
fn a_field_that_panics_while_it_is_shown_says_nothing() {
    let bundle = record_one(|| {
        let span = info_span!("tool", otel_trace.kind = "tool", gen_ai.tool.name = ?BadDebug, unknown = ?BadDebug);
        span.in_scope(|| {});
    });
    assert_eq!(bundle.one("tool_call_started")["kind"]["name"], "");
}

#[test]
fn deep_json_is_kept_and_nothing_but_json_is_said_to_be() {
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    under(&recorder, || {
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
