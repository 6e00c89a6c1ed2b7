//! Tests of the quota of a bundle and of the retention of a root directory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use otel_trace::bundle::Reader;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};
use otel_trace::{
    AgentThread, Bounds, CellStatus, CodeCellMeta, Durability, Exact, ExecutionStatus, Json, Limits, Model, Operation,
    Recorder, RecorderGuard, Stats, Store, ThreadMeta, ToolCallMeta,
};
use serde_json::{Value, json};
use tracing_subscriber::prelude::*;

use crate::common::{Bundle, bundles, child, count_running, role, run_recorded, wait_until};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Returns the total size of all files below a directory, in bytes.
fn bytes_below(path: &Path) -> u64 {
    let entries = path.read_dir().unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

/// Returns the body of a request with one user message.
fn request_body(text: &str) -> Value {
    json!({ "input": [{ "type": "message", "role": "user", "content": text }] })
}

/// Returns the body of a response with one assistant message.
fn response_body(text: &str) -> Value {
    let content = json!([{ "type": "output_text", "text": text }]);
    json!({ "output": [{ "type": "message", "role": "assistant", "content": content }] })
}

/// Records a run with an inference call and a tool call in each of its rounds.
fn record_long_run(rounds: usize) {
    let thread = AgentThread::start(ThreadMeta::new().id("long"));
    let turn = thread.turn(None);
    for round in 0..rounds {
        let call = turn.inference(MODEL);
        call.request(Json(&request_body(&format!("{round} {}", "x".repeat(1000)))));
        call.response(Json(&response_body(&format!("{round} {}", "y".repeat(1000)))));
        call.complete();
        let tool = turn.tool_call(ToolCallMeta::new("read").arguments(&"z".repeat(1000)));
        tool.output(&"w".repeat(5000));
    }
}

/// Records a long run with a quota, in which one operation of each kind starts before the bundle is full and ends
/// afterwards. Returns the size of the bundle, its number of lines, and the statistics.
#[track_caller]
fn record_long_run_within(bounds: Bounds, store: Store, durability: Durability) -> (u64, usize, Stats) {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().bundle(bounds);
    let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
    let (recorder, guard) = builder.limits(limits).on_loss(|_| {}).build().unwrap();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("long"));
        let turn = thread.turn(None);
        let call = turn.inference(MODEL);
        call.request(Json(&request_body("first")));
        let tool = turn.tool_call(ToolCallMeta::new("slow").arguments("{}"));
        tool.runtime_started(Json(&json!({ "command": ["true"], "cwd": "/" })));
        let cell = turn.code_cell(CodeCellMeta::new("run()").id("cell").call_id("call"));
        turn.span().in_scope(|| record_long_run(300));
        call.response(Json(&response_body(&"a".repeat(100_000))));
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
    assert_eq!(count_running(&graph), 0, "a started operation has no end event");
    // The graph leaves out nothing but the truncated response.
    let skipped: Vec<_> =
        graph.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Skipped).collect();
    assert!(
        skipped.iter().all(|diagnostic| diagnostic.message.contains("is truncated to head and tail: its 1")),
        "{:?}",
        skipped.first()
    );
    assert!(graph.ended_at.is_some());
    for name in
        ["tool_call_runtime_started", "tool_call_runtime_ended", "code_cell_initial_response", "code_cell_ended"]
    {
        bundle.event(name);
    }
    let response = bundle.events("inference_completed").last().unwrap()["response_payload"].clone();
    let whole = response_body(&"a".repeat(100_000)).to_string();
    assert_eq!(response["truncated"]["length"], whole.len(), "{response}");
    let head = bundle.payload_json(&response)["otel_trace.truncated"]["head"].as_str().unwrap().to_owned();
    assert!(head.len() > 200 && whole.starts_with(&head), "{head}");
    let gaps: Vec<_> = bundle.events("other").into_iter().filter(|event| event["kind"] == "recording_gap").collect();
    let logged: u64 = gaps.iter().map(|gap| gap["metadata"]["lost"].as_u64().unwrap()).sum();
    assert_eq!(logged, recorder.stats().lost(), "the gaps do not name every loss");
    assert!(gaps.len() < 10, "{}", gaps.len());
    (bytes_below(&bundle.path), bundle.lines.len(), recorder.stats())
}

