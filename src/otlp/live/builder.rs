//! The builder of the pipeline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter, TracerProviderBuilder};

use super::guard::OtlpGuard;
use super::parent_span_processor::ParentSpanProcessor;
use super::pipeline::{Inner, Otlp};
use crate::mask::{Masking, Rules};
use crate::otlp::resource_json;
use crate::otlp::send::connection::Compression;
use crate::otlp::send::connection::{Connection, ExporterSettings};
use crate::otlp::send::deadline::MAX_DURATION;
use crate::otlp::send::endpoint::Protocol;
use crate::otlp::send::error::OtlpError;
use crate::otlp::send::exporter::retrying_sender;
use crate::otlp::send::ledger::{DropCallback, Ledger};
use crate::otlp::send::metric_sink::MetricSink;
use crate::otlp::send::metrics::Metrics;
use crate::otlp::send::processor::QueueProcessor;
use crate::otlp::send::queue::{Queue, QueueLimits};
use crate::otlp::send::resource;
use crate::otlp::send::sender::MetricSender;
use crate::otlp::send::span_sink::{Destination, DynSpanExporter, SpanSink};
use crate::otlp::send::stats::DroppedSpans;
use crate::otlp::send::suppress::without_telemetry;
use crate::otlp::send::variables::Variables;
use crate::otlp::send::variables::{Setting, Signal};
use crate::otlp::span::content_policy::ContentPolicy;
use crate::otlp::span::mapping::Mapping;
use crate::otlp::span::span_masking::{SpanMasking, mask_resource};
use crate::otlp::span::usage_names::UsageNames;
use crate::semconv;

/// Default capacity of the queue, in spans. The SDK's default of 2048 drops spans in the burst of one turn with many
/// tools.
const DEFAULT_QUEUE_SPANS: usize = 32_768;
const DEFAULT_BATCH_SPANS: usize = 512;
const DEFAULT_SCHEDULE_DELAY: Duration = Duration::from_secs(5);
const DEFAULT_METRIC_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Default limit of attributes and of links per span, instead of the SDK's 128.
///
/// The SDK counts a key each time it is recorded and drops the attributes beyond the limit. These are the latest ones,
/// which describe how the operation ended.
const DEFAULT_COUNT_LIMIT: u32 = 1024;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";

/// A builder for an OTLP export pipeline.
///
/// Settings that are not set here come from the standard `OTEL_*` variables, and from the defaults of those if they are
/// unset, too.
///
/// | Setting | Variables |
/// | --- | --- |
/// | [`endpoint`](Self::endpoint) | `OTEL_EXPORTER_OTLP_ENDPOINT`, to which `/v1/traces` is appended over HTTP; `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, which is used as is; `OTEL_EXPORTER_OTLP_INSECURE` |
/// | [`protocol`](Self::protocol) | `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf`, `grpc` |
/// | [`headers`](Self::headers) | `OTEL_EXPORTER_OTLP_HEADERS`: `key=value,…`, values percent-encoded |
/// | [`timeout`](Self::timeout) | `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds |
/// | [`compression`](Self::compression) | `OTEL_EXPORTER_OTLP_COMPRESSION`: `gzip`, `zstd`, `none` |
/// | [`certificate`](Self::certificate) | `OTEL_EXPORTER_OTLP_CERTIFICATE`: the path of a file |
/// | | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY`: the client certificate and its key for mutual TLS; paths of files |
/// | [`service_name`](Self::service_name) | `OTEL_SERVICE_NAME` |
/// | [`resource_attributes`](Self::resource_attributes) | `OTEL_RESOURCE_ATTRIBUTES` |
/// | [`sampler`](Self::sampler) | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` |
/// | [`queue`](Self::queue) | `OTEL_BSP_MAX_QUEUE_SIZE` |
/// | [`content`](Self::content) | `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` |
/// | [`usage_names`](Self::usage_names) | `OTEL_SEMCONV_STABILITY_OPT_IN` |
/// | | `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`, `OTEL_BSP_SCHEDULE_DELAY`; `OTEL_BSP_EXPORT_TIMEOUT`: how long a batch is retried |
/// | | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT`: 1024 by default |
/// | | `OTEL_METRICS_EXPORTER`: `otlp`, or `none` to disable metrics; default: disabled if only an endpoint of traces is set; `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds |
///
/// Unsupported exporters in `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER` are reported on stderr and ignored.
///
/// Over HTTP, requests use the proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` configure, except for
/// requests to this machine, however the URL spells it (`localhost`, `127.1`, `[::]`). Over gRPC, no proxy is used.
///
/// Each variable with `OTLP` in its name also exists for one signal, with `OTLP_TRACES` or `OTLP_METRICS` instead; the
/// signal's variable takes precedence. `OTEL_SDK_DISABLED=true` disables the whole export.
#[must_use = "nothing is exported before the pipeline is built"]
pub struct OtlpBuilder {
    settings: ExporterSettings,
    service_name: Option<String>,
    attributes: Vec<KeyValue>,
    sampler: Option<Sampler>,
    content: Option<ContentPolicy>,
    usage_names: Option<UsageNames>,
    masking: Masking,
    queue: Option<usize>,
    flush_timeout: Duration,
    on_drop: Option<DropCallback>,
    exporter: Option<Box<dyn DynSpanExporter>>,
    variables: Variables,
}

