//! Peers that recording is compared with.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

/// The bytes that one operation added to a bundle.
#[derive(Debug)]
pub(crate) struct RecordedWrites {
    lines: Vec<Vec<u8>>,
    /// Contents of the payloads that are each written to a separate file.
    bodies: Vec<Vec<u8>>,
    /// Bytes appended to the pack.
    packed: Vec<u8>,
}

impl RecordedWrites {
    /// Runs the operation once and returns the bytes that it added to the bundle.
    pub(crate) fn capture(bundle: &Path, operation: impl FnOnce()) -> io::Result<Self> {
        let log = bundle.join("trace.jsonl");
        let payloads = || -> io::Result<Vec<PathBuf>> {
            fs::read_dir(bundle.join("payloads"))?.map(|entry| entry.map(|entry| entry.path())).collect()
        };
        // The pack does not exist before the first payload.
        let pack = || fs::read(bundle.join("payloads.pack")).unwrap_or_default();
        let (bytes_before, payloads_before, packed_before) = (fs::read(&log)?.len(), payloads()?, pack().len());
        operation();
        let lines = fs::read(&log)?.split_off(bytes_before);
        let new = payloads()?.into_iter().filter(|path| !payloads_before.contains(path));
        Ok(Self {
            lines: lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
            bodies: new.map(fs::read).collect::<io::Result<_>>()?,
            packed: pack().split_off(packed_before),
        })
    }
}

impl fmt::Display for RecordedWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let appends = usize::from(!self.packed.is_empty());
        let parts = [("append", appends), ("file", self.bodies.len()), ("write", self.lines.len())];
        let parts = parts.iter().filter(|(_, count)| *count > 0);
        let parts = parts.map(|(name, count)| format!("{count} {name}{}", if *count == 1 { "" } else { "s" }));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// A peer that writes the recorded bytes by bare system calls: a new file for each payload, or one append to the pack,
/// and one write under a lock for each line.
#[derive(Debug)]
pub(crate) struct BareWrites {
    written: RecordedWrites,
    log: Mutex<File>,
    pack: File,
    bodies: PathBuf,
    last: AtomicU64,
}

impl BareWrites {
    pub(crate) fn new(written: RecordedWrites, directory: &Path) -> io::Result<Self> {
        let bodies = directory.join("bare");
        fs::create_dir_all(&bodies)?;
        let appending = |name| OpenOptions::new().append(true).create_new(true).open(directory.join(name));
        let (log, pack) = (Mutex::new(appending("bare.jsonl")?), appending("bare.pack")?);
        Ok(Self { written, log, pack, bodies, last: AtomicU64::new(0) })
    }

    /// Writes the bytes of one operation. Panics on errors, since a comparison with failed writes is worthless.
    pub(crate) fn write(&self) {
        self.try_write().expect("the file system accepts the writes");
    }

    fn try_write(&self) -> io::Result<()> {
        for body in &self.written.bodies {
            let number = self.last.fetch_add(1, Ordering::Relaxed);
            let path = self.bodies.join(format!("{number}.json"));
            OpenOptions::new().write(true).create_new(true).open(path)?.write_all(body)?;
        }
        if !self.written.packed.is_empty() {
            (&self.pack).write_all(&self.written.packed)?;
        }
        for line in &self.written.lines {
            let mut log = self.log.lock().expect("no writer panics");
            log.write_all(line)?;
        }
        Ok(())
    }
}

/// `tracing-opentelemetry` with a batch processor whose exporter discards all spans.
#[derive(Debug)]
pub(crate) struct Otel {
    pub(crate) dispatch: Dispatch,
    provider: SdkTracerProvider,
}

impl Otel {
    pub(crate) fn new() -> Self {
        let processor = BatchSpanProcessor::builder(NoopExporter).build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
        Self { dispatch: Dispatch::new(tracing_subscriber::registry().with(layer)), provider }
    }

    /// Flushes the queue of the processor, since a full queue drops spans, which is cheap.
    pub(crate) fn flush(&self) {
        self.provider.force_flush().expect("the exporter does not fail");
    }
}

/// An exporter that discards all spans.
#[derive(Debug)]
struct NoopExporter;

impl SpanExporter for NoopExporter {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
