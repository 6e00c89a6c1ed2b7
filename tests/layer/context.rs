//! Tests of when the operations of plain spans start, and of their parent operations.

use otel_trace::{Json, Operation, PayloadKind, SpanExt};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::common::{Bundle, bundles, record, record_one, recorder, run_recorded};

/// Opens the span of a thread.
fn thread(id: &str) -> Span {
    info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = id)
}

/// Opens the span of a turn.
fn turn(id: &str) -> Span {
    info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = id)
}

/// Returns the number of events that were written when `program` returns, while its span is open and the recording
/// continues.
fn count_written(program: impl FnOnce() -> Span) -> u64 {
    let (_root, recorder, guard) = recorder();
    let count = run_recorded(&recorder, || {
        let _span = program();
        recorder.stats().events.values().sum()
    });
    drop(guard);
    count
}

#[test]
fn root_span_starts_at_its_first_activity() {
    assert_eq!(count_written(|| thread("t")), 0, "opened: the span may still follow from another span");
    assert_eq!(
        count_written(|| {
            let t = thread("t");
            t.in_scope(|| {});
            t
        }),
        2,
        "entered"
    );
    assert_eq!(
        count_written(|| {
            let t = thread("t");
            drop(info_span!(parent: &t, "turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
            t
        }),
        4,
        "child operation"
    );
    assert_eq!(
        count_written(|| {
            let t = thread("t");
            t.otel_trace().record_payload(PayloadKind::ProtocolEvent, Json(&1));
            t
        }),
        3,
        "payload"
    );
    assert_eq!(
        count_written(|| {
            drop(thread("t"));
            Span::none()
        }),
        4,
        "closed"
    );
}

#[test]
fn child_span_starts_once_its_fields_are_known() {
    let written_below = |turn: Option<&str>| {
        let turn = turn.map(str::to_owned);
        count_written(move || {
            thread("t").in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = turn))
        })
    };
    assert_eq!(written_below(Some("u")), 3, "rollout, thread and turn");
    assert_eq!(written_below(None), 2, "the id may still be recorded");
}

/// Returns the id of the parent of the thread with this index.
fn parent_of(bundle: &Bundle, child: usize) -> String {
    let metadata = bundle.payload_json(&bundle.events("thread_started")[child]["metadata_payload"]);
    metadata["session_source"]["subagent"]["thread_spawn"]["parent_thread_id"].as_str().unwrap().to_owned()
}

#[test]
fn thread_below_or_following_another_is_spawned_by_it() {
    let bundle = record_one(|| {
        let root = thread("root");
        let _root = root.enter();
        thread("below").in_scope(|| {});
        let turn = turn("u");
        let follower = info_span!(parent: None, "thread", otel_trace.kind = "thread", gen_ai.conversation.id = "after");
        follower.follows_from(&turn);
        follower.in_scope(|| {});
    });
    let ids: Vec<_> = bundle.events("thread_started").iter().map(|started| started["thread_id"].clone()).collect();
    assert_eq!(ids, ["root", "below", "after"]);
    assert_eq!([parent_of(&bundle, 1), parent_of(&bundle, 2)], ["root", "root"]);
}

#[test]
fn thread_id_on_a_thread_span_does_not_select_its_parent() {
    let bundles = record(|| {
        let [first, second] = [thread("same"), thread("same")];
        first.in_scope(|| {});
        second.in_scope(|| {});
        drop(first);
        info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u", gen_ai.conversation.id = "same")
            .in_scope(|| {});
    });
    assert_eq!(bundles.len(), 2, "each of two runs with the same thread id has a bundle");
    assert!(bundles.iter().all(|bundle| bundle.event("thread_started")["thread_id"] == "same"));
    let turns: usize = bundles.iter().map(|bundle| bundle.events("codex_turn_started").len()).sum();
    assert_eq!(turns, 1, "the turn is in the bundle whose thread is still open");
}

#[test]
fn circular_follows_from_relations_are_recorded() {
    let bundles = record(|| {
        let [a, b] = [thread("a"), thread("b")];
        a.follows_from(&b);
        b.follows_from(&a);
        a.in_scope(|| {});
        let child = info_span!(parent: &a, "turn", otel_trace.kind = "turn");
        a.follows_from(&child);
        child.in_scope(|| {});
    });
    assert_eq!(bundles.len(), 1);
    assert_eq!(parent_of(&bundles[0], 1), "b");
}

#[test]
fn long_follows_from_chain_does_not_overflow_the_stack() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let mut last = thread("root");
        last.in_scope(|| {});
        let _root = last.clone();
        for _ in 0..20_000 {
            let next = info_span!(parent: None, "tool", otel_trace.kind = Empty);
            next.follows_from(&last);
            last = next;
        }
    });
    drop(guard);
    assert_eq!(bundles(root.path()).len(), 1);
}

#[test]
fn unrecorded_span_passes_on_its_context() {
    let bundle = record_one(|| {
        thread("t").in_scope(|| {
            turn("u").in_scope(|| {
                let tool = || info_span!("tool", otel_trace.kind = "tool");
                info_span!("a").in_scope(|| info_span!("b").in_scope(|| tool().in_scope(|| {})));
            });
        });
    });
    let tool = bundle.lines.iter().find(|line| line["payload"]["type"] == "tool_call_started").unwrap();
    assert_eq!([&tool["thread_id"], &tool["codex_turn_id"]], ["t", "u"]);
}