#[test]
fn full_bundle_rejects_start_events_and_accepts_end_events() {
    for store in [Store::Files, Store::Pack] {
        for durability in [Durability::PageCache, Durability::Buffered] {
            let (bytes, lines, stats) = record_long_run_within(Bounds::new().bytes(100_000), store, durability);
            assert!((90_000..150_000).contains(&bytes), "{store:?} {durability:?}: {bytes} {stats:?}");
            assert!(stats.lost_events["inference_started"] > 200 && stats.lost_payloads["tool_invocation"] > 200);
            assert!(lines < 150, "{lines}");
        }
    }
    let (_, lines, _) = record_long_run_within(Bounds::new().count(50), Store::Files, Durability::PageCache);
    assert!((50..70).contains(&lines), "{lines}");
}

#[test]
fn oversized_payload_counts_against_the_quota_unstored() {
    for (store, durability) in [(Store::Files, Durability::PageCache), (Store::Pack, Durability::Buffered)] {
        let root = tempfile::tempdir().unwrap();
        // The response exceeds the length limit of a body as well.
        let limits = Limits::default().body_bytes(1 << 20).bundle(Bounds::new().bytes(10_000));
        let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
        let (recorder, guard) = builder.limits(limits).on_loss(|_| {}).build().unwrap();
        let response_json = response_body(&"a".repeat(3 << 20));
        run_recorded(&recorder, || {
            let turn = AgentThread::start(ThreadMeta::new()).turn(None);
            let call = turn.inference(MODEL);
            call.request(Json(&request_body("small")));
            turn.inference(MODEL).request(Json(&request_body(&"x".repeat(500_000))));
            call.response(Json(&response_json));
            call.complete();
        });
        drop(guard);
        let stats = recorder.stats();
        assert_eq!((stats.lost_payloads["inference_request"], stats.lost_events["inference_started"]), (1, 1));
        let bundle = bundles(root.path()).remove(0);
        assert!(bytes_below(&bundle.path) < 20_000, "{}", bytes_below(&bundle.path));
        let response = &bundle.event("inference_completed")["response_payload"];
        assert_eq!(response["truncated"]["length"], response_json.to_string().len());
        let head = bundle.payload_json(response)["otel_trace.truncated"]["head"].as_str().unwrap().to_owned();
        assert!(head.len() > 200 && response_json.to_string().starts_with(&head), "{head}");
    }
}

#[test]
fn full_bundle_logs_its_first_loss_immediately() {
    for durability in [Durability::PageCache, Durability::Buffered] {
        let root = tempfile::tempdir().unwrap();
        let limits = Limits::default().bundle(Bounds::new().count(20));
        let builder = Recorder::builder().root(root.path()).no_parent().durability(durability).limits(limits);
        let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
        let thread = run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()));
        let turn = run_recorded(&recorder, || thread.turn(None));
        run_recorded(&recorder, || (0..100).for_each(|_| drop(turn.tool_call(ToolCallMeta::new("look")))));
        // The recording is still open, as it would be if the process were killed now.
        let logged = || {
            let Some(name) = names(root.path()).pop() else { return 0 };
            let bundle = Bundle::read(&root.path().join(name));
            let gaps = bundle.events("other").into_iter().filter(|event| event["kind"] == "recording_gap");
            gaps.map(|gap| gap["metadata"]["lost"].as_u64().unwrap()).sum()
        };
        wait_until(|| logged() > 0);
        assert!(durability == Durability::Buffered || logged() == 1);
        drop((turn, thread, guard));
        assert_eq!(logged(), recorder.stats().lost(), "the remaining losses are not logged at the end");
    }
}

