//! Bounds: of one bundle, and of all bundles under a root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use common::{Bundle, bundles, child, role, running, under, until};
use otel_trace::bundle::Reader;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, Bounds, CellStatus, CodeCellMeta, Durability, Exact, ExecutionStatus, Json, Limits, Model, Operation,
    Recorder, RecorderGuard, Stats, Store, ThreadMeta, ToolCallMeta,
};
use serde_json::{Value, json};
use tracing_subscriber::prelude::*;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// How long all files below a directory are together.
fn bytes_below(path: &Path) -> u64 {
    let entries = path.read_dir().unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

fn asked(text: &str) -> Value {
    json!({ "input": [{ "type": "message", "role": "user", "content": text }] })
}

fn answered(text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text }]);
    json!({ "output": [{ "type": "message", "role": "assistant", "content": content }] })
}

/// A run that goes on and on: it asks, and calls a tool, so many times.
fn long_run(rounds: usize) {
    let thread = AgentThread::start(ThreadMeta::new().id("long"));
    let turn = thread.turn(None);
    for round in 0..rounds {
        let call = turn.inference(MODEL);
        call.request(Json(&asked(&format!("{round} {}", "x".repeat(1000)))));
        call.response(Json(&answered(&format!("{round} {}", "y".repeat(1000)))));
        call.complete();
        let tool = turn.tool_call(ToolCallMeta::new("read").arguments(&"z".repeat(1000)));
        tool.output(&"w".repeat(5000));
    }
}

/// Records a long run, with one call of each kind that begins before the bundle is full and ends after.
#[track_caller]
fn long_run_within(bounds: Bounds, store: Store, durability: Durability) -> (u64, usize, Stats) {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().bundle(bounds);
    let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
    let (recorder, guard) = builder.limits(limits).on_loss(|_| {}).build().unwrap();
    under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("long"));
        let turn = thread.turn(None);
        let call = turn.inference(MODEL);
        call.request(Json(&asked("first")));
        let tool = turn.tool_call(ToolCallMeta::new("slow").arguments("{}"));
        tool.runtime_started(Json(&json!({ "command": ["true"], "cwd": "/" })));
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("cell").call_id("call"));
        turn.span().in_scope(|| long_run(300));
        call.response(Json(&answered(&"a".repeat(100_000))));
        call.complete();
        tool.runtime_started(Json(&json!({ "command": ["again"], "cwd": "/" })));
        tool.runtime_ended(ExecutionStatus::Completed, Json(&json!({ "exit_code": 0, "stdout": "", "stderr": "" })));
        cell.responded(CellStatus::Yielded, Json(&json!({ "response": {} })));
        cell.ended(CellStatus::Completed, Json(&json!({ "response": {} })));
        tool.output(&"b".repeat(100_000));
    });
    drop(guard);
    let mut bundles = bundles(root.path());
    assert_eq!(bundles.len(), 1);
    let bundle = bundles.remove(0);
    let graph = reduce(&Reader::open(&bundle.path).unwrap(), &Options::default()).unwrap().graph;
    assert_eq!(running(&graph), 0, "what has begun ends in it");
    // Of the one answer that was cut, nothing else is missing.
    let skipped: Vec<_> = graph.diagnostics.iter().filter(|told| told.severity == Severity::Skipped).collect();
    assert!(skipped.iter().all(|told| told.message.contains("has only the ends of 1")), "{:?}", skipped.first());
    assert!(graph.ended_at.is_some());
    for name in
        ["tool_call_runtime_started", "tool_call_runtime_ended", "code_cell_initial_response", "code_cell_ended"]
    {
        bundle.one(name);
    }
    let response = bundle.all("inference_completed").last().unwrap()["response_payload"].clone();
    let whole = answered(&"a".repeat(100_000)).to_string();
    assert_eq!(response["truncated"]["length"], whole.len(), "{response}");
    let head = bundle.body(&response)["otel_trace.truncated"]["head"].as_str().unwrap().to_owned();
    assert!(head.len() > 200 && whole.starts_with(&head), "{head}");
    let gaps: Vec<_> = bundle.all("other").into_iter().filter(|event| event["kind"] == "recording_gap").collect();
    let said: u64 = gaps.iter().map(|gap| gap["metadata"]["lost"].as_u64().unwrap()).sum();
    assert_eq!(said, recorder.stats().lost(), "the hole is named");
    assert!(gaps.len() < 10, "{}", gaps.len());
    (bytes_below(&bundle.path), bundle.lines.len(), recorder.stats())
}

