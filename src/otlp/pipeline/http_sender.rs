//! Messages over HTTP.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, StatusCode};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::connection::Connection;
use super::sending::{Failure, SendError};
use super::{Compression, OtlpError};

/// The most that is read of an answer.
const ANSWER_BYTES: u64 = 4 << 20;

/// Names this crate to a receiver.
pub(super) const OWN_NAME: &str = concat!("otel-trace/", env!("CARGO_PKG_VERSION"));

/// A connection that blocks, of a client that traces nothing itself.
pub(crate) struct HttpSender {
    agent: Agent,
    connection: Connection,
}

impl HttpSender {
    pub(super) fn new(connection: Connection) -> Result<Self, OtlpError> {
        let roots = match &connection.certificate {
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
            None => RootCerts::WebPki,
        };
        let agent = Agent::config_builder()
            .timeout_global(Some(connection.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        Ok(Self { agent, connection })
    }

    pub(super) fn send(&self, message: &[u8]) -> Result<Bytes, SendError> {
        let connection = &self.connection;
        let mut request = self.agent.post(connection.url.clone()).header(USER_AGENT, OWN_NAME);
        for (name, value) in &connection.headers {
            request = request.header(name, value);
        }
        request = request.header(CONTENT_TYPE, "application/x-protobuf");
        let answer = match connection.compression {
            None => request.send(message),
            Some(Compression::Gzip) => request.header(CONTENT_ENCODING, "gzip").send(&gzipped(message)?),
            Some(Compression::Zstd) => request.header(CONTENT_ENCODING, "zstd").send(&zstandard(message)?),
        };
        let mut answer = answer.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(refused(status, answer.headers()));
        }
        // It has taken the message, whatever becomes of the rest of its answer.
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        Ok(body.unwrap_or_default().into())
    }
}

impl fmt::Debug for HttpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSender").field("url", &self.connection.url).finish_non_exhaustive()
    }
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

fn gzipped(message: &[u8]) -> Result<Vec<u8>, SendError> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).map_err(not_compressed)?;
    encoder.finish().map_err(not_compressed)
}

fn zstandard(message: &[u8]) -> Result<Vec<u8>, SendError> {
    zstd::bulk::compress(message, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(not_compressed)
}

fn not_compressed(error: io::Error) -> SendError {
    SendError::new(Failure::Rejected, format_args!("the message could not be compressed: {error}"))
}

#[cfg(test)]
mod tests {
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
