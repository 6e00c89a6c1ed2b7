//! When windows of plain spans start, and in what.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Bundle, bundles, record, record_one, recorder, under};
use otel_trace::{Json, Operation, PayloadKind, SpanExt};
use tracing::field::Empty;
use tracing::{Span, info_span};

fn thread(id: &str) -> Span {
    info_span!("thread", otel_trace.kind = "thread", gen_ai.conversation.id = id)
}

fn turn(id: &str) -> Span {
    info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = id)
}

/// How many events of these names have been written when `program` is done, before the recording ends.
fn written(program: impl FnOnce() -> Span) -> u64 {
    let (_root, recorder, guard) = recorder();
    let written = under(&recorder, || {
        let _span = program();
        recorder.stats().events.values().sum()
    });
    drop(guard);
    written
}

#[test]
fn a_span_at_the_top_starts_with_the_first_thing_that_happens_to_it() {
    assert_eq!(written(|| thread("t")), 0, "opened: it may still follow from another");
    assert_eq!(
        written(|| {
            let t = thread("t");
            t.in_scope(|| {});
            t
        }),
        2,
        "entered"
    );
    assert_eq!(
        written(|| {
            let t = thread("t");
            drop(info_span!(parent: &t, "turn", otel_trace.kind = "turn", otel_trace.turn.id = "u"));
            t
        }),
        4,
        "a window below"
    );
    assert_eq!(
        written(|| {
            let t = thread("t");
            t.otel_trace().record_payload(PayloadKind::ProtocolEvent, Json(&1));
            t
        }),
        3,
        "a body"
    );
    assert_eq!(
        written(|| {
            drop(thread("t"));
            Span::none()
        }),
        4,
        "closed"
    );
}

#[test]
fn a_span_below_starts_when_its_facts_are_known() {
    let below = |turn: Option<&str>| {
        let turn = turn.map(str::to_owned);
        written(move || {
            thread("t").in_scope(|| info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = turn))
        })
    };
    assert_eq!(below(Some("u")), 3, "rollout, thread and turn");
    assert_eq!(below(None), 2, "the id may still be recorded");
}

fn parent_of(bundle: &Bundle, child: usize) -> String {
    let metadata = bundle.body(&bundle.all("thread_started")[child]["metadata_payload"]);
    metadata["session_source"]["subagent"]["thread_spawn"]["parent_thread_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_thread_opened_below_another_or_following_from_it_is_spawned_by_it() {
    let bundle = record_one(|| {
        let root = thread("root");
        let _root = root.enter();
        thread("below").in_scope(|| {});
        let turn = turn("u");
        let follower = info_span!(parent: None, "thread", otel_trace.kind = "thread", gen_ai.conversation.id = "after");
        follower.follows_from(&turn);
        follower.in_scope(|| {});
    });
    let ids: Vec<_> = bundle.all("thread_started").iter().map(|started| started["thread_id"].clone()).collect();
    assert_eq!(ids, ["root", "below", "after"]);
    assert_eq!([parent_of(&bundle, 1), parent_of(&bundle, 2)], ["root", "root"]);
}

#[test]
fn a_threads_own_id_does_not_name_what_it_is_in() {
    let bundles = record(|| {
        let [first, second] = [thread("same"), thread("same")];
        first.in_scope(|| {});
        second.in_scope(|| {});
        drop(first);
        info_span!("turn", otel_trace.kind = "turn", otel_trace.turn.id = "u", gen_ai.conversation.id = "same")
            .in_scope(|| {});
    });
    assert_eq!(bundles.len(), 2, "two runs of one conversation are two recordings");
    assert!(bundles.iter().all(|bundle| bundle.one("thread_started")["thread_id"] == "same"));
    let turns: usize = bundles.iter().map(|bundle| bundle.all("codex_turn_started").len()).sum();
    assert_eq!(turns, 1, "what names the thread is in the one that is open still");
}

#[test]
fn spans_that_follow_from_each_other_in_a_circle_are_recorded() {
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
fn a_long_chain_of_spans_that_follow_from_each_other_costs_no_stack() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
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
fn a_span_of_no_interest_lets_the_context_through() {
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
