//! Capture of responses that the gRPC exporter reports only through its `tracing` events.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::otlp::send::response::ExportResponse;

/// A capture of the exporter's events on threads where its subscriber is the default, and of no other events.
///
/// Without it, or in a program that compiles those events out, a message of which the receiver rejected some spans
/// would count as fully exported. One capture lives as long as its connection: a new subscriber per message would
/// register all callsites of the program again each time.
pub(super) struct GrpcLogCapture {
    captured: Arc<Mutex<CapturedFields>>,
    dispatch: Dispatch,
}

/// The captured fields of the response to one message.
#[derive(Debug, Default)]
pub(super) struct CapturedFields {
    pub(super) response: ExportResponse,
    /// Message of the gRPC status.
    pub(super) message: String,
    /// Encoded details of the gRPC status.
    pub(super) details: Vec<u8>,
}

impl Default for GrpcLogCapture {
    fn default() -> Self {
        let captured = Arc::<Mutex<CapturedFields>>::default();
        let dispatch = Dispatch::new(CaptureSubscriber(Arc::clone(&captured)));
        Self { captured, dispatch }
    }
}

impl GrpcLogCapture {
    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// Takes the fields that were captured since the last call.
    pub(super) fn take(&self) -> CapturedFields {
        std::mem::take(&mut *self.captured.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct CaptureSubscriber(Arc<Mutex<CapturedFields>>);

fn is_exporter_event(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == "opentelemetry-otlp"
}

impl Subscriber for CaptureSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_exporter_event(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_exporter_event(metadata)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut captured = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        event.record(&mut *captured);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Matches fields by the names that `opentelemetry-otlp` gives them.
impl Visit for CapturedFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "error_message" => self.response.message = value.to_owned(),
            "grpc_message" => self.message = value.to_owned(),
            "grpc_details" => self.details = parse_bytes(value).unwrap_or_default(),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if matches!(field.name(), "rejected_spans" | "rejected_data_points") {
            self.response.rejected = value.try_into().unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Parses bytes from the `Debug` form of a list, like `[1, 2]`. Returns `None` if the text has another form.
fn parse_bytes(list: &str) -> Option<Vec<u8>> {
    let list = list.strip_prefix('[')?.strip_suffix(']')?;
    list.split(", ").map(|byte| byte.parse().ok()).collect()
}
