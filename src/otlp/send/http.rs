//! The HTTP client of the exporters.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::error::OTelSdkResult;
use prost::Message;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use super::blocking::block_on;
use super::connection::{Connection, Identity};
use super::error::OtlpError;
use super::response::{ExportResponse, SendError, SendErrorKind};
use super::this_machine::is_this_machine;

/// Maximum number of bytes that are read of a response body.
const MAX_RESPONSE_BYTES: u64 = 4 << 20;

/// The `User-Agent` of export requests.
pub(super) const USER_AGENT_VALUE: &str = concat!("otel-trace/", env!("CARGO_PKG_VERSION"));

/// A blocking HTTP client for one exporter. It uses a client library that emits no telemetry.
#[derive(Debug)]
pub(super) struct Http(Arc<Client>);

struct Client {
    agent: Agent,
    headers: HeaderMap,
    /// The outcome of the last request that the exporter sent.
    outcome: Mutex<Option<Result<ExportResponse, SendError>>>,
}

impl Http {
    pub(super) fn new(connection: &Connection) -> Result<Self, OtlpError> {
        let roots = match &connection.certificate {
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
            None => RootCerts::WebPki,
        };
        let identity = connection.identity.as_ref().map(identity).transpose()?;
        // A proxy on another machine would connect to itself.
        let is_here = is_this_machine(connection.url.host().unwrap_or_default());
        let proxy = if is_here { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .proxy(proxy)
            .timeout_global(Some(connection.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).client_cert(identity).build())
            .build()
            .new_agent();
        let mut headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE))]);
        headers.extend(connection.headers.clone());
        Ok(Self(Arc::new(Client { agent, headers, outcome: Mutex::default() })))
    }

    pub(super) fn client(&self) -> Arc<dyn HttpClient> {
        Arc::<Client>::clone(&self.0)
    }

    /// Runs an export that sends through this client, and returns the receiver's response.
    pub(super) fn run_export(&self, export: impl Future<Output = OTelSdkResult>) -> Result<ExportResponse, SendError> {
        let exported = block_on(export);
        let outcome = self.0.outcome().take();
        match (outcome, exported) {
            // The receiver accepted the message, even if the exporter then failed on the response.
            (Some(Ok(response)), _) => Ok(response),
            (Some(Err(error)), _) => Err(error),
            // The exporter sends no request for a message above its own size limit.
            (None, Err(error)) => Err(SendError::new(SendErrorKind::TooLarge, error)),
            (None, Ok(())) => Err(SendError::new(SendErrorKind::Rejected, "the exporter sent no request")),
        }
    }
}

impl Client {
    fn outcome(&self) -> std::sync::MutexGuard<'_, Option<Result<ExportResponse, SendError>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (mut parts, body) = request.into_parts();
        // The exporter's other headers are its own and those of the variables. The latter are among the resolved
        // headers, unless code overrides them.
        let message_headers = [CONTENT_TYPE, CONTENT_ENCODING];
        let message_headers = message_headers.map(|name| parts.headers.remove(&name).map(|value| (name, value)));
        parts.headers = self.headers.clone();
        parts.headers.extend(message_headers.into_iter().flatten().map(|(name, value)| (Some(name), value)));
        let (parts, mut body) = self.agent.run(Request::from_parts(parts, &body[..]))?.into_parts();
        let body = body.with_config().limit(MAX_RESPONSE_BYTES).read_to_vec();
        Ok(Response::from_parts(parts, body.unwrap_or_default().into()))
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Blocks, because exporters run on a dedicated thread.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.send(request);
        *self.outcome() = Some(match &response {
            Ok(response) if response.status().is_success() => parse_response(response),
            Ok(response) => Err(status_error(response.status(), response.headers())),
            Err(error) => Err(unreachable_error(error)),
        });
        Ok(response?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Parses the response to an accepted message, of either signal: the responses for metrics have equal field numbers.
///
/// # Errors
/// Returns an error if the body is not an OTLP response, such as the HTML page of a proxy.
fn parse_response(response: &Response<Bytes>) -> Result<ExportResponse, SendError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is = |name: &str| kind.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let decoded = if is("text/html") {
        None
    } else if is("application/json") {
        // Some receivers respond in JSON to protobuf requests, too.
        parse_json_response(response.body())
    } else {
        let decoded = ExportTraceServiceResponse::decode(response.body().clone()).ok();
        decoded.map(|decoded| {
            let partial = decoded.partial_success.unwrap_or_default();
            let rejected = partial.rejected_spans.try_into().unwrap_or_default();
            ExportResponse { rejected, message: partial.error_message }
        })
    };
    decoded.ok_or_else(|| {
        let text = "the response is not OTLP; the URL may belong to another server, such as a proxy";
        SendError::new(SendErrorKind::Rejected, text)
    })
}

/// Parses an OTLP response in JSON, in which 64-bit integers may be strings. Returns `None` if the body is
/// neither empty nor an object.
fn parse_json_response(body: &[u8]) -> Option<ExportResponse> {
    if body.is_empty() {
        return Some(ExportResponse::default());
    }
    let response: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let Some(partial) = response.get("partialSuccess") else { return Some(ExportResponse::default()) };
    let message = partial.get("errorMessage").and_then(|message| message.as_str()).unwrap_or_default().to_owned();
    let rejected = partial.get("rejectedSpans").and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok()));
    Some(ExportResponse { rejected: rejected.unwrap_or_default(), message })
}

/// Parses certificates in PEM.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, OtlpError> {
    let bad = |why: &dyn fmt::Display| {
        OtlpError::new(format_args!("invalid certificate: {why}; expected certificates in PEM"))
    };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(bad(&"it contains none")) } else { Ok(certificates) }
}

fn identity(own: &Identity) -> Result<ClientCert, OtlpError> {
    let key = PrivateKey::from_pem(&own.key)
        .map_err(|error| OtlpError::new(format_args!("invalid client key: {error}; expected a private key in PEM")))?;
    Ok(ClientCert::new_with_certs(&certificates(&own.certificate)?, key))
}

fn unreachable_error(error: &ureq::Error) -> SendError {
    // `ureq` prefixes I/O errors with `io: `.
    let cause: &dyn fmt::Display = if let ureq::Error::Io(error) = error { error } else { error };
    SendError::new(SendErrorKind::Unreachable, format!("no response: {cause}"))
}

/// Creates the error for a response with an error status.
fn status_error(status: StatusCode, headers: &HeaderMap) -> SendError {
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => SendErrorKind::Busy(retry_after(headers)),
        StatusCode::PAYLOAD_TOO_LARGE => SendErrorKind::TooLarge,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            SendErrorKind::NotServed
        }
        _ => SendErrorKind::Rejected,
    };
    SendError::new(kind, format_args!("the receiver answered with HTTP status {status}"))
}

/// Parses the `Retry-After` header, which contains seconds or a date. Returns `None` if it is missing or malformed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
#[path = "tests/http.rs"]
mod tests;
