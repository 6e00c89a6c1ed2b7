//! Tests of the layer in every position and wrapper that a subscriber supports.

use std::io::Write;
use std::sync::{Arc, Mutex};

use otel_trace::{AgentThread, Json, Model, Operation, Recorder, ThreadMeta, ToolCallMeta};
use serde_json::json;
use tracing::subscriber::with_default;
use tracing::{Level, Subscriber, debug_span, event, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

use crate::common::{Bundle, bundles, child, recorder, role};

/// Names of the events that [`program`] records.
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

/// Records operations with typed handles, and a plain span below a handle.
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

/// Records [`program`] under the subscriber that `stack` builds with a recorder. Checks and returns its bundle.
#[track_caller]
fn check<S: Subscriber + Send + Sync>(stack: impl FnOnce(&Recorder) -> S) -> Bundle {
    let (root, recorder, guard) = recorder();
    with_default(stack(&recorder), program);
    drop(guard);
    let mut bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1);
    assert_eq!(bundles[0].event_names(), EVENTS);
    bundles.remove(0)
}

/// A shared buffer to which `fmt` writes.
#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for SharedBuffer {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl SharedBuffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn layer_works_with_and_without_its_own_filter() {
    check(|recorder| registry().with(recorder.layer()));
    check(|recorder| registry().with(recorder.layer().with_filter(recorder.filter())));
}

