//! Which spans and events the layer wants.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use super::wire_event::may_be_wire;

/// Lets in what a recorder looks at: spans up to `INFO`, and events of our own targets. Everything else need not be
/// formatted or sampled for it. With [`wire_events`](Self::wire_events), also what frameworks log of their requests.
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

/// The target under which a program's own events are instants of ours.
const TARGET: &str = "otel_trace";

/// Whether events of this callsite are instants.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    let rest = metadata.target().strip_prefix(TARGET);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

impl RecordFilter {
    /// Also lets in the events by which a framework logs the bodies of its requests and replies, rig's at `TRACE`. They
    /// are recorded where its spans don't say what was asked and answered. A framework formats them for this, which
    /// costs it a serialisation of each request.
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

    fn wants(self, metadata: &Metadata<'_>) -> bool {
        let may_be_ours = metadata.is_span() || is_ours(metadata);
        *metadata.level() <= Level::INFO && may_be_ours || self.wire_events && may_be_wire(metadata)
    }
}

impl<S> Filter<S> for RecordFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.wire_events { LevelFilter::TRACE } else { LevelFilter::INFO })
    }
}