#[test]
fn a_bundle_that_is_full_takes_nothing_that_begins_and_all_that_ends() {
    for store in [Store::Files, Store::Pack] {
        for durability in [Durability::PageCache, Durability::Buffered] {
            let (bytes, lines, stats) = long_run_within(Bounds::new().bytes(100_000), store, durability);
            assert!((90_000..150_000).contains(&bytes), "{store:?} {durability:?}: {bytes} {stats:?}");
            assert!(stats.lost_events["inference_started"] > 200 && stats.lost_payloads["tool_invocation"] > 200);
            assert!(lines < 150, "{lines}");
        }
    }
    let (_, lines, _) = long_run_within(Bounds::new().count(50), Store::Files, Durability::PageCache);
    assert!((50..70).contains(&lines), "{lines}");
}

#[test]
fn a_body_that_a_bundle_has_no_room_for_counts_before_it_is_stored() {
    for (store, durability) in [(Store::Files, Durability::PageCache), (Store::Pack, Durability::Buffered)] {
        let root = tempfile::tempdir().unwrap();
        // The answer is beyond the limit of a body, too.
        let limits = Limits::default().body_bytes(1 << 20).bundle(Bounds::new().bytes(10_000));
        let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
        let (recorder, guard) = builder.limits(limits).on_loss(|_| {}).build().unwrap();
        let answer = answered(&"a".repeat(3 << 20));
        under(&recorder, || {
            let turn = AgentThread::start(ThreadMeta::new()).turn(None);
            let call = turn.inference(MODEL);
            call.request(Json(&asked("small")));
            turn.inference(MODEL).request(Json(&asked(&"x".repeat(500_000))));
            call.response(Json(&answer));
            call.complete();
        });
        drop(guard);
        let stats = recorder.stats();
        assert_eq!((stats.lost_payloads["inference_request"], stats.lost_events["inference_started"]), (1, 1));
        let bundle = bundles(root.path()).remove(0);
        assert!(bytes_below(&bundle.path) < 20_000, "{}", bytes_below(&bundle.path));
        let response = &bundle.one("inference_completed")["response_payload"];
        assert_eq!(response["truncated"]["length"], answer.to_string().len());
        let head = bundle.body(response)["otel_trace.truncated"]["head"].as_str().unwrap().to_owned();
        assert!(head.len() > 200 && answer.to_string().starts_with(&head), "{head}");
    }
}

#[test]
fn a_bundle_that_is_full_says_so_at_once() {
    for durability in [Durability::PageCache, Durability::Buffered] {
        let root = tempfile::tempdir().unwrap();
        let limits = Limits::default().bundle(Bounds::new().count(20));
        let builder = Recorder::builder().root(root.path()).no_parent().durability(durability).limits(limits);
        let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
        let thread = under(&recorder, || AgentThread::start(ThreadMeta::new()));
        let turn = under(&recorder, || thread.turn(None));
        under(&recorder, || (0..100).for_each(|_| drop(turn.tool_call(ToolCallMeta::new("look")))));
        // Nothing ends it here, as nothing would if the process were killed now.
        let said = || {
            let Some(name) = names(root.path()).pop() else { return 0 };
            let bundle = Bundle::read(&root.path().join(name));
            let gaps = bundle.all("other").into_iter().filter(|event| event["kind"] == "recording_gap");
            gaps.map(|gap| gap["metadata"]["lost"].as_u64().unwrap()).sum()
        };
        until(|| said() > 0);
        assert!(durability == Durability::Buffered || said() == 1);
        drop((turn, thread, guard));
        assert_eq!(said(), recorder.stats().lost(), "the rest is said at the end");
    }
}

#[test]
fn a_body_that_is_larger_than_the_whole_queue_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().durability(Durability::Buffered);
    let (recorder, guard) = builder.build().unwrap();
    let body = [br#"{"input":""#.as_slice(), &vec![b'x'; 70 << 20], br#""}"#].concat();
    under(&recorder, || AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Exact(&body)));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundle = bundles(root.path()).remove(0);
    assert!(bundle.bytes(&bundle.one("inference_started")["request_payload"]) == body);
}

#[test]
fn a_bundle_that_is_too_old_takes_nothing_that_begins() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().bundle(Bounds::new().age(Duration::ZERO));
    let (recorder, guard) =
        Recorder::builder().root(root.path()).no_parent().limits(limits).on_loss(|_| {}).build().unwrap();
    under(&recorder, || long_run(3));
    drop(guard);
    assert_eq!(recorder.stats().lost_events["rollout_started"], 1);
}

/// The names of the bundles under a root.
fn names(root: &Path) -> Vec<String> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name.starts_with("trace-")).collect();
    names.sort();
    names
}