#[test]
fn layer_works_beside_a_filtered_fmt_layer() {
    for directive in ["error", "off", "trace", "layer::stacks=warn"] {
        let written = SharedBuffer::default();
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
fn layer_works_as_option_vec_and_box() {
    check(|recorder| registry().with(Some(recorder.layer().with_filter(recorder.filter()))));
    check(|recorder| registry().with(vec![recorder.layer().with_filter(recorder.filter())]));
    check(|recorder| registry().with(recorder.layer().with_filter(recorder.filter()).boxed()));
    check(|recorder| registry().with(vec![fmt::layer().with_writer(std::io::sink).boxed(), recorder.layer().boxed()]));
}

#[test]
fn layer_works_inside_reload() {
    check(|recorder| registry().with(reload::Layer::new(recorder.layer()).0));
    check(|recorder| registry().with(reload::Layer::new(recorder.layer().with_filter(recorder.filter()).boxed()).0));
}

#[test]
fn absent_layer_records_nothing_and_handles_are_inert() {
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
fn two_recorders_in_one_subscriber_are_independent() {
    let ((root_a, a, guard_a), (root_b, b, guard_b)) = (recorder(), recorder());
    let stack = registry().with(a.layer().with_filter(a.filter())).with(b.layer());
    with_default(stack, || {
        program();
        let thread = AgentThread::start(ThreadMeta::new().id("u"));
        drop(guard_a);
        assert!(thread.is_recording(), "the second recorder stopped, too");
        drop(thread.turn(None));
    });
    drop(guard_b);
    let [a, b] = [bundles(root_a.path()), bundles(root_b.path())];
    assert_eq!([a[0].event_names(), b[0].event_names()], [EVENTS; 2]);
    assert_eq!(a[1].event_names(), ["rollout_started", "thread_started", "thread_ended", "rollout_ended"]);
    assert_eq!(b[1].event_names().len(), 6);
    assert_eq!([&a[1], &b[1]].map(|bundle| bundle.event("thread_ended")["status"].clone()), ["completed", "completed"]);
}

#[test]
fn recorder_installed_twice_records_once() {
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
    assert_eq!(tool.map(|name| bundle.events(name).len()), [1, 1, 1]);
    assert_eq!(bundle.event("tool_call_ended")["status"], "completed");
}

/// Runs a child process with this role. Returns the messages of the recorder on stderr, and the bundles under `root`.
fn run_child(test: &str, role: &str, root: Option<&std::path::Path>) -> (String, Vec<Bundle>) {
    let mut command = child(test, role);
    let output = command.envs(root.map(|root| ("OTEL_TRACE_ROOT", root))).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let messages = stderr.lines().filter(|line| line.starts_with("otel-trace:")).collect::<Vec<_>>().join("\n");
    (messages, root.map_or(vec![], bundles))
}

#[test]
fn filter_disables_spans_below_info() {
    // All subscribers of a process share the interest of a callsite: this test needs a process without others.
    if role().is_some() {
        let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
        registry().with(recorder.layer().with_filter(recorder.filter())).init();
        assert_eq!(LevelFilter::current(), LevelFilter::INFO);
        let chat = debug_span!("chat", gen_ai.operation.name = "chat");
        assert!(chat.is_disabled());
        return chat.in_scope(|| {});
    }
    let root = tempfile::tempdir().unwrap();
    let (messages, bundles) = run_child("stacks::filter_disables_spans_below_info", "alone", Some(root.path()));
    assert!(messages.contains("the layer received no span of an operation"), "{messages}");
    assert_eq!((messages.lines().count(), bundles.len()), (1, 0));
}

#[test]
fn environment_turns_recording_on_unless_empty() {
    if let Some(role) = role() {
        let recording = Recorder::from_env().unwrap();
        assert_eq!(recording.is_some(), role == "on");
        let layer = recording.as_ref().map(|(recorder, _)| recorder.layer().with_filter(recorder.filter()));
        registry().with(layer).init();
        return program();
    }
    let test = "stacks::environment_turns_recording_on_unless_empty";
    let root = tempfile::tempdir().unwrap();
    let (messages, bundles) = run_child(test, "on", Some(root.path()));
    assert_eq!((messages.as_str(), bundles.len()), ("", 1));
    assert_eq!(bundles[0].event_names(), EVENTS);
    run_child(test, "off", None);
    let empty = child(test, "off").env("OTEL_TRACE_ROOT", "").output().unwrap();
    assert!(empty.status.success(), "{empty:?}");
}

#[test]
fn builder_error_without_a_root_names_the_remedy() {
    if role().is_some() {
        let error = Recorder::builder().build().unwrap_err().to_string();
        assert!(error.contains("no directory to record to") && error.contains("OTEL_TRACE_ROOT"), "{error}");
        return;
    }
    run_child("stacks::builder_error_without_a_root_names_the_remedy", "none", None);
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Recorder::builder().root(file.path().join("below")).build().unwrap_err();
    assert!(error.to_string().contains("cannot be created"), "{error}");
}

#[test]
fn global_filter_that_disables_handles_is_reported_once() {
    let test = "stacks::global_filter_that_disables_handles_is_reported_once";
    let Some(role) = role() else {
        let root = tempfile::tempdir().unwrap();
        // In any order of the layers.
        for role in ["before layer::stacks=info", "behind layer::stacks=info"] {
            let (messages, bundles) = run_child(test, role, Some(root.path()));
            let message =
                "a filter on the whole subscriber disables spans that would be recorded: those of typed handles";
            assert!(messages.contains(message), "{role}: {messages}");
            assert!(messages.contains("the layer received no span of an operation"), "{role}: {messages}");
            assert_eq!((messages.lines().count(), bundles.len()), (2, 0), "{role}");
        }

        let (messages, bundles) = run_child(test, "behind info", Some(root.path()));
        assert_eq!((messages.as_str(), bundles.len()), ("", 2), "two threads are recorded and no filter is reported");
        return;
    };
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    match role.split_once(' ').unwrap() {
        ("before", filter) => registry().with(recorder.layer()).with(EnvFilter::new(filter)).init(),
        (_, filter) => registry().with(EnvFilter::new(filter)).with(recorder.layer()).init(),
    }
    for _ in 0..2 {
        drop(AgentThread::start(ThreadMeta::new()));
    }
}

#[test]
fn recorder_that_records_nothing_reports_the_likely_cause() {
    if let Some(role) = role() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        if role == "no layer" {
            return drop(AgentThread::start(ThreadMeta::new()));
        }
        if role == "no operation" {
            return crate::common::run_recorded(&recorder, || info_span!("request").in_scope(|| {}));
        }
        // `let (recorder, _) = …` drops the guard in the same way.
        drop(guard);
        return crate::common::run_recorded(&recorder, || {
            drop((AgentThread::start(ThreadMeta::new()), AgentThread::start(ThreadMeta::new())))
        });
    }
    let test = "stacks::recorder_that_records_nothing_reports_the_likely_cause";
    let messages = [
        ("no layer", "no layer of the recorder was created while its guard lived"),
        ("no operation", "the layer received no span of an operation"),
        ("early", "keep the guard until"),
    ];
    for (role, message) in messages {
        let root = tempfile::tempdir().unwrap();
        let (stderr, bundles) = run_child(test, role, Some(root.path()));
        assert!(bundles.is_empty());
        assert_eq!(stderr.matches(message).count(), 1, "{stderr}");
    }
}
