//! How a pipeline is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter};

use super::connection::{Connection, Said};
use super::deadline::FAR;
use super::delivery::Delivery;
use super::ledger::{Ledger, OnDrop};
use super::metric_sink::MetricOutlet;
use super::processor::QueueProcessor;
use super::queue::{Queue, QueueLimits};
use super::sending::{MetricSender, SpanSender};
use super::signal::{Setting, Signal};
use super::span_sink::{AnyExporter, Destination, Outlet};
use super::stats::DroppedSpans;
use super::suppress::quietly;
use super::variables::Variables;
use super::{Compression, Inner, Otlp, OtlpError, OtlpGuard, Protocol, resource, sampler, span_limits};
use crate::otlp::metrics::Metrics;
use crate::otlp::{ContentPolicy, Mapping, NoteParents, UsageNames};

/// How many spans can wait. The SDK's 2048 drop the burst of a single turn with many tools.
const QUEUED_SPANS: usize = 32_768;
const BATCH_SPANS: usize = 512;
const DELAY: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(60);
const FLUSH: Duration = Duration::from_secs(5);

/// Says where spans go, and how. What is not said here is taken from the standard `OTEL_*` variables, and from their
/// defaults where they say nothing either.
///
/// | setting | variables |
/// | --- | --- |
/// | [`endpoint`](Self::endpoint) | `OTEL_EXPORTER_OTLP_ENDPOINT`, to which `/v1/traces` is added over HTTP; `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is; `OTEL_EXPORTER_OTLP_INSECURE` |
/// | [`protocol`](Self::protocol) | `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf`, `grpc` |
/// | [`headers`](Self::headers) | `OTEL_EXPORTER_OTLP_HEADERS`: `key=value,…`, percent-encoded |
/// | [`timeout`](Self::timeout) | `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds |
/// | [`compression`](Self::compression) | `OTEL_EXPORTER_OTLP_COMPRESSION`: `gzip`, `zstd`, `none` |
/// | [`certificate`](Self::certificate) | `OTEL_EXPORTER_OTLP_CERTIFICATE`, the path of a file |
/// | | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY`: who the program is, to a receiver that asks; paths of files |
/// | [`service_name`](Self::service_name) | `OTEL_SERVICE_NAME` |
/// | [`resource_attributes`](Self::resource_attributes) | `OTEL_RESOURCE_ATTRIBUTES` |
/// | [`sampler`](Self::sampler) | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` |
/// | [`queue`](Self::queue) | `OTEL_BSP_MAX_QUEUE_SIZE` |
/// | [`content`](Self::content) | `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` |
/// | [`usage_names`](Self::usage_names) | `OTEL_SEMCONV_STABILITY_OPT_IN` |
/// | | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, `OTEL_BSP_SCHEDULE_DELAY`; `OTEL_BSP_EXPORT_TIMEOUT`: how long a batch is tried again |
/// | | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT`: 1024 by default |
/// | | `OTEL_METRICS_EXPORTER=none`: no metrics, as where only the endpoint of traces is said and this is not `otlp`; `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds |
///
/// Of exporters that are named in `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER`, others than `otlp` are said on stderr
/// and ignored. Over HTTP, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say which proxy it goes through: none to
/// this machine itself; over gRPC there is none.
///
/// Each of those with `OTLP` has forms of a signal's own, with `OTLP_TRACES` and `OTLP_METRICS`, which win.
/// `OTEL_SDK_DISABLED=true` turns all of it off.
#[must_use = "nothing is exported before it is built"]
pub struct OtlpBuilder {
    said: Said,
    service_name: Option<String>,
    attributes: Vec<KeyValue>,
    sampler: Option<Sampler>,
    content: Option<ContentPolicy>,
    usage_names: Option<UsageNames>,
    queue: Option<usize>,
    flush_timeout: Duration,
    on_drop: Option<OnDrop>,
    exporter: Option<Box<dyn AnyExporter>>,
    variables: Variables,
}

