//! Unusual volumes: a body that does not fit into memory, and a hundred thousand spans.

use std::fs;
use std::io::Write;
use std::thread;

use otel_trace::bundle::Reader;
use otel_trace::{
    AgentThread, Body, BodyBuf, BodyError, Durability, Limits, Model, Operation, Recorder, ThreadMeta, ToolCallMeta,
};
use tracing::subscriber::with_default;
use tracing_subscriber::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use crate::recovered::bundles;

/// The variable with the length of the large body, in bytes. Default: 128 MiB.
const BODY_BYTES: &str = "OTEL_TRACE_BODY_BYTES";

/// Maximum length of a body that is stored whole, in bytes.
const LIMIT: usize = 8 << 20;

/// A body with a length in bytes, which is generated while it is written.
struct LargeBody(u64);

impl LargeBody {
    fn chunks(&self) -> impl Iterator<Item = [u8; 1 << 16]> {
        (0..self.0 >> 16).map(|n| {
            let mut chunk = [b'.'; 1 << 16];
            let number = format!("{n:020}");
            chunk[..number.len()].copy_from_slice(number.as_bytes());
            chunk
        })
    }
}

impl Body for LargeBody {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        self.chunks().try_for_each(|chunk| out.write_all(&chunk)).map_err(BodyError::new)
    }
}

/// Returns the peak resident set size of this process, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Records a body that exceeds the length limit by far, and checks the memory use and the truncated payload.
pub(crate) fn check_large_body() {
    let length = std::env::var(BODY_BYTES).map_or(128 << 20, |bytes| bytes.parse::<u64>().unwrap()) >> 16 << 16;
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().body_bytes(LIMIT);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().limits(limits).build().unwrap();
    let layer = recorder.layer().with_filter(recorder.filter());
    let before = peak_kib();
    with_default(tracing_subscriber::registry().with(layer), || {
        AgentThread::start(ThreadMeta::new()).protocol_event("large", LargeBody(length));
    });
    let grown = (peak_kib() - before) * 1024;
    assert!(grown < 4 * LIMIT as u64, "{grown} bytes of memory for a body of {length}, of which {LIMIT} are stored");
    drop(guard);
    let mut hash = Xxh3::new();
    LargeBody(length).chunks().for_each(|chunk| hash.update(&chunk));
    let reader = Reader::open(&bundles(root.path())[0]).unwrap();
    let records = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap());
    let mut payloads = 0;
    for record in records {
        record.event.for_each_payload(|reference| {
            let whole = reference.truncated.as_ref().unwrap();
            assert_eq!((whole.length, &*whole.hash), (length, &*format!("{:032x}", hash.digest128())));
            let content: serde_json::Value = serde_json::from_slice(&reader.payload(reference).unwrap()).unwrap();
            let ends = &content["otel_trace.truncated"];
            assert!(ends["head"].as_str().unwrap().starts_with("00000000000000000000..."));
            let last = format!("{:020}...", (length >> 16) - 1);
            assert!(ends["tail"].as_str().unwrap().starts_with(&last));
            payloads += 1;
        });
    }
    assert_eq!(payloads, 1);
}

/// Returns the number of write system calls of this process so far.
fn write_calls() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
}

const THREADS: u64 = 4;
const SPANS: u64 = 100_000;

/// Opens and closes a hundred thousand spans in several threads. Checks that each event is one write, and that it is
/// either written or counted as lost.
pub(crate) fn check_many_spans(durability: Durability) {
    let root = tempfile::tempdir().unwrap();
    // The default report of a loss on stderr would be another write.
    let builder = Recorder::builder().root(root.path()).no_parent().durability(durability).on_loss(|_| {});
    let (recorder, guard) = builder.build().unwrap();
    let before = write_calls();
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    let dispatch = tracing::Dispatch::new(subscriber);
    tracing::dispatcher::with_default(&dispatch, || {
        let run = AgentThread::start(ThreadMeta::new());
        let turn = run.turn(None);
        turn.inference(Model { name: "m", provider: "p" }).fail("503");
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&dispatch, || {
                        (0..SPANS / THREADS).for_each(|_| drop(turn.tool_call(ToolCallMeta::new("n"))));
                    });
                });
            }
        });
    });
    drop(guard);
    let writes = write_calls() - before;
    let stats = recorder.stats();
    let [written, lost] = [&stats.events, &stats.lost_events]
        .map(|counts| ["tool_call_started", "tool_call_ended"].map(|name| counts.get(name).copied().unwrap_or(0)));
    // An operation whose start event is lost has no end event.
    assert_eq!(written[0] + lost[0], SPANS, "{stats:?}");
    assert_eq!(written[1] + lost[1], written[0], "{stats:?}");
    assert!(durability == Durability::Buffered || stats.lost() == 0, "{stats:?}");
    let lines: u64 = stats.events.values().sum();
    let payloads: u64 = stats.payloads.values().sum();
    // Three more writes: the manifest, and the marking of the bundle as in use with its removal.
    assert_eq!(writes, lines + payloads + 3, "{stats:?}");
    let reader = Reader::open(&bundles(root.path())[0]).unwrap();
    assert_eq!(reader.lines().unwrap().count() as u64, lines);
}