impl OtlpBuilder {
    /// Creates a builder without settings, on top of the given variables.
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            settings: ExporterSettings::default(),
            service_name: None,
            attributes: Vec::new(),
            sampler: None,
            content: None,
            usage_names: None,
            masking: Masking::new(),
            queue: None,
            flush_timeout: DEFAULT_FLUSH_TIMEOUT,
            on_drop: None,
            exporter: None,
            variables,
        }
    }

    /// Sets the endpoint that all signals share, for example `http://localhost:4318`.
    ///
    /// Over HTTP, the path of each signal is appended. A URL that already ends with such a path is accepted, too.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.endpoint = Some(url.into());
        self
    }

    /// Sets the protocol. Default: [`Protocol::HttpProtobuf`].
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.settings.protocol = Some(protocol);
        self
    }

    /// Adds headers (over gRPC: metadata) that are sent with each request.
    ///
    /// Headers of the variables are sent, too, unless a header of that name is set here.
    pub fn headers<K: Into<String>, V: Into<String>>(mut self, headers: impl IntoIterator<Item = (K, V)>) -> Self {
        self.settings.headers.extend(headers.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Sets the timeout of one export request. Default: 10 s. The program's threads never wait for it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// Sets the compression. `None` leaves it to the variables. Default: uncompressed.
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.settings.compression = compression.into();
        self
    }

    /// Sets the certificate authorities, in PEM, that may have signed the receiver's certificate. Default: the roots
    /// that browsers trust.
    pub fn certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.certificate = Some(pem.into());
        self
    }

    /// Sets the service name under which a backend shows the program. Default: `unknown_service:<executable>`.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Adds attributes of the resource, which apply to all spans, for example `deployment.environment.name`.
    pub fn resource_attributes(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    /// Sets the sampler of exported traces. Default: all traces; a trace with a remote parent follows the parent's
    /// sampling decision. Sampling does not affect bundles, which record every operation.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Sets whether exported spans contain the content of conversations. Default: [`ContentPolicy::Omit`].
    pub fn content(mut self, policy: ContentPolicy) -> Self {
        self.content = Some(policy);
        self
    }

    /// Sets the attribute names of token counts. Default: the names of the current semantic conventions.
    pub fn usage_names(mut self, names: UsageNames) -> Self {
        self.usage_names = Some(names);
        self
    }

    /// Sets the masking of secrets in the resource, and in spans while no recorder is [bridged](Otlp::bridge): the spans of a
    /// program with a recorder are masked by the recorder's rules. Default: [`Masking::new`].
    pub fn mask(mut self, masking: Masking) -> Self {
        self.masking = masking;
        self
    }

    /// Sets the capacity of the queue of ended spans, in spans. Default: 32768.
    ///
    /// Independently of it, the queue is limited to 64 MiB. Spans that end while the queue is full are dropped and
    /// counted.
    pub fn queue(mut self, spans: usize) -> Self {
        self.queue = Some(spans);
        self
    }

    /// Sets the maximum duration of a flush, including the one when the guard is dropped. Default: 5 s.
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.flush_timeout = timeout;
        self
    }

    /// Sets a callback that is called with the number and cause of dropped spans, on the export thread and, during
    /// shutdown, on the thread that drops the guard.
    ///
    /// Without a callback, the first drop of each reason is reported on stderr when it happens, and the guard reports
    /// the total. Failed exports of metrics are reported on stderr in the same way; with a callback, only
    /// [`OtlpStats`](crate::otlp::OtlpStats) counts them.
    pub fn on_drop(mut self, callback: impl Fn(&DroppedSpans) + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Box::new(callback));
        self
    }

    /// Exports spans through the given exporter instead of OTLP, on a thread without an async runtime. All settings of
    /// the receiver are ignored.
    pub fn exporter(mut self, exporter: impl SpanExporter + 'static) -> Self {
        self.exporter = Some(Box::new(exporter));
        self
    }

    /// Starts the export. Keep the guard until the program ends. Unless an [`on_drop`](Self::on_drop) callback or an
    /// [`exporter`](Self::exporter) is set, one line on stderr reports receiver, protocol and service.
    ///
    /// # Errors
    /// Returns an error if a setting or a variable has an invalid value, or if a thread cannot be started. Does not
    /// contact the receiver.
    pub fn build(self) -> Result<(Otlp, OtlpGuard), OtlpError> {
        let rules = Rules::from(self.masking);
        let resource = resource::resolve(self.service_name.as_deref(), &self.attributes, &self.variables)?;
        let resource = mask_resource(&resource, &rules);
        let masking = Arc::new(SpanMasking::new(rules));
        let sampler = match self.sampler {
            Some(sampler) => sampler,
            None => sampler(&self.variables)?,
        };
        let limits = queue_limits(self.queue, &self.variables)?;
        let mapping = mapping(self.content, self.usage_names, &self.variables);
        let ledger = Arc::new(Ledger::new(self.on_drop));
        let queue = Arc::new(Queue::new(limits, Arc::clone(&ledger)));
        let provider = with_span_limits(SdkTracerProvider::builder(), &self.variables)?;
        let provider = provider.with_resource(resource.clone());
        let attributes = resource_json::to_json(&resource);
        let (provider, metrics) = if self.variables.flag(&["OTEL_SDK_DISABLED"])? {
            (provider.with_sampler(Sampler::AlwaysOff), None)
        } else {
            let metrics = metrics(self.exporter.is_some(), &self.settings, &resource, &ledger, &self.variables)?;
            let service = resource.get(&Key::from_static_str(semconv::SERVICE_NAME)).unwrap_or_else(|| "".into());
            let destination = destination(self.exporter, &self.settings, resource, &self.variables)?;
            if let Destination::Receiver(retrying_sender) = &destination {
                ledger.set_traces_receiver(retrying_sender.url().to_owned(), retrying_sender.protocol());
            }
            let sink = SpanSink::new(mapping, Arc::clone(&masking), destination);
            let processor = QueueProcessor::start(Arc::clone(&queue), sink, self.flush_timeout)?;
            ledger.report_start(&service.as_str());
            (
                provider.with_sampler(sampler).with_span_processor(ParentSpanProcessor).with_span_processor(processor),
                metrics,
            )
        };
        let flush_timeout = self.flush_timeout;
        let provider = without_telemetry(|| provider.build());
        let inner = Inner { provider, metrics, mapping, masking, resource: attributes, queue, ledger, flush_timeout };
        let otlp = Otlp::new(inner);
        Ok((otlp.clone(), OtlpGuard::new(otlp)))
    }
}