impl OtlpBuilder {
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            said: Said::default(),
            service_name: None,
            attributes: Vec::new(),
            sampler: None,
            content: None,
            usage_names: None,
            queue: None,
            flush_timeout: FLUSH,
            on_drop: None,
            exporter: None,
            variables,
        }
    }

    /// The address that all signals share, `http://localhost:4318` for example. The path of each signal is added over
    /// HTTP; an address that has it already is taken too.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.said.endpoint = Some(url.into());
        self
    }

    /// HTTP with protobuf by default.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.said.protocol = Some(protocol);
        self
    }

    /// Sent with each message, as metadata over gRPC. They are added to those of the variables; of the same name, these
    /// win.
    pub fn headers<K: Into<String>, V: Into<String>>(mut self, headers: impl IntoIterator<Item = (K, V)>) -> Self {
        self.said.headers.extend(headers.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// The longest that the receiver may take for one message: 10 s by default. No span waits for it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.said.timeout = Some(timeout);
        self
    }

    /// None by default. `None` leaves it to the variables.
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.said.compression = compression.into();
        self
    }

    /// The authorities that may have signed the receiver's certificate, in PEM, instead of those that browsers trust.
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.said.certificate = Some(pem.into());
        self
    }

    /// The name of the program, as a backend shows it.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// What is true of all spans, `deployment.environment.name` for example.
    pub fn resource_attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Which traces are exported: all by default, and what has a parent elsewhere as that says. A bundle has all of
    /// them in any case.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Whether spans have what was said, too: they don't by default.
    pub fn content(mut self, policy: ContentPolicy) -> Self {
        self.content = Some(policy);
        self
    }

    /// How spans name the counts of tokens: as the conventions do now, by default.
    pub fn usage_names(mut self, names: UsageNames) -> Self {
        self.usage_names = Some(names);
        self
    }

    /// How many ended spans can wait for their export: 32768 by default, and 64 MiB of them in any case. A span that ends
    /// while it is full is dropped and counted.
    pub fn queue(mut self, spans: usize) -> Self {
        self.queue = Some(spans);
        self
    }

    /// The longest that the guard waits for what is left: 5 s by default.
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.flush_timeout = timeout;
        self
    }

    /// Hears of spans that were dropped, in the export's own thread and at last in the guard's. Without it the first of
    /// each reason is said on stderr when it happens, and by the guard how many there were. Metrics that did not arrive
    /// are said likewise; with it, [`OtlpStats`](super::OtlpStats) alone has them.
    pub fn on_drop(mut self, hear: impl Fn(&DroppedSpans) + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Box::new(hear));
        self
    }

    /// Exports to this instead, in a thread without a runtime; everything that is said of a receiver is ignored then.
    pub fn exporter(mut self, exporter: impl SpanExporter + 'static) -> Self {
        self.exporter = Some(Box::new(exporter));
        self
    }

    /// Starts the export. Keep the guard until the program ends.
    ///
    /// # Errors
    /// If a setting or a variable has a value that it can't have, or no thread can be started. Whether the receiver is
    /// there is not known here.
    pub fn build(self) -> Result<(Otlp, OtlpGuard), OtlpError> {
        let resource = resource::resolve(self.service_name.as_deref(), &self.attributes, &self.variables)?;
        let sampler = match self.sampler {
            Some(sampler) => sampler,
            None => sampler::from_variables(&self.variables)?,
        };
        let limits = queue_limits(self.queue, &self.variables)?;
        let mapping = mapping(self.content, self.usage_names, &self.variables);
        let ledger = Arc::new(Ledger::new(self.on_drop));
        let queue = Arc::new(Queue::new(limits, Arc::clone(&ledger)));
        let provider = span_limits::raise(SdkTracerProvider::builder(), &self.variables)?;
        let provider = provider.with_resource(resource.clone());
        let (provider, metrics) = if self.variables.flag(&["OTEL_SDK_DISABLED"])? {
            (provider.with_sampler(Sampler::AlwaysOff), None)
        } else {
            let metrics = metrics(self.exporter.is_some(), &self.said, &resource, &ledger, &self.variables)?;
            let destination = destination(self.exporter, &self.said, resource, &self.variables)?;
            if let Destination::Receiver(delivery) = &destination {
                ledger.go_to(delivery.url().to_owned());
            }
            let outlet = Outlet::new(mapping, destination);
            let processor = QueueProcessor::start(Arc::clone(&queue), outlet, self.flush_timeout)?;
            (provider.with_sampler(sampler).with_span_processor(NoteParents).with_span_processor(processor), metrics)
        };
        let flush_timeout = self.flush_timeout;
        let inner = Inner { provider: quietly(|| provider.build()), metrics, mapping, queue, ledger, flush_timeout };
        let otlp = Otlp(Arc::new(inner));
        Ok((otlp.clone(), OtlpGuard::new(otlp)))
    }
}

