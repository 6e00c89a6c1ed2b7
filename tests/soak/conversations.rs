//! Tests of servers with very many conversations: neither the heap nor the root directory grows with those that were,
//! however the process ends, and `otel-trace reduce` joins the bundles of a conversation.
#![expect(clippy::print_stdout, reason = "the process that waits for a program reads what it prints")]

use std::fs::DirEntry;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use otel_trace::{Bounds, Limits, Recorder, ThreadMeta};
use serde_json::Value;
use tempfile::TempDir;
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

use crate::common::{child, role, wait_until};
use crate::heap;

/// Number of conversations of a program.
const CONVERSATIONS: u64 = 10_000;

/// Number of conversations that are open at once.
const AT_ONCE: u64 = 50;

/// Number of conversations before the first measurement of the heap.
const FEW: u64 = 2_000;

/// Allowed growth of the heap between both measurements, in bytes: less than 10 bytes for each conversation.
const SLACK: usize = 64 * 1024;

/// Maximum number of bundles that the root may have.
const BUNDLES: u64 = 20;

/// Number of bundles of the last conversation.
const CONTINUED: u64 = 10;

/// The conversation that goes on again and again.
const LAST: &str = "last";

/// What a program names its conversations with.
#[derive(Debug, Clone, Copy)]
enum By {
    Spans,
    Recorder,
}

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Guard,
    Kill,
}

impl By {
    /// Records a turn of a conversation.
    fn converse(self, recorder: &Recorder, id: &str) {
        match self {
            Self::Spans => {
                info_span!("chat", gen_ai.operation.name = "chat", gen_ai.conversation.id = id).in_scope(|| {})
            }
            Self::Recorder => drop(recorder.conversation(id, ThreadMeta::new()).turn(None)),
        }
    }
}

#[test]
fn conversations_of_spans_leave_nothing_when_the_guard_is_dropped() {
    check("conversations::conversations_of_spans_leave_nothing_when_the_guard_is_dropped", By::Spans, End::Guard);
}

#[test]
fn conversations_of_spans_leave_nothing_when_killed() {
    check("conversations::conversations_of_spans_leave_nothing_when_killed", By::Spans, End::Kill);
}

#[test]
fn conversations_of_a_recorder_leave_nothing_when_the_guard_is_dropped() {
    check(
        "conversations::conversations_of_a_recorder_leave_nothing_when_the_guard_is_dropped",
        By::Recorder,
        End::Guard,
    );
}

#[test]
fn conversations_of_a_recorder_leave_nothing_when_killed() {
    check("conversations::conversations_of_a_recorder_leave_nothing_when_killed", By::Recorder, End::Kill);
}

/// Runs the program in a child process, ends it, and checks what is left under its root.
#[track_caller]
fn check(test: &str, by: By, end: End) {
    if let Some(root) = role() {
        return serve(Path::new(&root), by, end);
    }
    let root = tempfile::tempdir().unwrap();
    let mut process = child(test, root.path().to_str().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let served = lines.by_ref().map(Result::unwrap).any(|line| line.ends_with(SERVED));
    assert!(served, "the program failed");
    match end {
        End::Guard => assert!(process.wait().unwrap().success()),
        End::Kill => {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
    check_root(&root, end);
}

/// The line that a program prints when it has served its conversations.
const SERVED: &str = "all conversations were served";

/// Serves many conversations, some at once, and then one that goes on in further bundles. Returns when the guard was
/// dropped, or waits to be killed while a turn is open.
fn serve(root: &Path, by: By, end: End) {
    let builder = Recorder::builder().root(root).no_parent().conversation_idle(Duration::from_millis(4));
    let (recorder, guard) = builder.limits(Limits::default().root(Bounds::new().count(BUNDLES))).build().unwrap();
    let subscriber = registry().with(recorder.layer().with_filter(recorder.filter()));
    let ended = || recorder.stats().events.get("rollout_ended").copied().unwrap_or(0);
    with_default(subscriber, || {
        let mut served = 0;
        let mut serve_until = |all: u64| {
            while served < all {
                (served..served + AT_ONCE).for_each(|n| by.converse(&recorder, &format!("conversation {n:06}")));
                served += AT_ONCE;
                wait_until(|| ended() == served);
            }
        };
        serve_until(FEW);
        let before = heap::live();
        serve_until(CONVERSATIONS);
        let grown = heap::live().saturating_sub(before);
        assert!(grown <= SLACK, "{grown} bytes are retained");
        for n in 1..=CONTINUED {
            by.converse(&recorder, LAST);
            wait_until(|| ended() == CONVERSATIONS + n);
        }
        let _open = recorder.conversation("open", ThreadMeta::new()).turn(None);
        assert_eq!(recorder.stats().lost(), 0);
        println!("{SERVED}");
        if end == End::Kill {
            // Until the process is killed.
            wait_until(|| false);
        }
        drop(guard);
    });
}

/// Checks that the root has no more bundles than its bounds allow, and that the bundles of a conversation are joined.
fn check_root(root: &TempDir, end: End) {
    let is_bundle = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with("trace-");
    let bundles = root.path().read_dir().unwrap().map(Result::unwrap).filter(is_bundle).count();
    // The bundle that has begun last is in use. A kill interrupts the removal of the others, in the background.
    let most = if end == End::Kill { BUNDLES + AT_ONCE } else { BUNDLES + 2 };
    assert!(u64::try_from(bundles).unwrap() <= most, "{bundles} bundles are left");
    let output = Command::new(env!("CARGO_BIN_EXE_otel-trace")).arg("reduce").arg(root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let joined: Value = serde_json::from_slice(&std::fs::read(root.path().join("joined.json")).unwrap()).unwrap();
    let runs = joined["rollouts"].as_array().unwrap();
    let named = |id: &'static str| runs.iter().filter(move |run| run["root_thread_id"] == id);
    let mut last: Vec<_> = named(LAST).collect();
    assert_eq!(last.len(), usize::try_from(CONTINUED).unwrap());
    last.sort_by_key(|run| run["started_at_unix_ms"].as_i64());
    for pair in last.windows(2) {
        assert_eq!(pair[1]["continues"], pair[0]["trace_id"]);
        assert_eq!(pair[1]["status"], "completed");
    }
    assert!(last[0].get("continues").is_none());
    let open: Vec<_> = named("open").map(|run| &run["status"]).collect();
    assert_eq!(open, [if end == End::Kill { "running" } else { "aborted" }]);
}
