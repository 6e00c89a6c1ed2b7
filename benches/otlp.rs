//! Measures exporting beside recording, as ratios to peers that are measured in the same run: `cargo bench --bench
//! otlp`.
//!
//! No ratio is asserted. All subjects hand their spans to a background thread, which works while nothing is measured.

#[path = "otlp/finished.rs"]
mod finished;
#[path = "layer/measure.rs"]
mod measure;
#[expect(dead_code, reason = "another benchmark creates other sessions")]
#[path = "reduce/session.rs"]
mod session;
#[path = "layer/table.rs"]
mod table;

use std::error::Error;
use std::path::Path;

use measure::{Plan, Subject};
use mock_collector::{MockServer, Protocol};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use otel_trace::otlp::{Otlp, OtlpBuilder, OtlpGuard};
use otel_trace::{Recorder, RecorderGuard};
use table::{Comparison, Table};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, Span, info_span};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

type Failure = Box<dyn Error>;

/// Operations per batch.
const BATCH: usize = 100;

/// Target ratio of recording and exporting together to the sum of recording alone and the bridge alone.
const TARGET: Option<f64> = Some(1.1);

#[expect(clippy::print_stdout, reason = "the table is the output of this program")]
fn main() -> Result<(), Failure> {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let plan = if is_bench { Plan::FULL } else { Plan::SMOKE };
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let receiver = runtime.block_on(MockServer::builder().protocol(Protocol::HttpBinary).start())?;
    let endpoint = format!("http://{}", receiver.addr());
    let mut table = Table::default();
    let null = || Otlp::builder().exporter(NoopExporter);
    compare(plan, &scratch.path().join("null"), "no exporter", null, &mut table)?;
    let receiving = || Otlp::builder().endpoint(&endpoint);
    compare(plan, &scratch.path().join("receiver"), "a receiver", receiving, &mut table)?;
    let finished = finished::table(scratch.path(), &endpoint, is_bench)?;
    if is_bench {
        println!("{plan}\n\n{table}\n\n{finished}");
    } else {
        println!("Each operation was done once; `cargo bench --bench otlp` measures them.");
    }
    Ok(())
}

/// Compares recording and exporting in one subscriber with each of them alone, and exporting with plain
/// `tracing-opentelemetry`.
fn compare(
    plan: Plan,
    root: &Path,
    to: &str,
    otlp: impl Fn() -> OtlpBuilder,
    table: &mut Table,
) -> Result<(), Failure> {
    let export = || Export::build(otlp());
    let together = Program::bridged(Recorder::builder().root(root.join("together")).build()?, export()?);
    let recording = Program::recording(Recorder::builder().root(root.join("recording")).build()?);
    let bridge = Program::bridge_alone(export()?);
    let exporting = Program::bridged(Recorder::unwritten(), export()?);
    let plain = Program::plain(export()?);

    let name = format!("record and export a tool span, {to}");
    let both = Subject::new(&name, |ids| together.run(ids)).settled_by(|| together.settle());
    let each = Subject::new("recording alone + the bridge alone", |ids| {
        recording.run(ids);
        bridge.run(ids);
    });
    let each = each.settled_by(|| bridge.settle());
    // Without a recording layer, the bridge gets no facts about the operations of spans.
    let as_documented = Subject::new("recording alone + exporting alone, as documented", |ids| {
        recording.run(ids);
        exporting.run(ids);
    });
    let as_documented = as_documented.settled_by(|| exporting.settle());
    let with_plain = Subject::new("recording alone + `tracing-opentelemetry` alone", |ids| {
        recording.run(ids);
        plain.run(ids);
    });
    let with_plain = with_plain.settled_by(|| plain.settle());
    let alone = Subject::new("recording alone", |ids| recording.run(ids));
    let comparison = Comparison::new(both, BATCH)
        .with(each, TARGET)
        .with(as_documented, None)
        .with(with_plain, None)
        .with(alone, None);
    table.measure(plan, comparison.on(&[1, 2]));

    let name = format!("export a tool span as what it means, {to}");
    let ours = Subject::new(&name, |ids| exporting.run(ids)).settled_by(|| exporting.settle());
    let alone = Subject::new("the bridge alone", |ids| bridge.run(ids)).settled_by(|| bridge.settle());
    let theirs = Subject::new("`tracing-opentelemetry`", |ids| plain.run(ids)).settled_by(|| plain.settle());
    table.measure(plan, Comparison::new(ours, BATCH).with(alone, None).with(theirs, None).on(&[1, 2]));
    [together, recording, bridge, exporting, plain].iter().for_each(Program::check);
    Ok(())
}

