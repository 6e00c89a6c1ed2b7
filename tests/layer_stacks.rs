//! A recorder's layer works wherever a layer can be put in a subscriber.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use common::{Bundle, bundles, child, recorder, role};
use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tracing::subscriber::with_default;
use tracing::{Level, Subscriber, debug_span, event, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

/// What the programs below leave.
const EVENTS: [&str; 12] = [
    "rollout_started",
    "thread_started",
    "codex_turn_started",
    "inference_started",
    "inference_completed",
    "tool_call_started",
    "tool_call_ended",
    "tool_call_started",
    "tool_call_ended",
    "codex_turn_ended",
    "thread_ended",
    "rollout_ended",
];

/// Typed handles, and a plain span below one.
fn program() {
    let thread = AgentThread::start(ThreadMeta::new().id("t"));
    let turn = thread.turn(None);
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.request(Json(&json!({ "input": [] })));
    inference.response(Json(&json!({ "output_items": [] })));
    drop(inference);
    let tool = turn.tool_call(ToolCallMeta::new("bash").id("c-1"));
    tool.output("ok");
    drop(tool);
    turn.span().in_scope(|| {
        let tool = info_span!("tool", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = "find");
        tool.in_scope(|| tracing::error!("for fmt alone"));
    });
}

/// The bundle of [`program`] under the subscriber that `stack` builds around the recorder.
#[track_caller]
fn check<S: Subscriber + Send + Sync>(stack: impl FnOnce(&Recorder) -> S) -> Bundle {
    let (root, recorder, guard) = recorder();
    with_default(stack(&recorder), program);
    drop(guard);
    let mut bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1);
    assert_eq!(bundles[0].names(), EVENTS);
    bundles.remove(0)
}

/// What `fmt` wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn it_works_with_and_without_a_filter_of_its_own() {
    check(|recorder| registry().with(recorder.layer()));
    check(|recorder| registry().with(recorder.layer().with_filter(recorder.filter())));
}

#[test]
fn it_works_beside_fmt_with_a_filter_of_fmts_own() {
    for directive in ["error", "off", "trace", "layer_stacks=warn"] {
        let written = Written::default();
        macro_rules! fmt {
            () => {
                fmt::layer().with_writer(written.clone()).with_filter(EnvFilter::new(directive))
            };
        }
        check(|recorder| registry().with(fmt!()).with(recorder.layer().with_filter(recorder.filter())));
        check(|recorder| registry().with(recorder.layer().with_filter(recorder.filter())).with(fmt!()));
        check(|recorder| registry().with(recorder.layer()).with(fmt!()));
        assert_eq!(written.text().contains("for fmt alone"), directive != "off", "{directive}");
    }
}

#[test]
fn it_works_as_an_option_in_a_vec_and_boxed() {
    check(|recorder| registry().with(Some(recorder.layer().with_filter(recorder.filter()))));
    check(|recorder| registry().with(vec![recorder.layer().with_filter(recorder.filter())]));
    check(|recorder| registry().with(recorder.layer().with_filter(recorder.filter()).boxed()));
    check(|recorder| registry().with(vec![fmt::layer().with_writer(std::io::sink).boxed(), recorder.layer().boxed()]));
}

#[test]
fn it_works_inside_reload() {
    check(|recorder| registry().with(reload::Layer::new(recorder.layer()).0));
    check(|recorder| registry().with(reload::Layer::new(recorder.layer().with_filter(recorder.filter()).boxed()).0));
}

#[test]
fn an_absent_layer_records_nothing_and_handles_are_inert() {
    let (root, recorder, guard) = recorder();
    let none = Some(recorder.layer::<Registry>()).filter(|_| false);
    with_default(registry().with(none), || {
        program();
        assert!(!AgentThread::start(ThreadMeta::new()).is_recording());
    });
    drop(guard);
    assert_eq!(bundles(root.path()).len(), 0);
}

#[test]
fn two_recorders_in_one_subscriber_record_the_same_without_disturbing_each_other() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let stack = registry().with(a.layer().with_filter(a.filter())).with(b.layer());
    with_default(stack, || {
        program();
        let thread = AgentThread::start(ThreadMeta::new().id("u"));
        drop(guard_a);
        assert!(thread.is_recording(), "the other one still records");
        drop(thread.turn(None));
    });
    drop(guard_b);
    let [a, b] = [bundles(root_a.path()), bundles(root_b.path())];
    assert_eq!([a[0].names(), b[0].names()], [EVENTS; 2]);
    assert_eq!(a[1].names(), ["rollout_started", "thread_started", "thread_ended", "rollout_ended"]);
    assert_eq!(b[1].names().len(), 6);
    assert_eq!([&a[1], &b[1]].map(|bundle| bundle.one("thread_ended")["status"].clone()), ["aborted", "completed"]);
}

