//! Tests that a stalled disk operation blocks only the callers that need it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tracing::info_span;

use crate::bundle::tests::mem_disk::{DiskOp, MemDisk};
use crate::bundle::{Json, Manifest};
use crate::event::Timestamp;
use crate::layer::operation::{SessionMetadata, ThreadFacts, ThreadOperation};
use crate::layer::tests::faulty_disk::{Fixture, Gate, MODEL};
use crate::layer::{AgentThread, Operation, ThreadMeta, ToolCallMeta};

/// An operation of the disk that stalls, the first time that any thread reaches it.
struct Stall {
    gate: Arc<Gate>,
    is_reached: mpsc::Receiver<()>,
}

impl Stall {
    /// Makes the first disk operation that `is_there` matches stall.
    fn at(disk: &MemDisk, is_there: impl Fn(&Path, DiskOp) -> bool + Send + Sync + 'static) -> Self {
        let gate = Arc::<Gate>::default();
        let (reached, is_reached) = mpsc::channel();
        let (waiter, had_one) = (Arc::clone(&gate), AtomicBool::new(false));
        disk.inject_fault(move |path, doing| {
            if is_there(path, doing) && !had_one.swap(true, Ordering::Relaxed) {
                let _ = reached.send(());
                waiter.pass();
            }
            Ok(())
        });
        Self { gate, is_reached }
    }

    /// Waits until the operation is reached.
    fn wait(&self) {
        self.is_reached.recv().expect("stalled");
    }
}

#[test]
fn stalled_thread_metadata_blocks_only_its_own_start() {
    let mut fixture = Fixture::new(|builder| builder);
    let metadata = SessionMetadata { nickname: Some("Klaus".to_owned()), ..SessionMetadata::default() };
    let facts = ThreadFacts { metadata, ..ThreadFacts::default() };
    let operation = ThreadOperation::new(Arc::clone(&fixture.recorder.0), None, facts, None);
    let stall = Stall::at(&fixture.disk, |path, doing| doing == DiskOp::Create && path.ends_with("payloads/1.json"));
    thread::scope(|scope| {
        let stalled = scope.spawn(|| operation.start(Timestamp::now()));
        stall.wait();
        assert!(operation.start(Timestamp::now()));
        operation.record_protocol_event("meanwhile", &Json(&1));
        assert!(!stalled.is_finished());
        stall.gate.open();
        assert!(stalled.join().expect("no panic"));
    });
    assert_eq!(fixture.recorder.stats().events["thread_started"], 1);
    assert_eq!(fixture.recorder.stats().events["protocol_event_observed"], 1);
    let graph = fixture.graph();
    assert_eq!(graph.threads.iter().next().and_then(|thread| thread.nickname.as_deref()), Some("Klaus"));
}

/// Records one inference call of a conversation, with a span as frameworks emit them.
fn call_in(conversation: &str) {
    let span = info_span!(
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.conversation.id = conversation,
        gen_ai.request.model = "m",
        gen_ai.input.messages = "[]"
    );
    drop(span.entered());
}

#[test]
fn a_stalled_new_bundle_blocks_no_other_conversation() {
    for stalls_at in [DiskOp::Create, DiskOp::Write] {
        let fixture = Fixture::new(|builder| builder);
        let stall = Stall::at(&fixture.disk, move |path, doing| {
            let is_here = match stalls_at {
                DiskOp::Create => path.ends_with(Manifest::FILE),
                DiskOp::Write | DiskOp::Truncate | DiskOp::Sync | DiskOp::Other => path.ends_with(Manifest::LOG),
            };
            doing == stalls_at && is_here
        });
        fixture.under(|| {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let in_first = || tracing::dispatcher::with_default(&dispatch, || call_in("first"));
            thread::scope(|scope| {
                let stalled = scope.spawn(in_first);
                stall.wait();
                let second = scope.spawn(in_first);
                // The second call looks up its conversation at some time during these calls.
                for number in 0..300 {
                    call_in(&number.to_string());
                    thread::yield_now();
                }
                assert!(!stalled.is_finished() && !second.is_finished());
                assert_eq!(fixture.recorder.stats().events["inference_started"], 300);
                stall.gate.open();
            });
        });
        assert_eq!(fixture.recorder.stats().events["inference_started"], 302);
        assert_eq!((fixture.recorder.stats().events["thread_started"], fixture.recorder.stats().lost()), (301, 0));
    }
}

#[test]
fn updates_of_a_call_do_not_wait_for_its_stalled_end() {
    let mut fixture = Fixture::new(|builder| builder);
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(MODEL);
        inference.request(Json(&serde_json::json!({ "input": [] })));
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        let stall =
            Stall::at(&fixture.disk, |path, doing| doing == DiskOp::Create && path.ends_with("payloads/2.json"));
        thread::scope(|scope| {
            scope.spawn(|| inference.clone().complete());
            stall.wait();
            inference.response_id("recorded meanwhile");
            stall.gate.open();
        });
        let stall =
            Stall::at(&fixture.disk, |path, doing| doing == DiskOp::Create && path.ends_with("payloads/3.json"));
        thread::scope(|scope| {
            scope.spawn(|| tool.clone().fail("planted"));
            stall.wait();
            tool.output("recorded meanwhile");
            stall.gate.open();
        });
    });
    let stats = fixture.recorder.stats();
    assert_eq!((stats.events.get("other"), stats.lost()), (None, 0), "{stats:?}");
    let graph = fixture.graph();
    let call = graph.inference_calls.iter().next().expect("a call");
    assert_eq!(call.response_id.as_ref().map(|id| id.as_str()), Some("recorded meanwhile"));
}