/// Records one run with a request of so many bytes, and gives its bundle, and how many others were removed for it.
fn run_of(bytes: usize, root: &Path, limits: Limits) -> (PathBuf, u64) {
    let (recorder, guard) = Recorder::builder().root(root).no_parent().limits(limits).build().unwrap();
    let before = names(root);
    let thread = under(&recorder, || AgentThread::start(ThreadMeta::new()));
    let new = names(root).into_iter().find(|name| !before.contains(name)).unwrap();
    under(&recorder, || thread.turn(None).inference(MODEL).request(Json(&asked(&"x".repeat(bytes)))));
    drop(thread);
    drop(guard);
    (root.join(new), recorder.stats().removed_bundles)
}

fn run(root: &Path, limits: Limits) -> (PathBuf, u64) {
    run_of(9_000, root, limits)
}

/// Makes a bundle as old as that.
fn age(bundle: &Path, hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    File::options().append(true).open(bundle.join("trace.jsonl")).unwrap().set_modified(then).unwrap();
}

/// A root with runs that are so many hours old, in the order of their names.
fn root_of(hours: &[u64]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let bundles: Vec<_> = hours
        .iter()
        .map(|hours| {
            let (bundle, _) = run(root.path(), Limits::default());
            age(&bundle, *hours);
            bundle
        })
        .collect();
    (root, bundles)
}

fn are_there(bundles: &[PathBuf]) -> Vec<bool> {
    bundles.iter().map(|bundle| bundle.exists()).collect()
}

#[test]
fn the_oldest_bundles_go_when_there_are_too_many() {
    let (root, old) = root_of(&[5, 9, 1]);
    let (new, removed) = run(root.path(), Limits::default().root(Bounds::new().count(2)));
    assert_eq!((are_there(&old), new.exists(), removed), (vec![false, false, true], true, 2));
    assert_eq!(root.path().read_dir().unwrap().count(), 2, "nothing else is left");
}

#[test]
fn bundles_go_when_they_are_too_old() {
    let (root, old) = root_of(&[5, 9, 1]);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let (new, removed) = run(root.path(), Limits::default().root(Bounds::new().age(hours(7))));
    assert_eq!((are_there(&old), new.exists(), removed), (vec![true, false, true], true, 1));
    let (_, removed) = run(root.path(), Limits::default().root(Bounds::new().age(hours(24))));
    assert_eq!(removed, 0);
}

#[test]
fn the_oldest_bundles_go_when_they_hold_too_much() {
    let (root, old) = root_of(&[5, 9, 1]);
    let held = bytes_below(&old[2]);
    let (new, removed) = run_of(10, root.path(), Limits::default().root(Bounds::new().bytes(held * 5 / 2)));
    assert_eq!((are_there(&old), new.exists(), removed), (vec![true, false, true], true, 1));
}

