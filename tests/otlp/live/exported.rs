//! Test harness: a subscriber with a recorder and the bridge, and an exporter that keeps the spans in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, SpanData};
use otel_trace::bundle::Reader;
use otel_trace::event::Record;
use otel_trace::graph::Graph;
use otel_trace::otlp::{Bridge, ContentPolicy, MapExporter, Mapping, ParentSpanProcessor, bridge};
use otel_trace::reduce::{Options, reduce};
use otel_trace::{Recorder, RecorderGuard};
use tempfile::TempDir;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

/// A recorder with an in-memory exporter.
pub(crate) struct Harness {
    pub(crate) recorder: Recorder,
    guard: Option<RecorderGuard>,
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    mapping: Mapping,
    /// Dropped last: the guard writes the end of the recording into it.
    root: TempDir,
}

/// The order in which bridge and recorder are added to a subscriber.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    BridgeFirst,
    RecorderFirst,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(ContentPolicy::Omit, Sampler::AlwaysOn)
    }

    pub(crate) fn with(content: ContentPolicy, sampler: Sampler) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let (recorder, guard) = Recorder::builder().root(root.path()).build().expect("a recorder");
        Self::from_parts(root, recorder, guard, content, sampler)
    }

    /// Creates a harness that exports spans but records nothing.
    pub(crate) fn unwritten() -> Self {
        let (recorder, guard) = Recorder::unwritten();
        let root = tempfile::tempdir().expect("a directory");
        Self::from_parts(root, recorder, guard, ContentPolicy::Omit, Sampler::AlwaysOn)
    }

    fn from_parts(
        root: TempDir,
        recorder: Recorder,
        guard: RecorderGuard,
        content: ContentPolicy,
        sampler: Sampler,
    ) -> Self {
        let exporter = InMemorySpanExporter::default();
        let mapping = Mapping { content, ..Mapping::default() };
        let mapped = MapExporter::new(exporter.clone(), mapping);
        let provider =
            SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(ParentSpanProcessor::default());
        let provider = provider.with_simple_exporter(mapped).build();
        Self { recorder, guard: Some(guard), exporter, provider, mapping, root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer("otel-trace"))
    }

    pub(crate) fn bridge<S>(&self) -> Bridge<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        bridge(&self.recorder, self.layer(), self.mapping)
    }

    /// Runs a program under both layers, added in the given order.
    pub(crate) fn run(&self, order: Order, program: impl FnOnce()) {
        match order {
            Order::BridgeFirst => {
                let bridge = self.bridge();
                let recording = self.recorder.layer().with_filter(self.recorder.filter());
                let subscriber = tracing_subscriber::registry().with(bridge).with(recording);
                tracing::subscriber::with_default(subscriber, program);
            }
            Order::RecorderFirst => {
                let recording = self.recorder.layer().with_filter(self.recorder.filter());
                let subscriber = tracing_subscriber::registry().with(recording);
                tracing::subscriber::with_default(subscriber.with(self.bridge()), program);
            }
        }
    }

    /// Ends the recording by dropping its guard.
    pub(crate) fn finish(&mut self) {
        self.guard = None;
    }

    /// Returns the exported spans, in the order in which they ended.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().expect("spans")
    }

    /// Returns the path of the only bundle.
    pub(crate) fn bundle(&self) -> PathBuf {
        let mut bundles = bundles(self.root());
        let bundle = bundles.pop().expect("a bundle");
        assert_eq!(bundles, Vec::<PathBuf>::new(), "one bundle");
        bundle
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let log = std::fs::read(self.bundle().join("trace.jsonl")).expect("a log");
        let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Record::parse(line).expect("a line")).collect()
    }

    pub(crate) fn graph(&self) -> Graph {
        let reader = Reader::open(&self.bundle()).expect("a bundle");
        reduce(&reader, &Options::default()).expect("a graph").graph
    }
}

pub(crate) fn bundles(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.join("manifest.json").exists()).collect()
}

/// Returns the attributes of a span as text, by key. Panics if a key occurs twice.
pub(crate) fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for attribute in &span.attributes {
        let before = all.insert(attribute.key.to_string(), attribute.value.as_str().into_owned());
        assert_eq!(before, None, "{} of {}", attribute.key, span.name);
    }
    all
}

/// Returns the only span with this name.
pub(crate) fn named<'s>(spans: &'s [SpanData], name: &str) -> &'s SpanData {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    match found.as_slice() {
        [span] => span,
        others => panic!("found {} spans named {name} in {:?}", others.len(), names(spans)),
    }
}

pub(crate) fn names(spans: &[SpanData]) -> Vec<String> {
    let mut names: Vec<_> = spans.iter().map(|span| span.name.to_string()).collect();
    names.sort();
    names
}
