//! What the fields of a span, and events in it, report of how its operation ended: [`ReportedOutcome`].

use super::error_text::ErrorText;

/// How an operation ended, as its span reports it.
#[derive(Debug, Default, Clone)]
pub(super) struct ReportedOutcome {
    pub(super) error_type: Option<String>,
    status: Option<OtelStatus>,
    pub(super) status_description: Option<String>,
    /// The error in fields that programs use beside those of OpenTelemetry.
    error_text: ErrorText,
    /// The error that the function of the span returned.
    pub(super) returned_error: Option<String>,
    /// The latest error that the program logged in the span.
    pub(super) logged_error: Option<String>,
    /// The value that the function of the span returned.
    pub(super) returned: Option<String>,
}

/// The value of `otel.status_code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtelStatus {
    Unset,
    Ok,
    Error,
}

impl OtelStatus {
    /// Parses a status code, ignoring case. Unknown codes count as unset.
    fn from_code(code: &str) -> Self {
        if code.eq_ignore_ascii_case("ok") {
            Self::Ok
        } else if code.eq_ignore_ascii_case("error") {
            Self::Error
        } else {
            Self::Unset
        }
    }
}

impl ReportedOutcome {
    /// Sets the status to the value of `otel.status_code`.
    pub(super) fn set_status(&mut self, code: &str) {
        self.status = Some(OtelStatus::from_code(code));
    }

    /// Records the value of a field if it is one of those with an error in words.
    pub(super) fn record_error(&mut self, name: &str, value: &str) {
        self.error_text.record(name, value);
    }

    /// Sets the status from the outcome that rig records for a tool call, beside its result. A call that a hook stopped
    /// has failed.
    pub(super) fn set_tool_outcome(&mut self, outcome: &str) {
        match outcome {
            "success" => self.status = Some(OtelStatus::Ok),
            "error" => self.status = Some(OtelStatus::Error),
            "denied" | "skipped" => {
                self.status = Some(OtelStatus::Error);
                self.status_description.get_or_insert_with(|| format!("{outcome} by a hook"));
            }
            _ => {}
        }
    }

    /// Returns the error that the function of the span returned, otherwise `error.type` and the status description, if
    /// the error type, the status code or another field reports a failure. Returns `None` otherwise.
    pub(super) fn error(&self) -> Option<String> {
        let reported = || match (&self.error_type, self.status_description.as_deref().or(self.error_text.text())) {
            (Some(kind), Some(description)) => Some(format!("{kind}: {description}")),
            (Some(kind), None) => Some(kind.clone()),
            (None, Some(description)) if self.has_error_status() => Some(description.to_owned()),
            (None, None) if self.has_error_status() => Some("error".to_owned()),
            (None, _) => None,
        };
        self.returned_error.clone().or_else(reported)
    }

    /// Returns `true` if an event in the span reports the error, and no field does.
    pub(super) fn is_error_event(&self) -> bool {
        let is_logged = self.logged_error.is_some() && self.error_type.is_none() && !self.has_error_status();
        self.returned_error.is_some() || is_logged
    }

    /// Returns `true` if the status code is `ERROR`, or if a field has an error in words.
    fn has_error_status(&self) -> bool {
        self.status == Some(OtelStatus::Error) || self.error_text.text().is_some()
    }

    /// Returns `true` if the status code is `OK` and no error is known.
    pub(super) fn is_ok(&self) -> bool {
        self.has_status_ok() && self.error().is_none()
    }

    /// Returns `true` if the status code is `OK`.
    pub(super) fn has_status_ok(&self) -> bool {
        self.status == Some(OtelStatus::Ok)
    }

    /// Returns `true` if an error is reported that is not only logged.
    pub(super) fn has_error(&self) -> bool {
        self.error_type.is_some() || self.returned_error.is_some() || self.has_error_status()
    }

    /// Returns `true` if anything is reported.
    pub(super) fn is_set(&self) -> bool {
        self.error_type.is_some()
            || self.status.is_some()
            || self.status_description.is_some()
            || self.error_text.text().is_some()
            || self.returned_error.is_some()
            || self.logged_error.is_some()
            || self.returned.is_some()
    }

    /// Replaces what `newer` reports.
    pub(super) fn merge(&mut self, newer: Self) {
        let Self { error_type, status, status_description, error_text, returned_error, logged_error, returned } = newer;
        self.error_type = error_type.or(self.error_type.take());
        self.status = status.or(self.status);
        self.status_description = status_description.or(self.status_description.take());
        self.error_text.merge(error_text);
        self.returned_error = returned_error.or(self.returned_error.take());
        self.logged_error = logged_error.or(self.logged_error.take());
        self.returned = returned.or(self.returned.take());
    }
}