#[test]
fn what_is_no_bundle_of_the_root_is_never_touched() {
    let (root, old) = root_of(&[5]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (foreign, _) = run(elsewhere.path(), Limits::default());
    age(&foreign, 100);
    std::os::unix::fs::symlink(&foreign, root.path().join("trace-link")).unwrap();
    fs::create_dir_all(root.path().join("notes/payloads")).unwrap();
    fs::write(root.path().join("notes/trace.jsonl"), "").unwrap();
    fs::write(root.path().join("joined.json"), "{}").unwrap();
    let (_, removed) = run(root.path(), Limits::default().root(Bounds::new().count(1)));
    assert_eq!(removed, 1);
    assert!(!old[0].exists() && foreign.join("trace.jsonl").exists() && root.path().join("trace-link").exists());
    assert!(root.path().join("notes/trace.jsonl").exists() && root.path().join("joined.json").exists());
}

/// A process that records a run under this root, and goes on until it is killed.
struct Running(Child);

impl Running {
    fn start(test: &str, root: &Path) -> Self {
        let mut process = child(test, "runs")
            .env("OTEL_TRACE_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("it runs")));
        Self(process)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn recording() -> (Recorder, RecorderGuard) {
    let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    (recorder, guard)
}

#[test]
fn a_bundle_that_another_process_writes_to_is_never_removed_and_one_that_it_left_is() {
    let test = "a_bundle_that_another_process_writes_to_is_never_removed_and_one_that_it_left_is";
    if role().is_some() {
        let (_recorder, _guard) = recording();
        let _thread = AgentThread::start(ThreadMeta::new());
        #[expect(clippy::print_stdout, reason = "the parent waits for it")]
        {
            println!("\nit runs");
        }
        // Until it is killed: the parent holds the other end.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let process = Running::start(test, root.path());
    let bundle = root.path().join(&names(root.path())[0]);
    age(&bundle, 1000);
    let strict = Limits::default().root(Bounds::new().count(1).bytes(1).age(Duration::from_secs(1)));
    let (_, removed) = run(root.path(), strict);
    assert_eq!((bundle.exists(), removed), (true, 0), "it is in use");
    process.kill();
    let (_, removed) = run(root.path(), strict);
    assert_eq!((bundle.exists(), removed), (false, 2), "that one, and the run before");
    // Killed a moment ago, it is known to be gone as well.
    Running::start(test, root.path()).kill();
    let (new, _) = run(root.path(), strict);
    assert_eq!(names(root.path()), [new.file_name().unwrap().to_str().unwrap()]);
    assert_eq!(root.path().read_dir().unwrap().count(), 2, "what the killed process said of it goes with the next run");
    run(root.path(), strict);
    assert_eq!(root.path().read_dir().unwrap().count(), 1);
}

/// A bundle of a program that says neither what it writes to nor how it ended.
fn of_another_make(root: &Path, name: &str, hours: u64) -> PathBuf {
    let bundle = root.join(name);
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    fs::write(bundle.join("manifest.json"), "{}").unwrap();
    fs::write(bundle.join("trace.jsonl"), "{}\n").unwrap();
    age(&bundle, hours);
    bundle
}

#[test]
fn bundles_that_may_be_in_use_stay_and_push_out_no_other() {
    let (root, old) = root_of(&[5, 9, 1]);
    let unknown: Vec<_> = (0..10).map(|n| of_another_make(root.path(), &format!("trace-{n}"), 20)).collect();
    let silent = of_another_make(root.path(), "trace-silent", 25);
    let limits = Limits::default().root(Bounds::new().count(4));
    let (new, removed) = run(root.path(), limits);
    assert_eq!((are_there(&old), new.exists(), removed), (vec![true; 3], true, 1));
    assert!(are_there(&unknown).iter().all(|is_there| *is_there) && !silent.exists());
    assert_eq!(run(root.path(), limits).1, 1, "the oldest that ended");
    assert_eq!(are_there(&old), [true, false, true]);
}

#[test]
fn processes_that_prune_one_root_at_once_remove_no_more_than_the_bounds_ask() {
    let test = "processes_that_prune_one_root_at_once_remove_no_more_than_the_bounds_ask";
    let limits = Limits::default().root(Bounds::new().count(60));
    if role().is_some() {
        #[expect(clippy::print_stdout, reason = "the parent waits for it")]
        {
            println!("\nit runs");
        }
        let _ = std::io::stdin().read_line(&mut String::new());
        run(&PathBuf::from(std::env::var_os("OTEL_TRACE_ROOT").unwrap()), limits);
        return;
    }
    for _ in 0..3 {
        let (root, old) = root_of(&[7; 90]);
        let mut processes: Vec<_> = (0..8).map(|_| Running::start(test, root.path())).collect();
        // All at once.
        processes.iter_mut().for_each(|process| drop(process.0.stdin.take()));
        for process in &mut processes {
            process.0.wait().unwrap();
        }
        let left = names(root.path()).len();
        assert!((60..=68).contains(&left), "{left} of 98");
        assert_eq!(left - are_there(&old).into_iter().filter(|is_there| *is_there).count(), 8, "those that just ran");
        run(root.path(), limits);
        assert_eq!(names(root.path()).len(), 60);
        assert_eq!(root.path().read_dir().unwrap().count(), 60, "nothing else is left");
    }
}

#[test]
fn what_an_interrupted_removal_or_a_dead_maker_left_goes_and_what_is_not_ours_stays() {
    let root = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let payloads = root.path().join(name).join("payloads");
        fs::create_dir_all(&payloads).unwrap();
        fs::write(payloads.join("1.json"), "{}").unwrap();
        root.path().join(name)
    };
    let old = |path: PathBuf| {
        let then = SystemTime::now() - Duration::from_secs(25 * 3600);
        File::open(&path).unwrap().set_modified(then).unwrap();
        path
    };
    let gone = [make(".trace-old.removed"), old(make(".trace-a-b.1f.tmp"))];
    let kept = [make(".trace-a-c.1f.tmp"), old(make(".mine.1f.tmp")), make(".mine.removed"), make("trace-x.removed")];
    run(root.path(), Limits::default().root(Bounds::new().count(100)));
    assert_eq!(are_there(&gone), [false; 2]);
    assert_eq!(are_there(&kept), [true; 4]);
}

#[test]
fn bundles_of_this_process_that_are_open_stay_however_many() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().root(Bounds::new().count(2));
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().limits(limits).build().unwrap();
    let threads: Vec<_> = (0..100).map(|_| under(&recorder, || AgentThread::start(ThreadMeta::new()))).collect();
    let (_, removed) = run(root.path(), limits);
    assert_eq!((names(root.path()).len(), removed), (101, 0));
    drop(threads);
    drop(guard);
    run(root.path(), limits);
    assert_eq!(names(root.path()).len(), 2);
}
