//! Events by which a program reports how a function ended: those of `#[instrument(err)]` and `#[instrument(ret)]`, and
//! logged errors. A function with `ret` and without `err` may return an error, too.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::debug_text::{format_debug, format_result};
use super::error_text::ErrorText;
use super::fields::Fields;
use crate::layer::span::callsites::{ERROR_FIELD, ERROR_FIELDS, RETURN_FIELD, has_only_field, is_serious};

/// What an event reports about the operation in whose span it is emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutcomeEvent {
    /// The function of the span returned this error. The event has no other field.
    ReturnedError(String),
    /// The program logged this error, which need not be the end of the operation.
    LoggedError(String),
    /// The function of the span returned this value. The event has no other field.
    Returned(String),
}

impl OutcomeEvent {
    /// Reads an outcome from an event. Returns `None` if the event reports none.
    pub(super) fn from_event(event: &Event<'_>) -> Option<Self> {
        let mut values = OutcomeVisitor::default();
        event.record(&mut values);
        match values {
            OutcomeVisitor { returned: Some(returned), .. } if has_only_field(event.metadata(), RETURN_FIELD) => {
                Some(returned.map_or_else(Self::ReturnedError, Self::Returned))
            }
            OutcomeVisitor { error, .. } => {
                let error = error.into_text()?;
                let is_returned = has_only_field(event.metadata(), ERROR_FIELD);
                Some(if is_returned { Self::ReturnedError(error) } else { Self::LoggedError(error) })
            }
        }
    }

    /// Returns the error of an event that was emitted in a span inside of the operation's: what returned it is not the
    /// operation. Returns `None` if the event reports none there.
    pub(super) fn for_enclosing(self, metadata: &Metadata<'_>) -> Option<Self> {
        match self {
            Self::ReturnedError(error) | Self::LoggedError(error) => {
                is_serious(metadata).then_some(Self::LoggedError(error))
            }
            Self::Returned(_) => None,
        }
    }
}

impl From<OutcomeEvent> for Fields {
    fn from(outcome: OutcomeEvent) -> Self {
        let mut fields = Self::default();
        match outcome {
            OutcomeEvent::ReturnedError(error) => fields.outcome.returned_error = Some(error),
            OutcomeEvent::LoggedError(error) => fields.outcome.logged_error = Some(error),
            OutcomeEvent::Returned(value) => fields.outcome.returned = Some(value),
        }
        fields
    }
}

/// A visitor that captures the fields of an event that report an outcome.
#[derive(Debug, Default)]
struct OutcomeVisitor {
    error: ErrorText,
    /// The value that the function returned, or the error in it.
    returned: Option<Result<String, String>>,
}

impl OutcomeVisitor {
    fn record_text(&mut self, name: &str, text: &str) {
        if name == RETURN_FIELD {
            self.returned = Some(Ok(text.to_owned()));
        } else if ERROR_FIELDS.contains(&name) {
            self.error.record(name, text);
        }
    }
}

impl Visit for OutcomeVisitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_text(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &tracing::field::display(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == RETURN_FIELD {
            self.returned = format_result(value);
        } else if ERROR_FIELDS.contains(&field.name())
            && let Some(text) = format_debug(value)
        {
            self.record_text(field.name(), &text);
        }
    }
}