impl Otlp {
    /// Creates a builder for a pipeline that is configured by code. Unset settings come from the `OTEL_*` variables.
    pub fn builder() -> OtlpBuilder {
        OtlpBuilder::new(Variables::from_process())
    }

    /// Starts a pipeline that is configured by the `OTEL_*` variables alone, if they enable an export.
    ///
    /// An export is enabled if `OTEL_TRACES_EXPORTER` contains `otlp`, or if that variable is unset and
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. Returns `None` if no export is
    /// enabled, or if `OTEL_SDK_DISABLED` is `true`.
    ///
    /// # Errors
    /// Returns an error if a variable has an invalid value or a thread cannot be started.
    pub fn from_env() -> Result<Option<(Self, OtlpGuard)>, OtlpError> {
        let variables = Variables::from_process();
        if !is_enabled(&variables)? {
            return Ok(None);
        }
        OtlpBuilder::new(variables).build().map(Some)
    }
}

impl fmt::Debug for OtlpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Returns the mapping of spans, with defaults from the variables.
fn mapping(content: Option<ContentPolicy>, usage_names: Option<UsageNames>, variables: &Variables) -> Mapping {
    let get = |name: &str| variables.text(name).ok().flatten().map(str::to_owned);
    Mapping {
        content: content.unwrap_or_else(|| ContentPolicy::from_lookup(get)),
        usage_names: usage_names.unwrap_or_else(|| UsageNames::from_lookup(get)),
    }
}

/// Creates the destination of spans: the custom exporter if there is one, else the OTLP receiver.
fn destination(
    exporter: Option<Box<dyn DynSpanExporter>>,
    settings: &ExporterSettings,
    resource: Resource,
    variables: &Variables,
) -> Result<Destination, OtlpError> {
    match exporter {
        Some(mut exporter) => {
            exporter.set_resource(&resource);
            Ok(Destination::Exporter(exporter))
        }
        None => Ok(Destination::Receiver(Box::new(retrying_sender(settings, &resource, variables)?))),
    }
}

