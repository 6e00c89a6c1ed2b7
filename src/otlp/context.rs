//! W3C Trace Context, into a trace and out of it.

use std::fmt;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::get_otel_context;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The span that something happens in, as it is told from one process to another: `traceparent` and `tracestate` of
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// A server gives its runs to the trace of its caller:
///
/// ```
/// use otel_trace::otlp::TraceContext;
/// use otel_trace::{Thread, ThreadMeta};
///
/// # let headers = http::HeaderMap::new();
/// let caller = TraceContext::from_headers(|name| headers.get(name)?.to_str().ok());
/// let _attached = caller.as_ref().map(TraceContext::attach);
/// let thread = Thread::start(ThreadMeta::new()); // its span is a child of the caller's
/// # drop(thread);
/// ```
///
/// and a client tells its own span to whom it calls:
///
/// ```
/// use otel_trace::otlp::TraceContext;
///
/// # let mut request = http::Request::new(());
/// let span = tracing::Span::current();
/// if let Some(context) = TraceContext::of_span(&span) {
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
    /// That of a span, which begins by that if it has not. None where nothing exports it.
    pub fn of_span(span: &Span) -> Option<Self> {
        let context = span.with_subscriber(|(id, dispatch)| get_otel_context(id, dispatch)).flatten()?;
        Self::of(&context)
    }

    /// That of the process: `TRACEPARENT` and `TRACESTATE` of its environment. The bridge puts root spans into it by
    /// itself. None where it is unset, or not what the specification says.
    pub fn from_env() -> Option<Self> {
        let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::parse(&of("TRACEPARENT")?, of("TRACESTATE").as_deref()).ok()
    }

    /// That of a request's headers, each asked for by its name in lower case. None where there is none, or it is not what
    /// the specification says: then a request is as one of nobody, as the specification wants it.
    pub fn from_headers<'a>(get: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        Self::parse(get(TRACEPARENT)?, get(TRACESTATE)).ok()
    }

    /// Reads both values.
    ///
    /// # Errors
    /// [`TraceParentError`] where the first is not what the specification says.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, TraceParentError> {
        let read = Self { traceparent: traceparent.trim().to_owned(), tracestate: tracestate.map(str::to_owned) };
        match read.context().span().span_context().is_valid() {
            true => Ok(read),
            false => Err(TraceParentError(traceparent.chars().take(80).collect())),
        }
    }

    pub(super) fn of(context: &Context) -> Option<Self> {
        let mut told = Self { traceparent: String::new(), tracestate: None };
        TraceContextPropagator::new().inject_context(context, &mut told);
        (!told.traceparent.is_empty()).then_some(told)
    }

    pub(super) fn context(&self) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), self)
    }

    /// Makes it that of this thread, until the guard is dropped: spans that are opened meanwhile without a parent of their
    /// own are in it.
    pub fn attach(&self) -> ContextGuard {
        self.context().attach()
    }

    /// Name and value of each header.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.tracestate.iter().map(|value| (TRACESTATE, value.as_str()));
        std::iter::once((TRACEPARENT, self.traceparent.as_str())).chain(state)
    }

    /// The value of `traceparent`.
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

/// A `traceparent` that is not what W3C Trace Context says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParentError(String);

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a traceparent: {:?}; it is `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`", self.0)
    }
}

impl std::error::Error for TraceParentError {}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_told_is_what_was_read() {
        let read = TraceContext::parse(PARENT, Some("vendor=1")).expect("valid");
        let told = TraceContext::of(&read.context()).expect("valid");
        assert_eq!(told.headers().collect::<Vec<_>>(), [("traceparent", PARENT), ("tracestate", "vendor=1")]);
    }

    #[test]
    fn what_is_no_traceparent_is_said_to_be_none() {
        let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for bad in ["", "00", zero, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"] {
            assert_eq!(TraceContext::parse(bad, None), Err(TraceParentError(bad.to_owned())));
        }
        assert_eq!(TraceContext::from_headers(|_| None), None);
    }
}
