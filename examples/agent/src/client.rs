//! A client of the Responses API over HTTP: one request, one stream of events, one response; and the compaction
//! endpoint.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Url, redirect};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Retry};
use crate::http::{self, HttpResponse};
use crate::stream::{Collector, OnDelta, Response};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time without any bytes on a response stream, after which the request fails. Reasoning models can be silent
/// for minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// The base URL of the model API, and the key.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) base_url: String,
    pub(crate) api_key: Option<String>,
}

/// Formats the endpoint without its API key.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// An HTTP client for one endpoint.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    responses: Url,
    compact: Url,
    api_key: Option<String>,
}

impl Client {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self> {
        let url = format!("{}/responses", endpoint.base_url.trim_end_matches('/'));
        let url = Url::parse(&url).with_context(|| {
            format!("OPENAI_BASE_URL is not a URL like https://api.openai.com/v1: {:?}", endpoint.base_url)
        })?;
        ensure!(matches!(url.scheme(), "http" | "https"), "OPENAI_BASE_URL does not begin with http:// or https://");
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(IDLE_TIMEOUT)
            // A redirected POST would arrive as a GET: better to fail, so that the user can correct the URL.
            .redirect(redirect::Policy::none());
        if matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")) {
            // A proxy would resolve the loopback address to its own machine.
            http = http.no_proxy();
        }
        let compact = Url::parse(&format!("{url}/compact"))?;
        let http = http.build().context("could not set up the HTTP client")?;
        Ok(Self { http, responses: url, compact, api_key: endpoint.api_key.clone() })
    }

    /// Sends `request` once and collects the response, calling `on_delta` for each streamed piece.
    pub(crate) async fn attempt(&self, request: &Value, on_delta: OnDelta<'_>) -> Result<Response, Failure> {
        let response = self.send(&self.responses, "text/event-stream", request).await?;
        let request_id = request_id(response.headers());
        match collect(response, on_delta).await {
            Ok(response) => Ok(Response { request_id, ..response }),
            Err(failure) => Err(Failure { request_id, ..failure }),
        }
    }

    /// Sends a compaction request and returns the items that replace the history.
    pub(crate) async fn compact(&self, request: &Value) -> Result<Vec<Value>, Failure> {
        let response = self.send(&self.compact, "application/json", request).await.map_err(|failure| {
            let is_unknown_route = matches!(failure.status.map(|status| status.as_u16()), Some(404 | 405));
            Failure { is_unknown_route, ..failure }
        })?;
        let compaction_failed = |error: &dyn std::error::Error| Failure::transport("compaction failed", error);
        let body = http::read_body(response).await.map_err(|error| compaction_failed(&error))?;
        let CompactResponse { output } = serde_json::from_slice(&body).map_err(|error| compaction_failed(&error))?;
        if output.is_empty() {
            return Err(Failure::new("the compaction returned no items", Retry::Never));
        }
        Ok(output)
    }

    /// Sends a request. Returns an error for any status other than success.
    async fn send(&self, url: &Url, accept: &'static str, request: &Value) -> Result<HttpResponse, Failure> {
        let mut post = self.http.post(url.clone()).json(request).header(ACCEPT, accept);
        if let Some(key) = &self.api_key {
            post = post.bearer_auth(key);
        }
        // The request cannot be built, for example because the key contains characters that no header may have.
        let unsendable =
            |error| Failure { retry: Retry::Never, ..Failure::transport("cannot build the request", &error) };
        let request = post.build().map_err(unsendable)?;
        let response = http::send(&self.http, request).await;
        let response = response.map_err(|error| Failure::transport("request failed", &*error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::read_body(response).await.unwrap_or_default();
        let failure = Failure::status(status, &headers, &String::from_utf8_lossy(&body));
        Err(Failure { request_id: request_id(&headers), ..failure })
    }
}

#[derive(Deserialize)]
struct CompactResponse {
    output: Vec<Value>,
}

/// Reads the event stream of a response until the response is complete.
async fn collect(response: HttpResponse, on_delta: OnDelta<'_>) -> Result<Response, Failure> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(other @ ("text/html" | "application/json")) = content_type.map(media_type) {
        let message = format!(
            "the endpoint answered with {other} instead of a stream of events: \
             does it support the Responses API?"
        );
        return Err(Failure::new(message, Retry::Never));
    }
    let mut events = response.into_body().into_data_stream().eventsource();
    let mut collector = Collector::default();
    while let Some(event) = events.next().await {
        let pushed = match event {
            Ok(event) => collector.push(&event.data, on_delta),
            Err(error) => Err(Failure::transport("cannot read the stream", &error)),
        };
        match pushed {
            Ok(None) => {}
            Ok(Some(response)) => return Ok(response),
            Err(failure) => return Err(collector.into_failure(failure, on_delta)),
        }
    }
    let truncated = Failure::new("the stream ended before the response was complete", Retry::Backoff);
    Err(collector.into_failure(truncated, on_delta))
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-request-id")?.to_str().ok()?.to_owned())
}
