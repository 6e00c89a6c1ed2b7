//! More than is usual: a body that no memory holds, and spans by the hundred thousand.

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

use crate::verdict::bundles;

/// How many bytes the large body has; less than real ones where nothing is said.
const BODY_BYTES: &str = "OTEL_TRACE_BODY_BYTES";

/// The largest body that is kept whole here.
const LIMIT: usize = 8 << 20;

/// A body that is made as it is written.
struct Large(u64);

impl Large {
    fn pieces(&self) -> impl Iterator<Item = [u8; 1 << 16]> {
        (0..self.0 >> 16).map(|n| {
            let mut piece = [b'.'; 1 << 16];
            let number = format!("{n:020}");
            piece[..number.len()].copy_from_slice(number.as_bytes());
            piece
        })
    }
}

impl Body for Large {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        self.pieces().try_for_each(|piece| out.write_all(&piece)).map_err(BodyError::new)
    }
}

/// The most memory this process ever had, in kilobytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Records a body that is far beyond its limit.
pub(crate) fn a_large_body() {
    let length = std::env::var(BODY_BYTES).map_or(128 << 20, |bytes| bytes.parse::<u64>().unwrap()) >> 16 << 16;
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().body_bytes(LIMIT);
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().limits(limits).build().unwrap();
    let layer = recorder.layer().with_filter(recorder.filter());
    let before = peak();
    with_default(tracing_subscriber::registry().with(layer), || {
        AgentThread::start(ThreadMeta::new()).protocol_event("large", Large(length));
    });
    let grown = (peak() - before) * 1024;
    assert!(grown < 4 * LIMIT as u64, "{grown} bytes of memory for a body of {length}, of which {LIMIT} are kept");
    drop(guard);
    let mut hash = Xxh3::new();
    Large(length).pieces().for_each(|piece| hash.update(&piece));
    let reader = Reader::open(&bundles(root.path())[0]).unwrap();
    let records = reader.lines().unwrap().map(|line| line.unwrap().content.unwrap());
    let mut seen = 0;
    for record in records {
        record.event.for_each_payload(|reference| {
            let whole = reference.truncated.as_ref().unwrap();
            assert_eq!((whole.length, &*whole.hash), (length, &*format!("{:032x}", hash.digest128())));
            let kept: serde_json::Value = serde_json::from_slice(&reader.payload(reference).unwrap()).unwrap();
            let ends = &kept["otel_trace.truncated"];
            assert!(ends["head"].as_str().unwrap().starts_with("00000000000000000000..."));
            let last = format!("{:020}...", (length >> 16) - 1);
            assert!(ends["tail"].as_str().unwrap().starts_with(&last));
            seen += 1;
        });
    }
    assert_eq!(seen, 1);
}

/// `write(2)` and its like, of this process so far.
fn writes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("syscw: ")).unwrap().parse().unwrap()
}

const THREADS: u64 = 4;
const SPANS: u64 = 100_000;

/// Opens and closes a hundred thousand spans in several threads: each event is one write, and is written or counted.
pub(crate) fn many_spans(durability: Durability) {
    let root = tempfile::tempdir().unwrap();
    // What is told of losses on stderr would be one more write.
    let builder = Recorder::builder().root(root.path()).no_parent().durability(durability).on_loss(|_| {});
    let (recorder, guard) = builder.build().unwrap();
    let before = writes();
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
    let writes = writes() - before;
    let stats = recorder.stats();
    let [written, lost] = [&stats.events, &stats.lost_events]
        .map(|counts| ["tool_call_started", "tool_call_ended"].map(|name| counts.get(name).copied().unwrap_or(0)));
    // One whose start is lost has no end.
    assert_eq!(written[0] + lost[0], SPANS, "{stats:?}");
    assert_eq!(written[1] + lost[1], written[0], "{stats:?}");
    assert!(durability == Durability::Buffered || stats.lost() == 0, "{stats:?}");
    let lines: u64 = stats.events.values().sum();
    let bodies: u64 = stats.payloads.values().sum();
    // The manifest is one more, and that the bundle is in use is said and taken back.
    assert_eq!(writes, lines + bodies + 3, "{stats:?}");
    let reader = Reader::open(&bundles(root.path())[0]).unwrap();
    assert_eq!(reader.lines().unwrap().count() as u64, lines);
}
