//! What the exporter tells by its events alone.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::super::sending::Answer;

/// Hears the events of the exporter that happen where it is the default subscriber, and nothing else. Without it, or in
/// a program that has such events compiled out, a receiver that rejects some spans of a message has taken all of them.
///
/// It lasts as long as the connection: one for each message would have all callsites of the program registered anew.
pub(super) struct Overheard {
    heard: Arc<Mutex<Heard>>,
    dispatch: Dispatch,
}

/// What the receiver said of one message.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answer: Answer,
    /// Those of a status.
    pub(super) message: String,
    pub(super) details: Vec<u8>,
}

impl Default for Overheard {
    fn default() -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let dispatch = Dispatch::new(Listener(Arc::clone(&heard)));
        Self { heard, dispatch }
    }
}

impl Overheard {
    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// What was heard since the last time.
    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Listener(Arc<Mutex<Heard>>);

fn is_of_exporter(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == "opentelemetry-otlp"
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_of_exporter(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_of_exporter(metadata)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        event.record(&mut *heard);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The names of its fields are those of what they tell.
impl Visit for Heard {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "error_message" => self.answer.message = value.to_owned(),
            "grpc_message" => self.message = value.to_owned(),
            "grpc_details" => self.details = bytes(value).unwrap_or_default(),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if matches!(field.name(), "rejected_spans" | "rejected_data_points") {
            self.answer.rejected = value.try_into().unwrap_or_default();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Of a list like `[1, 2]`.
fn bytes(list: &str) -> Option<Vec<u8>> {
    let list = list.strip_prefix('[')?.strip_suffix(']')?;
    list.split(", ").map(|byte| byte.parse().ok()).collect()
}