#[test]
fn payload_larger_than_the_queue_is_stored_whole() {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().durability(Durability::Buffered);
    let (recorder, guard) = builder.build().unwrap();
    let body = [br#"{"input":""#.as_slice(), &vec![b'x'; 70 << 20], br#""}"#].concat();
    run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Exact(&body)));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundle = bundles(root.path()).remove(0);
    assert!(bundle.payload_bytes(&bundle.event("inference_started")["request_payload"]) == body);
}

#[test]
fn expired_bundle_rejects_start_events() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().bundle(Bounds::new().age(Duration::ZERO));
    let (recorder, guard) =
        Recorder::builder().root(root.path()).no_parent().limits(limits).on_loss(|_| {}).build().unwrap();
    run_recorded(&recorder, || record_long_run(3));
    drop(guard);
    assert_eq!(recorder.stats().lost_events["rollout_started"], 1);
}

/// Returns the sorted names of the bundles under a root.
fn names(root: &Path) -> Vec<String> {
    let entries = root.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name.starts_with("trace-")).collect();
    names.sort();
    names
}

/// Records a run whose request has this size. Returns its bundle and the number of bundles that were removed.
fn record_run_of(bytes: usize, root: &Path, limits: Limits) -> (PathBuf, u64) {
    let (recorder, guard) = Recorder::builder().root(root).no_parent().limits(limits).build().unwrap();
    let before = names(root);
    let thread = run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()));
    let new = names(root).into_iter().find(|name| !before.contains(name)).unwrap();
    run_recorded(&recorder, || thread.turn(None).inference(MODEL).request(Json(&request_body(&"x".repeat(bytes)))));
    drop(thread);
    drop(guard);
    (root.join(new), recorder.stats().removed_bundles)
}

/// Records a run of the default size. See [`record_run_of`].
fn record_run(root: &Path, limits: Limits) -> (PathBuf, u64) {
    record_run_of(9_000, root, limits)
}

/// Sets the modification time of a log to `hours` ago.
fn set_age(bundle: &Path, hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    File::options().append(true).open(bundle.join("trace.jsonl")).unwrap().set_modified(then).unwrap();
}

/// Creates a root with one bundle for each age in hours.
fn root_with_ages(hours: &[u64]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let bundles: Vec<_> = hours
        .iter()
        .map(|hours| {
            let (bundle, _) = record_run(root.path(), Limits::default());
            set_age(&bundle, *hours);
            bundle
        })
        .collect();
    (root, bundles)
}

/// Returns for each path if it exists.
fn exist(bundles: &[PathBuf]) -> Vec<bool> {
    bundles.iter().map(|bundle| bundle.exists()).collect()
}

#[test]
fn oldest_bundles_are_removed_beyond_the_count_limit() {
    let (root, old) = root_with_ages(&[5, 9, 1]);
    let (new, removed) = record_run(root.path(), Limits::default().root(Bounds::new().count(2)));
    assert_eq!((exist(&old), new.exists(), removed), (vec![false, false, true], true, 2));
    assert_eq!(root.path().read_dir().unwrap().count(), 2, "a file other than the bundles is left");
}

#[test]
fn bundles_are_removed_beyond_the_age_limit() {
    let (root, old) = root_with_ages(&[5, 9, 1]);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let (new, removed) = record_run(root.path(), Limits::default().root(Bounds::new().age(hours(7))));
    assert_eq!((exist(&old), new.exists(), removed), (vec![true, false, true], true, 1));
    let (_, removed) = record_run(root.path(), Limits::default().root(Bounds::new().age(hours(24))));
    assert_eq!(removed, 0);
}

#[test]
fn oldest_bundles_are_removed_beyond_the_byte_limit() {
    let (root, old) = root_with_ages(&[5, 9, 1]);
    let size = bytes_below(&old[2]);
    let (new, removed) = record_run_of(10, root.path(), Limits::default().root(Bounds::new().bytes(size * 5 / 2)));
    assert_eq!((exist(&old), new.exists(), removed), (vec![true, false, true], true, 1));
}

