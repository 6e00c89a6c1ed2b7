//! Which spans and events the layer wants.

use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// Lets in what a recorder looks at: spans up to `INFO`, and events of our own targets. Everything else need not be
/// formatted or sampled for it.
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
pub struct RecordFilter;

/// The target under which a program's own events are instants of ours.
pub(super) const TARGET: &str = "otel_trace";

impl RecordFilter {
    fn wants(metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && (metadata.is_span() || metadata.target().starts_with(TARGET))
    }
}

impl<S> Filter<S> for RecordFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}
