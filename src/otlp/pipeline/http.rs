//! Messages over HTTP.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::error::OTelSdkResult;
use prost::Message;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use super::OtlpError;
use super::blocking::wait_for;
use super::connection::{Connection, Identity};
use super::sending::{Answer, Failure, SendError};

/// The most that is read of an answer.
const ANSWER_BYTES: u64 = 4 << 20;

/// Names this crate to a receiver.
pub(super) const OWN_NAME: &str = concat!("otel-trace/", env!("CARGO_PKG_VERSION"));

/// A connection that blocks, of a client that traces nothing itself.
#[derive(Debug)]
pub(super) struct Http(Arc<Client>);

struct Client {
    agent: Agent,
    headers: HeaderMap,
    /// What became of the last message.
    heard: Mutex<Option<Result<Answer, SendError>>>,
}

impl Http {
    pub(super) fn new(connection: &Connection) -> Result<Self, OtlpError> {
        let roots = match &connection.certificate {
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
            None => RootCerts::WebPki,
        };
        let identity = connection.identity.as_ref().map(identity).transpose()?;
        // What is on this machine is behind no proxy.
        let proxy = if is_loopback(&connection.url) { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .proxy(proxy)
            .timeout_global(Some(connection.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).client_cert(identity).build())
            .build()
            .new_agent();
        let mut headers = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(OWN_NAME))]);
        headers.extend(connection.headers.clone());
        Ok(Self(Arc::new(Client { agent, headers, heard: Mutex::default() })))
    }

    pub(super) fn client(&self) -> Arc<dyn HttpClient> {
        Arc::<Client>::clone(&self.0)
    }

    /// Waits for an export that sends by this client, and tells what the receiver said.
    pub(super) fn carry(&self, export: impl Future<Output = OTelSdkResult>) -> Result<Answer, SendError> {
        let exported = wait_for(export);
        let heard = self.0.heard().take();
        match (heard, exported) {
            // It has taken the message, whatever becomes of the rest of its answer.
            (Some(Ok(answer)), _) => Ok(answer),
            (Some(Err(error)), _) => Err(error),
            // It is not sent where it is above the exporter's limit.
            (None, Err(error)) => Err(SendError::new(Failure::TooLarge, error)),
            (None, Ok(())) => Err(SendError::new(Failure::Rejected, "nothing was sent")),
        }
    }
}

impl Client {
    fn heard(&self) -> std::sync::MutexGuard<'_, Option<Result<Answer, SendError>>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (mut parts, body) = request.into_parts();
        // The exporter's others are of its own and of the variables, which are in ours where code says nothing else.
        let of_message = [CONTENT_TYPE, CONTENT_ENCODING];
        let of_message = of_message.map(|name| parts.headers.remove(&name).map(|value| (name, value)));
        parts.headers = self.headers.clone();
        parts.headers.extend(of_message.into_iter().flatten().map(|(name, value)| (Some(name), value)));
        let (parts, mut body) = self.agent.run(Request::from_parts(parts, &body[..]))?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec();
        Ok(Response::from_parts(parts, body.unwrap_or_default().into()))
    }
}

#[async_trait]
impl HttpClient for Client {
    /// It blocks: whoever exports has a thread of their own.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(request);
        *self.heard() = Some(match &answer {
            Ok(answer) if answer.status().is_success() => answered(answer),
            Ok(answer) => Err(refused(answer.status(), answer.headers())),
            Err(error) => Err(unreachable(error)),
        });
        Ok(answer?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// An answer about metrics has the same fields. A page of HTML has none of them, nor has what else is no answer.
fn answered(answer: &Response<Bytes>) -> Result<Answer, SendError> {
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is = |name: &str| kind.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let decoded = if is("text/html") {
        None
    } else if is("application/json") {
        // Some receivers answer so whatever they are sent.
        in_json(answer.body())
    } else {
        let decoded = ExportTraceServiceResponse::decode(answer.body().clone()).ok();
        decoded.map(|decoded| {
            let partial = decoded.partial_success.unwrap_or_default();
            let rejected = partial.rejected_spans.try_into().unwrap_or_default();
            Answer { rejected, message: partial.error_message }
        })
    };
    decoded.ok_or_else(|| {
        let text = "the answer is not one of OTLP: something else, a proxy maybe, listens there";
        SendError::new(Failure::Rejected, text)
    })
}

/// An object, with large numbers as text.
fn in_json(body: &[u8]) -> Option<Answer> {
    if body.is_empty() {
        return Some(Answer::default());
    }
    let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let Some(partial) = answer.get("partialSuccess") else { return Some(Answer::default()) };
    let message = partial.get("errorMessage").and_then(|message| message.as_str()).unwrap_or_default().to_owned();
    let rejected = partial.get("rejectedSpans").and_then(|it| it.as_u64().or_else(|| it.as_str()?.parse().ok()));
    Some(Answer { rejected: rejected.unwrap_or_default(), message })
}

fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, OtlpError> {
    let bad = |why: &dyn fmt::Display| {
        OtlpError::value("certificate", "what was given", format_args!("certificates in PEM ({why})"))
    };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(bad(&"there is none in it")) } else { Ok(certificates) }
}

fn identity(own: &Identity) -> Result<ClientCert, OtlpError> {
    let key = PrivateKey::from_pem(&own.key)
        .map_err(|error| OtlpError::value("client key", "what was given", format_args!("a key in PEM ({error})")))?;
    Ok(ClientCert::new_with_certs(&certificates(&own.certificate)?, key))
}

fn unreachable(error: &ureq::Error) -> SendError {
    SendError::new(Failure::Unreachable, format_args!("no answer: {error}"))
}

fn refused(status: StatusCode, headers: &HeaderMap) -> SendError {
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Failure::Busy(retry_after(headers)),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Failure::NotServed,
        _ => Failure::Rejected,
    };
    SendError::new(kind, format_args!("the receiver answered with HTTP status {status}"))
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[track_caller]
    fn check(said: &str, is_expected: impl Fn(Option<Duration>) -> bool) {
        let headers = [(RETRY_AFTER, said.parse().unwrap())].into_iter().collect();
        let wait = retry_after(&headers);
        assert!(is_expected(wait), "{said}: {wait:?}");
    }

    #[test]
    fn a_receiver_may_ask_for_seconds_or_name_a_date() {
        let seconds = Duration::from_secs;
        check("7", |wait| wait == Some(seconds(7)));
        check("0", |wait| wait == Some(seconds(0)));
        check("soon", |wait| wait.is_none());
        check("-1", |wait| wait.is_none());
        check("Sun, 06 Nov 1994 08:49:37 GMT", |wait| wait == Some(seconds(0)));
        let date = httpdate::fmt_http_date(SystemTime::now() + seconds(1000));
        check(&date, |wait| wait.is_some_and(|wait| wait > seconds(100) && wait <= seconds(1000)));
    }
}