#[test]
fn retention_never_touches_foreign_files() {
    let (root, old) = root_with_ages(&[5]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (foreign, _) = record_run(elsewhere.path(), Limits::default());
    set_age(&foreign, 100);
    std::os::unix::fs::symlink(&foreign, root.path().join("trace-link")).unwrap();
    fs::create_dir_all(root.path().join("notes/payloads")).unwrap();
    fs::write(root.path().join("notes/trace.jsonl"), "").unwrap();
    fs::write(root.path().join("joined.json"), "{}").unwrap();
    let (_, removed) = record_run(root.path(), Limits::default().root(Bounds::new().count(1)));
    assert_eq!(removed, 1);
    assert!(!old[0].exists() && foreign.join("trace.jsonl").exists() && root.path().join("trace-link").exists());
    assert!(root.path().join("notes/trace.jsonl").exists() && root.path().join("joined.json").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn retention_removes_nothing_behind_a_link_that_is_swapped_in() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (foreign, _) = record_run(elsewhere.path(), Limits::default());
    set_age(&foreign, 100);
    let whole = bytes_below(&foreign);
    let mut removed = 0;
    for round in 0..40 {
        let (old, _) = record_run(root.path(), Limits::default());
        set_age(&old, 50);
        let link = elsewhere.path().join(round.to_string());
        std::os::unix::fs::symlink(&foreign, &link).unwrap();
        std::thread::scope(|scope| {
            // Ends when the bundle is removed: then nothing is at its path that could change places.
            scope.spawn(|| while renameat_with(CWD, &old, CWD, &link, RenameFlags::EXCHANGE).is_ok() {});
            while old.symlink_metadata().is_ok() {
                removed += record_run(root.path(), Limits::default().root(Bounds::new().bytes(1))).1;
            }
        });
        assert_eq!(bytes_below(&foreign), whole);
    }
    assert!(removed >= 40, "{removed}");
}

/// A child process that keeps running, with an open recording if its test opens one, until it is killed or its stdin
/// is closed.
struct RunningProcess(Child);

impl RunningProcess {
    fn start(test: &str, root: &Path) -> Self {
        let mut process = child(test, "runs")
            .env("OTEL_TRACE_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        Self(process)
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts to record with a global subscriber.
fn start_recording() -> (Recorder, RecorderGuard) {
    let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    (recorder, guard)
}

#[test]
fn bundle_of_a_live_process_stays_until_the_process_dies() {
    let test = "limits::bundle_of_a_live_process_stays_until_the_process_dies";
    if role().is_some() {
        let (_recorder, _guard) = start_recording();
        let _thread = AgentThread::start(ThreadMeta::new());
        #[expect(clippy::print_stdout, reason = "the parent waits for this line")]
        {
            println!("\nready");
        }
        // Blocks until the process is killed, because the parent holds the other end of the pipe.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let process = RunningProcess::start(test, root.path());
    let bundle = root.path().join(&names(root.path())[0]);
    set_age(&bundle, 1000);
    let strict = Limits::default().root(Bounds::new().count(1).bytes(1).age(Duration::from_secs(1)));
    let (_, removed) = record_run(root.path(), strict);
    assert_eq!((bundle.exists(), removed), (true, 0), "the bundle is in use");
    process.kill();
    let (_, removed) = record_run(root.path(), strict);
    assert_eq!((bundle.exists(), removed), (false, 2), "the bundle of the killed process and the previous run");
    // The death of a process is detected immediately after a kill.
    RunningProcess::start(test, root.path()).kill();
    let (new, _) = record_run(root.path(), strict);
    assert_eq!(names(root.path()), [new.file_name().unwrap().to_str().unwrap()]);
    assert_eq!(
        root.path().read_dir().unwrap().count(),
        2,
        "the claim of the killed process remains until the next run"
    );
    record_run(root.path(), strict);
    assert_eq!(root.path().read_dir().unwrap().count(), 1);
}

/// Creates a bundle without a claim and without an end, as another program might write it.
fn create_foreign_bundle(root: &Path, name: &str, hours: u64) -> PathBuf {
    let bundle = root.join(name);
    fs::create_dir_all(bundle.join("payloads")).unwrap();
    fs::write(bundle.join("manifest.json"), "{}").unwrap();
    fs::write(bundle.join("trace.jsonl"), "{}\n").unwrap();
    set_age(&bundle, hours);
    bundle
}

#[test]
fn possibly_active_bundles_stay_and_do_not_count() {
    let (root, old) = root_with_ages(&[5, 9, 1]);
    let unknown: Vec<_> = (0..10).map(|n| create_foreign_bundle(root.path(), &format!("trace-{n}"), 20)).collect();
    let expired = create_foreign_bundle(root.path(), "trace-expired", 25);
    let limits = Limits::default().root(Bounds::new().count(4));
    let (new, removed) = record_run(root.path(), limits);
    assert_eq!((exist(&old), new.exists(), removed), (vec![true; 3], true, 1));
    assert!(exist(&unknown).iter().all(|exists| *exists) && !expired.exists());
    assert_eq!(record_run(root.path(), limits).1, 1, "the oldest ended bundle is removed");
    assert_eq!(exist(&old), [true, false, true]);
}

#[test]
fn concurrent_pruning_removes_only_what_the_bounds_require() {
    let test = "limits::concurrent_pruning_removes_only_what_the_bounds_require";
    let limits = Limits::default().root(Bounds::new().count(60));
    if role().is_some() {
        #[expect(clippy::print_stdout, reason = "the parent waits for this line")]
        {
            println!("\nready");
        }
        let _ = std::io::stdin().read_line(&mut String::new());
        record_run(&PathBuf::from(std::env::var_os("OTEL_TRACE_ROOT").unwrap()), limits);
        return;
    }
    for _ in 0..3 {
        let (root, old) = root_with_ages(&[7; 90]);
        let mut processes: Vec<_> = (0..8).map(|_| RunningProcess::start(test, root.path())).collect();
        // Releases all processes at once.
        processes.iter_mut().for_each(|process| drop(process.0.stdin.take()));
        for process in &mut processes {
            process.0.wait().unwrap();
        }
        let left = names(root.path()).len();
        assert!((60..=68).contains(&left), "{left} of 98");
        assert_eq!(
            left - exist(&old).into_iter().filter(|exists| *exists).count(),
            8,
            "the bundles of the processes are kept"
        );
        record_run(root.path(), limits);
        assert_eq!(names(root.path()).len(), 60);
        assert_eq!(root.path().read_dir().unwrap().count(), 60, "a file other than the bundles is left");
    }
}

#[test]
fn stale_temporary_bundles_are_removed_and_foreign_ones_kept() {
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
    let stale = [make(".trace-old.removed"), old(make(".trace-a-b.1f.tmp"))];
    let kept = [make(".trace-a-c.1f.tmp"), old(make(".mine.1f.tmp")), make(".mine.removed"), make("trace-x.removed")];
    record_run(root.path(), Limits::default().root(Bounds::new().count(100)));
    assert_eq!(exist(&stale), [false; 2]);
    assert_eq!(exist(&kept), [true; 4]);
}

#[test]
fn open_bundles_of_this_process_exceed_the_count_limit() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().root(Bounds::new().count(2));
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().limits(limits).build().unwrap();
    let threads: Vec<_> = (0..100).map(|_| run_recorded(&recorder, || AgentThread::start(ThreadMeta::new()))).collect();
    let open = names(root.path());
    let (_, removed) = record_run(root.path(), limits);
    assert_eq!((open.len(), removed), (100, 0));
    // The first recorder may have removed the bundle of the second since that ended.
    let left = names(root.path());
    assert!(open.iter().all(|name| left.contains(name)), "a bundle that is open was removed");
    drop(threads);
    drop(guard);
    record_run(root.path(), limits);
    assert_eq!(names(root.path()).len(), 2);
}