/// Starts the export of metrics to the receiver of the spans. Returns `None` if a variable disables metrics, if the
/// spans have a custom exporter, or if only an endpoint of traces is set and no variable enables metrics.
fn metrics(
    has_exporter: bool,
    settings: &ExporterSettings,
    resource: &Resource,
    ledger: &Arc<Ledger>,
    variables: &Variables,
) -> Result<Option<Metrics>, OtlpError> {
    const EXPORTER: &str = "OTEL_METRICS_EXPORTER";
    let is_enabled = match variables.has_otlp(EXPORTER)? {
        None => !has_exporter && (settings.endpoint.is_some() || !has_only_traces_endpoint(variables)?),
        Some(has_otlp) => has_otlp && !has_exporter,
    };
    if !is_enabled {
        return Ok(None);
    }
    let connection = Connection::resolve(Signal::Metrics, settings, variables)?;
    let sender = MetricSender::new(&connection)?;
    ledger.set_metrics_url(connection.redacted_url());
    let interval =
        variables.milliseconds(&["OTEL_METRIC_EXPORT_INTERVAL"])?.unwrap_or(DEFAULT_METRIC_INTERVAL).min(MAX_DURATION);
    let sink = MetricSink::new(sender, Arc::clone(ledger));
    Ok(Some(without_telemetry(|| Metrics::start(sink, interval, resource.clone()))))
}

/// Returns `true` if the variables set an endpoint of traces but none that applies to metrics.
fn has_only_traces_endpoint(variables: &Variables) -> Result<bool, OtlpError> {
    let is_set = |signal: Signal| Ok(variables.first(&signal.variables(Setting::Endpoint))?.is_some());
    Ok(is_set(Signal::Traces)? && !is_set(Signal::Metrics)?)
}

/// Returns `true` if the environment enables an export of traces.
fn is_enabled(variables: &Variables) -> Result<bool, OtlpError> {
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    if variables.flag(&["OTEL_SDK_DISABLED"])? {
        return Ok(false);
    }
    match variables.has_otlp(EXPORTER)? {
        Some(has_otlp) => Ok(has_otlp),
        None => {
            let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
            Ok(variables.first(&names)?.is_some())
        }
    }
}

/// Returns the limits of the queue. `capacity` is the value set by code.
fn queue_limits(capacity: Option<usize>, variables: &Variables) -> Result<QueueLimits, OtlpError> {
    let spans = match capacity {
        Some(0) => return Err(OtlpError::invalid_value("queue", 0, "an integer above 0")),
        Some(spans) => spans,
        None => variables.count("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(DEFAULT_QUEUE_SPANS),
    };
    let batch = variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")?.unwrap_or(DEFAULT_BATCH_SPANS);
    let delay = variables.milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"])?.unwrap_or(DEFAULT_SCHEDULE_DELAY);
    Ok(QueueLimits { spans, batch: batch.min(spans), delay })
}

/// Builds the sampler from `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. Default: `parentbased_always_on`.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
fn sampler(variables: &Variables) -> Result<Sampler, OtlpError> {
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    match variables.text(SAMPLER)? {
        None | Some("parentbased_always_on") => Ok(parent_based(Sampler::AlwaysOn)),
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => ratio(variables),
        Some("parentbased_always_off") => Ok(parent_based(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => Ok(parent_based(ratio(variables)?)),
        Some(other) => {
            let allowed = "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, \
                           `parentbased_always_off` or `parentbased_traceidratio`";
            Err(OtlpError::invalid_value(SAMPLER, other, allowed))
        }
    }
}

/// Builds a ratio sampler from `OTEL_TRACES_SAMPLER_ARG`. Default: 1.
fn ratio(variables: &Variables) -> Result<Sampler, OtlpError> {
    let Some(text) = variables.text(SAMPLER_ARGUMENT)? else { return Ok(Sampler::TraceIdRatioBased(1.0)) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio
        .map(Sampler::TraceIdRatioBased)
        .ok_or_else(|| OtlpError::invalid_value(SAMPLER_ARGUMENT, text, "a number from 0 to 1"))
}

/// Raises the limits of attributes and links to [`DEFAULT_COUNT_LIMIT`], unless a variable sets them.
///
/// # Errors
/// Returns an error if a variable has an invalid value.
fn with_span_limits(
    mut provider: TracerProviderBuilder,
    variables: &Variables,
) -> Result<TracerProviderBuilder, OtlpError> {
    if variables.count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_attributes_per_span(DEFAULT_COUNT_LIMIT);
    }
    if variables.count("OTEL_SPAN_LINK_COUNT_LIMIT")?.is_none() {
        provider = provider.with_max_links_per_span(DEFAULT_COUNT_LIMIT);
    }
    Ok(provider)
}

#[cfg(test)]
#[path = "tests/builder.rs"]
mod tests;