impl fmt::Debug for OtlpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpBuilder").field("said", &self.said).finish_non_exhaustive()
    }
}

fn mapping(content: Option<ContentPolicy>, usage_names: Option<UsageNames>, variables: &Variables) -> Mapping {
    let get = |name: &str| variables.text(name).ok().flatten().map(str::to_owned);
    Mapping {
        content: content.unwrap_or_else(|| ContentPolicy::of(get)),
        usage_names: usage_names.unwrap_or_else(|| UsageNames::of(get)),
    }
}

fn destination(
    exporter: Option<Box<dyn AnyExporter>>,
    said: &Said,
    resource: Resource,
    variables: &Variables,
) -> Result<Destination, OtlpError> {
    match exporter {
        Some(mut exporter) => {
            exporter.set_resource(&resource);
            Ok(Destination::Exporter(exporter))
        }
        None => Ok(Destination::Receiver(Box::new(delivery(said, &resource, variables)?))),
    }
}

/// Metrics go where spans go, unless a variable says that there are none, the spans have an exporter of their own, or
/// only the endpoint of traces is said.
fn metrics(
    has_exporter: bool,
    said: &Said,
    resource: &Resource,
    ledger: &Arc<Ledger>,
    variables: &Variables,
) -> Result<Option<Metrics>, OtlpError> {
    const EXPORTER: &str = "OTEL_METRICS_EXPORTER";
    let is_wanted = match variables.has_otlp(EXPORTER)? {
        None => !has_exporter && (said.endpoint.is_some() || !only_traces_have_an_endpoint(variables)?),
        Some(has_otlp) => has_otlp && !has_exporter,
    };
    if !is_wanted {
        return Ok(None);
    }
    let connection = Connection::resolve(Signal::Metrics, said, variables)?;
    let sender = MetricSender::new(&connection)?;
    ledger.metrics_go_to(connection.shown_url());
    let interval = variables.milliseconds(&["OTEL_METRIC_EXPORT_INTERVAL"])?.unwrap_or(INTERVAL).min(FAR);
    let outlet = MetricOutlet::new(sender, Arc::clone(ledger));
    Ok(Some(quietly(|| Metrics::start(outlet, interval, resource.clone()))))
}

fn only_traces_have_an_endpoint(variables: &Variables) -> Result<bool, OtlpError> {
    let is_said = |signal: Signal| Ok(variables.first(&signal.variables(Setting::Endpoint))?.is_some());
    Ok(is_said(Signal::Traces)? && !is_said(Signal::Metrics)?)
}

pub(super) fn delivery(said: &Said, resource: &Resource, variables: &Variables) -> Result<Delivery, OtlpError> {
    let connection = Connection::resolve(Signal::Traces, said, variables)?;
    let sender = SpanSender::new(&connection, resource)?;
    let patience = variables.milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"])?.unwrap_or(PATIENCE);
    Ok(Delivery::new(sender, connection.shown_url(), patience))
}

fn queue_limits(said: Option<usize>, variables: &Variables) -> Result<QueueLimits, OtlpError> {
    let spans = match said {
        Some(0) => return Err(OtlpError::value("queue", 0, "a whole number above 0")),
        Some(spans) => spans,
        None => variables.count("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(QUEUED_SPANS),
    };
    let batch = variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?.unwrap_or(BATCH_SPANS);
    let delay = variables.milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"])?.unwrap_or(DELAY);
    Ok(QueueLimits { spans, batch: batch.min(spans), delay })
}