/// A subscriber, and a turn in which tools are called.
struct Program {
    dispatch: Dispatch,
    turn: Span,
    export: Option<Export>,
    recording: Option<(Recorder, RecorderGuard)>,
}

impl Program {
    /// Creates a subscriber with recorder and bridge, as documented.
    fn bridged(recording: (Recorder, RecorderGuard), export: Export) -> Self {
        let recorder = &recording.0;
        let bridge = export.otlp.bridge(recorder).with_filter(LevelFilter::INFO);
        let layer = recorder.layer().with_filter(recorder.filter());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(bridge).with(layer));
        Self::new(dispatch, Some(export), Some(recording))
    }

    fn recording(recording: (Recorder, RecorderGuard)) -> Self {
        let layer = recording.0.layer().with_filter(recording.0.filter());
        Self::new(Dispatch::new(tracing_subscriber::registry().with(layer)), None, Some(recording))
    }

    /// Creates a subscriber with the bridge but without a recording layer, so that the bridge gets no facts about
    /// operations.
    fn bridge_alone(export: Export) -> Self {
        let recording = Recorder::unwritten();
        // Creates a layer, since the guard of a recorder without one would print a warning.
        recording.0.layer::<Registry>();
        let bridge = export.otlp.bridge(&recording.0).with_filter(LevelFilter::INFO);
        Self::new(Dispatch::new(tracing_subscriber::registry().with(bridge)), Some(export), Some(recording))
    }

    /// Creates a subscriber with plain `tracing-opentelemetry`.
    fn plain(export: Export) -> Self {
        let layer = tracing_opentelemetry::layer().with_tracer(export.otlp.tracer()).with_filter(LevelFilter::INFO);
        Self::new(Dispatch::new(tracing_subscriber::registry().with(layer)), Some(export), None)
    }

    fn new(dispatch: Dispatch, export: Option<Export>, recording: Option<(Recorder, RecorderGuard)>) -> Self {
        let turn = with_default(&dispatch, || {
            let thread = info_span!("invoke_agent", otel_trace.kind = "thread");
            thread.in_scope(|| info_span!("turn", otel_trace.kind = "turn"))
        });
        Self { dispatch, turn, export, recording }
    }

    fn run(&self, ids: &[String]) {
        with_default(&self.dispatch, || ids.iter().for_each(|id| call(&self.turn, id)));
    }

    /// Flushes the queue, since a full queue drops spans, which is cheap.
    fn settle(&self) {
        if let Some(export) = &self.export {
            export.otlp.flush().expect("the receiver accepts all spans");
        }
    }

    fn check(&self) {
        let lost = self.recording.as_ref().map_or(0, |(recorder, _)| recorder.stats().lost());
        let dropped = self.export.as_ref().map_or(0, |export| export.otlp.stats().dropped());
        assert_eq!((lost, dropped), (0, 0), "lost spans are cheaper than recorded spans");
    }
}

/// An export pipeline.
struct Export {
    otlp: Otlp,
    _guard: OtlpGuard,
}

impl Export {
    fn build(builder: OtlpBuilder) -> Result<Self, Failure> {
        let (otlp, guard) = builder.build()?;
        Ok(Self { otlp, _guard: guard })
    }
}

fn call(turn: &Span, id: &str) {
    let tool = info_span!(
        parent: turn,
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = "search",
        gen_ai.tool.call.id = id,
    );
    tool.in_scope(|| {});
}

/// An exporter that discards all spans.
#[derive(Debug)]
struct NoopExporter;

impl SpanExporter for NoopExporter {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
