//! W3C Trace Context: receives the trace of a calling process and passes on a span of this one.

use std::fmt;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::get_otel_context;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// A span context as one process passes it to another: the `traceparent` and `tracestate` of [W3C Trace
/// Context](https://www.w3.org/TR/trace-context/).
///
/// A server continues the trace of its client:
///
/// ```
/// use otel_trace::otlp::TraceContext;
/// use otel_trace::{AgentThread, ThreadMeta};
///
/// # let headers = http::HeaderMap::new();
/// let caller = TraceContext::from_headers(|name| headers.get(name)?.to_str().ok());
/// let _attached = caller.as_ref().map(TraceContext::attach);
/// let thread = AgentThread::start(ThreadMeta::new()); // its span is a child of the client's
/// # drop(thread);
/// ```
///
/// A client passes its own span on to the server that it calls:
///
/// ```
/// use otel_trace::otlp::TraceContext;
///
/// # let mut request = http::Request::new(());
/// let span = tracing::Span::current();
/// if let Some(context) = TraceContext::from_span(&span) {
///     for (name, value) in context.headers() {
///         request.headers_mut().insert(name, value.parse().expect("visible ASCII"));
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// Returns the context of a span. Starts its OpenTelemetry span if that has not started yet: from then on its
    /// parent is fixed. Returns `None` if no layer exports the span.
    pub fn from_span(span: &Span) -> Option<Self> {
        let context = span.with_subscriber(|(id, dispatch)| get_otel_context(id, dispatch)).flatten()?;
        Self::from_otel_context(&context)
    }

    /// Reads the context that the process was started in: `TRACEPARENT` and `TRACESTATE` of its environment. The bridge
    /// reads it too and makes root spans its children. Returns `None` if `TRACEPARENT` is not set or is invalid.
    pub fn from_env() -> Option<Self> {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::parse(&of("TRACEPARENT")?, of("TRACESTATE").as_deref()).ok()
    }

    /// Reads the context from the headers of a request; `get` is called with header names in lower case. Returns `None`
    /// if there is no `traceparent` or it is invalid: the specification requires that such a request starts a new
    /// trace.
    pub fn from_headers<'a>(get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        Self::parse(get(TRACEPARENT)?, get(TRACESTATE)).ok()
    }

    /// Parses the values of `traceparent` and `tracestate`.
    ///
    /// # Errors
    /// [`TraceParentError`] if `traceparent` is not valid according to the specification.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, TraceParentError> {
        let parsed = Self { traceparent: traceparent.trim().to_owned(), tracestate: tracestate.map(str::to_owned) };
        match parsed.context().span().span_context().is_valid() {
            true => Ok(parsed),
            false => Err(TraceParentError(traceparent.chars().take(80).collect())),
        }
    }

    /// Converts an OpenTelemetry context. Returns `None` if it has no valid span.
    pub(super) fn from_otel_context(context: &Context) -> Option<Self> {
        let mut injected = Self { traceparent: String::new(), tracestate: None };
        TraceContextPropagator::new().inject_context(context, &mut injected);
        (!injected.traceparent.is_empty()).then_some(injected)
    }

    /// Converts this context to an OpenTelemetry [`Context`].
    pub(super) fn context(&self) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), self)
    }

    /// Makes this context the current one of the thread until the guard is dropped: spans opened in between that have
    /// no other parent become children of its span.
    pub fn attach(&self) -> ContextGuard {
        self.context().attach()
    }

    /// Returns the name and value of each header to send.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.tracestate.iter().map(|value| (TRACESTATE, value.as_str()));
        std::iter::once((TRACEPARENT, self.traceparent.as_str())).chain(state)
    }

    /// Returns the value of the `traceparent` header.
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(&self.traceparent),
            TRACESTATE => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.headers().map(|(name, _)| name).collect()
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = value,
            TRACESTATE => self.tracestate = Some(value).filter(|value| !value.is_empty()),
            _ => {}
        }
    }
}

/// The error of [`TraceContext::parse`]: an invalid `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParentError(String);

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid traceparent {:?}; expected `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`", self.0)
    }
}

impl std::error::Error for TraceParentError {}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn context_survives_a_round_trip() {
        let parsed = TraceContext::parse(PARENT, Some("vendor=1")).expect("valid");
        let injected = TraceContext::from_otel_context(&parsed.context()).expect("valid");
        assert_eq!(injected.headers().collect::<Vec<_>>(), [("traceparent", PARENT), ("tracestate", "vendor=1")]);
    }

    #[test]
    fn invalid_traceparent_is_an_error() {
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for bad in ["", "00", zero, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"] {
            assert_eq!(TraceContext::parse(bad, None), Err(TraceParentError(bad.to_owned())));
        }
        assert_eq!(TraceContext::from_headers(|_| None), None);
    }
}
