//! The per-layer filter of the record layer: [`RecordFilter`].

use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use crate::layer::span::callsites::{is_instant, may_be_outcome_event, may_be_wire_event};

/// A per-layer filter that enables the spans and events which a recorder examines: spans up to `INFO`, events of the
/// target `otel_trace`, the events of `#[instrument(err)]` and `#[instrument(ret)]`, and events of level `ERROR` or `WARN`
/// with an error in the field `error`, `error.message` or `exception.message`. Other spans and events need not be
/// formatted or sampled for the recorder. With [`wire_events`](Self::wire_events), also enables the events by which
/// frameworks log their requests.
///
/// Below `INFO`, a returned error or value is recorded only if another layer of the subscriber asks for that level:
/// otherwise every `DEBUG` and `TRACE` event of the program would pass through the subscriber.
///
/// ```
/// # use otel_trace::Recorder;
/// # use tracing_subscriber::prelude::*;
/// # let directory = tempfile::tempdir()?;
/// # let (recorder, _guard) = Recorder::builder().root(directory.path()).build()?;
/// let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
/// # drop(subscriber);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    wire_events: bool,
}

impl RecordFilter {
    /// Also enables the events by which a framework logs the bodies of its requests and responses; those of rig have
    /// level `TRACE`. Such a body is recorded if the fields of the span do not contain the request or response. The
    /// framework formats the bodies for these events, which costs it a serialization of each request.
    ///
    /// ```
    /// # use otel_trace::Recorder;
    /// # use tracing_subscriber::prelude::*;
    /// # let directory = tempfile::tempdir()?;
    /// # let (recorder, _guard) = Recorder::builder().root(directory.path()).build()?;
    /// let layer = recorder.layer().with_filter(recorder.filter().wire_events());
    /// let subscriber = tracing_subscriber::registry().with(layer);
    /// # drop(subscriber);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wire_events(self) -> Self {
        Self { wire_events: true }
    }

    fn accepts(self, metadata: &Metadata<'_>) -> bool {
        let may_be_recorded = metadata.is_span() || is_instant(metadata);
        *metadata.level() <= Level::INFO && may_be_recorded
            || may_be_outcome_event(metadata)
            || self.wire_events && may_be_wire_event(metadata)
    }
}

impl<S> Filter<S> for RecordFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.accepts(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.accepts(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.wire_events { LevelFilter::TRACE } else { LevelFilter::INFO })
    }
}
