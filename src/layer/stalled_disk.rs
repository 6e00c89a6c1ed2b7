//! Who waits for a disk that stalls at one thing: nobody but those who asked for it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tracing::info_span;

use super::faulty_disk::{Door, Fixture, MODEL};
use super::operation::{SessionMetadata, ThreadFacts, ThreadOperation};
use super::{AgentThread, Operation, ThreadMeta, ToolCallMeta};
use crate::bundle::mem_disk::{Doing, MemDisk};
use crate::bundle::{Json, Manifest};
use crate::event::Timestamp;

/// A place where the disk stalls once, whoever comes there first.
struct Stall {
    door: Arc<Door>,
    is_reached: mpsc::Receiver<()>,
}

impl Stall {
    fn at(disk: &MemDisk, is_there: impl Fn(&Path, Doing) -> bool + Send + Sync + 'static) -> Self {
        let door = Arc::<Door>::default();
        let (reached, is_reached) = mpsc::channel();
        let (waits, had_one) = (Arc::clone(&door), AtomicBool::new(false));
        disk.plant(move |path, doing| {
            if is_there(path, doing) && !had_one.swap(true, Ordering::Relaxed) {
                let _ = reached.send(());
                waits.pass();
            }
            Ok(())
        });
        Self { door, is_reached }
    }

    fn wait(&self) {
        self.is_reached.recv().expect("stalled");
    }
}

#[test]
fn nobody_waits_for_the_metadata_of_a_thread_but_who_stores_it() {
    let mut fixture = Fixture::new(|builder| builder);
    let metadata = SessionMetadata { nickname: Some("Klaus".to_owned()), ..SessionMetadata::default() };
    let facts = ThreadFacts { metadata, ..ThreadFacts::default() };
    let operation = ThreadOperation::new(Arc::clone(&fixture.recorder.0), None, facts, None);
    let stall = Stall::at(&fixture.disk, |path, doing| doing == Doing::Create && path.ends_with("payloads/1.json"));
    thread::scope(|scope| {
        let stalled = scope.spawn(|| operation.start(Timestamp::now()));
        stall.wait();
        assert!(operation.start(Timestamp::now()));
        operation.protocol_event("meanwhile", &Json(&1));
        assert!(!stalled.is_finished());
        stall.door.open();
        assert!(stalled.join().expect("no panic"));
    });
    assert_eq!(fixture.recorder.stats().events["thread_started"], 1);
    assert_eq!(fixture.recorder.stats().events["protocol_event_observed"], 1);
    let graph = fixture.graph();
    assert_eq!(graph.threads.iter().next().and_then(|thread| thread.nickname.as_deref()), Some("Klaus"));
}

/// One call of a conversation, as a framework's span tells it.
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
fn a_conversation_whose_bundle_is_being_made_holds_up_no_other() {
    for stalls_at in [Doing::Create, Doing::Write] {
        let fixture = Fixture::new(|builder| builder);
        let stall = Stall::at(&fixture.disk, move |path, doing| {
            let is_here = match stalls_at {
                Doing::Create => path.ends_with(Manifest::FILE),
                Doing::Write | Doing::Truncate | Doing::Sync | Doing::Other => path.ends_with(Manifest::LOG),
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
                // The second call asks for its conversation some time during these.
                for number in 0..300 {
                    call_in(&number.to_string());
                    thread::yield_now();
                }
                assert!(!stalled.is_finished() && !second.is_finished());
                assert_eq!(fixture.recorder.stats().events["inference_started"], 300);
                stall.door.open();
            });
        });
        assert_eq!(fixture.recorder.stats().events["inference_started"], 302);
        assert_eq!((fixture.recorder.stats().events["thread_started"], fixture.recorder.stats().lost()), (301, 0));
    }
}

#[test]
fn what_is_said_of_a_call_does_not_wait_for_the_body_of_its_end() {
    let mut fixture = Fixture::new(|builder| builder);
    fixture.under(|| {
        let thread = AgentThread::start(ThreadMeta::new());
        let turn = thread.turn(None);
        let inference = turn.inference(MODEL);
        inference.request(Json(&serde_json::json!({ "input": [] })));
        let tool = turn.tool_call(ToolCallMeta::new("n"));
        let stall = Stall::at(&fixture.disk, |path, doing| doing == Doing::Create && path.ends_with("payloads/2.json"));
        thread::scope(|scope| {
            scope.spawn(|| inference.clone().complete());
            stall.wait();
            inference.response_id("said meanwhile");
            stall.door.open();
        });
        let stall = Stall::at(&fixture.disk, |path, doing| doing == Doing::Create && path.ends_with("payloads/3.json"));
        thread::scope(|scope| {
            scope.spawn(|| tool.clone().fail("planted"));
            stall.wait();
            tool.output("said meanwhile");
            stall.door.open();
        });
    });
    let stats = fixture.recorder.stats();
    assert_eq!((stats.events.get("other"), stats.lost()), (None, 0), "{stats:?}");
    let graph = fixture.graph();
    let call = graph.inference_calls.iter().next().expect("a call");
    assert_eq!(call.response_id.as_ref().map(|id| id.as_str()), Some("said meanwhile"));
}
