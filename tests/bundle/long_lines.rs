//! Lines at the limit of what a reader reads: a reader refuses longer ones, and a writer writes none.

use std::fs;

use otel_trace::bundle::{LineError, Manifest, Reader};
use otel_trace::event::{Event, UnixMillis};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{AgentThread, Durability, Model, Operation, Recorder, Store, ThreadMeta};

use crate::common::{bundles, run_recorded};

/// Maximum length of a line in bytes, with its line break.
const LIMIT: usize = 64 << 20;

#[test]
fn line_at_the_limit_is_read_and_a_longer_one_refused_alone() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = Manifest::new("trace".into(), "r".into(), "t".into(), UnixMillis(0));
    fs::write(directory.path().join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let line = |seq: u64, length: usize| {
        let head = format!(r#"{{"schema_version":1,"seq":{seq},"wall_time_unix_ms":0,"rollout_id":"r","more":""#);
        let tail = "\",\"payload\":{\"type\":\"rollout_ended\",\"status\":\"completed\"}}\n";
        format!("{head}{}{tail}", "x".repeat(length.saturating_sub(head.len() + tail.len())))
    };
    let log = [line(1, LIMIT), line(2, LIMIT + 1), line(3, 0)].concat();
    fs::write(directory.path().join("trace.jsonl"), log).unwrap();
    let lines = Reader::open(directory.path()).unwrap().lines().unwrap().map(|line| line.unwrap());
    let read: Vec<_> = lines.map(|line| (line.number, line.content.map(|record| record.seq.0))).collect();
    let [(1, Ok(1)), (2, Err(second @ LineError::TooLong { .. })), (3, Ok(3))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(second.to_string(), "the line has 67108865 bytes; at most 67108864 are read");
}

/// Records a run in which the error of a call makes the line of its end too long.
fn record_huge_texts(store: Store, durability: Durability) {
    let root = tempfile::tempdir().unwrap();
    let builder = Recorder::builder().root(root.path()).no_parent().store(store).durability(durability);
    let (recorder, guard) = builder.on_loss(|_| {}).build().unwrap();
    // Six bytes a character in a line.
    let huge = "\u{1}".repeat(12 << 20);
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        turn.inference(Model { name: "m", provider: "p" }).fail(&huge);
        turn.inference(Model { name: "m", provider: "p" }).fail("small");
        turn.complete();
    });
    drop(guard);
    let stats = recorder.stats();
    assert_eq!(stats.lost_texts.values().sum::<u64>(), 1, "{stats:?}");
    assert!(stats.lost_events.is_empty(), "{stats:?}");
    let bundle = &bundles(root.path())[0];
    let length = fs::metadata(bundle.path.join("trace.jsonl")).unwrap().len();
    assert!(length < 1 << 20, "{length}");
    let reader = Reader::open(&bundle.path).unwrap();
    let graph = reduce(&reader, &Options::default()).unwrap().graph;
    let errors: Vec<_> = graph.inference_calls.iter().map(|call| call.error.as_deref().unwrap_or_default()).collect();
    assert!(
        errors[0].starts_with("\u{1}\u{1}") && errors[0].ends_with("bytes, of which only the beginning was recorded]")
    );
    assert_eq!(errors[1], "small");
    let gaps = reader.lines().unwrap().filter_map(|line| line.unwrap().content.ok());
    let gaps = gaps.filter(|record| matches!(&record.event, Event::Other(other) if other.kind == "recording_gap"));
    assert!(gaps.count() > 0, "the log names what was not recorded as it is");
}

#[test]
fn texts_that_are_too_long_for_a_line_are_shortened_and_reported() {
    record_huge_texts(Store::Files, Durability::PageCache);
    record_huge_texts(Store::Pack, Durability::Buffered);
}