#[test]
fn one_recorder_installed_twice_records_once() {
    check(|recorder| registry().with(recorder.layer()).with(recorder.layer()));
    let (root, recorder, guard) = recorder();
    with_default(registry().with(recorder.layer()).with(recorder.layer()), || {
        let _thread = info_span!("thread", otel_trace.kind = "thread").entered();
        let arguments = r#"{"a":1}"#;
        let tool = info_span!(
            "tool",
            otel_trace.kind = "tool",
            gen_ai.tool.name = "n",
            gen_ai.tool.call.id = "c",
            gen_ai.tool.call.arguments = arguments,
            gen_ai.tool.call.result = tracing::field::Empty,
        );
        tool.in_scope(|| event!(target: "otel_trace", Level::INFO, otel_trace.event = "tool_call_runtime_started"));
        tool.record("gen_ai.tool.call.result", "done");
    });
    drop(guard);
    let bundle = bundles(root.path()).remove(0);
    let tool = ["tool_call_started", "tool_call_runtime_started", "tool_call_ended"];
    assert_eq!(tool.map(|name| bundle.all(name).len()), [1, 1, 1]);
    assert_eq!(bundle.one("tool_call_ended")["status"], "completed");
}

/// What the child of this test says on stderr, and the bundles it leaves.
fn in_child(test: &str, role: &str, root: Option<&std::path::Path>) -> (String, Vec<Bundle>) {
    let mut command = child(test, role);
    let output = command.envs(root.map(|root| ("OTEL_TRACE_ROOT", root))).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let of_ours = said.lines().filter(|line| line.starts_with("otel-trace:")).collect::<Vec<_>>().join("\n");
    (of_ours, root.map_or(vec![], bundles))
}

#[test]
fn spans_below_info_are_of_no_interest_to_the_filter() {
    // A callsite's interest is shared by all subscribers of a process: this one wants to be alone.
    if role().is_some() {
        let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
        registry().with(recorder.layer().with_filter(recorder.filter())).init();
        assert_eq!(LevelFilter::current(), LevelFilter::INFO);
        let chat = debug_span!("chat", gen_ai.operation.name = "chat");
        assert!(chat.is_disabled());
        return chat.in_scope(|| {});
    }
    let root = tempfile::tempdir().unwrap();
    let (said, left) = in_child("spans_below_info_are_of_no_interest_to_the_filter", "alone", Some(root.path()));
    assert_eq!((said.as_str(), left.len()), ("", 0));
}

#[test]
fn the_environment_turns_recording_on_and_empty_is_off() {
    if let Some(role) = role() {
        let recording = Recorder::from_env().unwrap();
        assert_eq!(recording.is_some(), role == "on");
        let layer = recording.as_ref().map(|(recorder, _)| recorder.layer().with_filter(recorder.filter()));
        registry().with(layer).init();
        return program();
    }
    let test = "the_environment_turns_recording_on_and_empty_is_off";
    let root = tempfile::tempdir().unwrap();
    let (said, left) = in_child(test, "on", Some(root.path()));
    assert_eq!((said.as_str(), left.len()), ("", 1));
    assert_eq!(left[0].names(), EVENTS);
    in_child(test, "off", None);
    let empty = child(test, "off").env("OTEL_TRACE_ROOT", "").output().unwrap();
    assert!(empty.status.success(), "{empty:?}");
}

#[test]
fn without_a_directory_the_builder_says_what_to_do() {
    if role().is_some() {
        let error = Recorder::builder().build().unwrap_err().to_string();
        assert!(error.contains("no directory to record to") && error.contains("OTEL_TRACE_ROOT"), "{error}");
        return;
    }
    in_child("without_a_directory_the_builder_says_what_to_do", "none", None);
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Recorder::builder().root(file.path().join("below")).build().unwrap_err();
    assert!(error.to_string().contains("can't be made"), "{error}");
}

#[test]
fn a_filter_in_front_of_everything_is_told_of_in_one_line() {
    let test = "a_filter_in_front_of_everything_is_told_of_in_one_line";
    let Some(role) = role() else {
        let root = tempfile::tempdir().unwrap();
        let (said, left) = in_child(test, "layer_stacks=info", Some(root.path()));
        assert!(said.contains("a filter on the whole subscriber disables the spans of typed handles"), "{said}");
        assert_eq!((said.lines().count(), left.len()), (1, 0));

        let (said, left) = in_child(test, "info", Some(root.path()));
        assert_eq!((said.as_str(), left.len()), ("", 2), "two threads, and no filter that is in the way");
        return;
    };
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    registry().with(EnvFilter::new(role)).with(recorder.layer()).init();
    for _ in 0..2 {
        drop(AgentThread::start(ThreadMeta::new()));
    }
}

#[test]
fn a_recorder_that_records_nothing_says_what_was_forgotten() {
    if let Some(role) = role() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        if role == "no layer" {
            return drop(AgentThread::start(ThreadMeta::new()));
        }
        // As `let (recorder, _) = …` does.
        drop(guard);
        return common::under(&recorder, || {
            drop((AgentThread::start(ThreadMeta::new()), AgentThread::start(ThreadMeta::new())))
        });
    }
    let test = "a_recorder_that_records_nothing_says_what_was_forgotten";
    for (role, said) in [("no layer", "no layer of the recorder was ever made"), ("early", "keep the guard until")] {
        let root = tempfile::tempdir().unwrap();
        let (stderr, bundles) = in_child(test, role, Some(root.path()));
        assert!(bundles.is_empty());
        assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
    }
}
