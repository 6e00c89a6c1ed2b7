//! Failures of requests to the model, and the decision whether to retry.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Maximum delay that a server may request before the next attempt; the run fails if it requests more.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// A request that did not return a complete response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) retry: Retry,
    /// The HTTP status, if the server returned an error response.
    pub(crate) status: Option<StatusCode>,
    /// `true` if the endpoint does not support the requested route.
    pub(crate) is_unknown_route: bool,
    /// The request id that the server assigned, for its support desk.
    pub(crate) request_id: Option<String>,
    /// The id of the response that was cut off.
    pub(crate) response_id: Option<String>,
    /// The items that had been completed before the failure.
    pub(crate) output_items: Vec<Value>,
}

/// Decides if and when a failed request is retried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Retry {
    /// Retrying cannot succeed.
    Never,
    /// Retry after a delay that the client chooses: a backoff with jitter.
    Backoff,
    /// Retry after the delay that the server requested.
    After(Duration),
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>, retry: Retry) -> Self {
        Self {
            message: message.into(),
            retry,
            status: None,
            is_unknown_route: false,
            request_id: None,
            response_id: None,
            output_items: Vec::new(),
        }
    }

    /// Creates a failure of the connection.
    pub(crate) fn transport(action: &str, error: &dyn std::error::Error) -> Self {
        Self::new(format!("{action}: {}", error_chain(error)), Retry::Backoff)
    }

    /// Creates a failure from an error response of the server.
    pub(crate) fn status(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let error = ApiError::parse(body);
        let retry = if error.is_final() { Retry::Never } else { retry_for(status, headers) };
        let mut message = format!("{status}: {}", error.message);
        if let Some(hint) = hint(status, &error) {
            message.push_str(&format!("\n{hint}"));
        }
        Self { status: Some(status), ..Self::new(message, retry) }
    }

    /// Creates a failure from an error that the server reported in its event stream.
    pub(crate) fn in_stream(error: &Value) -> Self {
        let error = ApiError::from(error);
        let retry = match error.code.as_str() {
            "server_error" | "rate_limit_exceeded" | "" => Retry::Backoff,
            _ => Retry::Never,
        };
        Self::new(format!("the response failed: {} ({})", error.message, error.code), retry)
    }

    /// Returns the delay before the attempt that follows number `attempt`. Returns `None` if retrying is pointless.
    pub(crate) fn retry_delay(&self, attempt: u32) -> Option<Duration> {
        match self.retry {
            Retry::Never => None,
            Retry::After(delay) => (delay <= MAX_RETRY_DELAY).then_some(delay),
            Retry::Backoff => {
                // With jitter, so that many clients do not retry simultaneously.
                let base = Duration::from_millis(250) * 2_u32.saturating_pow(attempt.min(8));
                Some(base.mul_f64(0.75 + 0.5 * fastrand::f64()))
            }
        }
    }
}

/// The error object of the API; missing fields are empty.
struct ApiError {
    message: String,
    code: String,
    param: String,
}

impl ApiError {
    fn parse(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(body) if body["error"].is_object() => Self::from(&body["error"]),
            _ => Self { message: body.trim().chars().take(500).collect(), code: String::new(), param: String::new() },
        }
    }

    fn from(error: &Value) -> Self {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        Self {
            message: match text("message") {
                message if message.is_empty() => error.to_string(),
                message => message,
            },
            code: text("code"),
            param: text("param"),
        }
    }

    /// Returns `true` for a 429 that waiting cannot resolve.
    fn is_final(&self) -> bool {
        self.code == "insufficient_quota"
    }
}

/// Returns the retry policy for an error response, from its status and its `Retry-After` headers.
fn retry_for(status: StatusCode, headers: &HeaderMap) -> Retry {
    let transient = matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error();
    if !transient {
        return Retry::Never;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(delay)) => Retry::After(delay),
        // The HTTP-date form of `Retry-After` is not parsed: the API does not use it.
        _ => Retry::Backoff,
    }
}

/// Returns a hint how the user can resolve the error.
fn hint(status: StatusCode, error: &ApiError) -> Option<&'static str> {
    let scripts = error.param.starts_with("tools");
    let reasoning = error.param.starts_with("reasoning") || error.param.starts_with("include");
    Some(match status.as_u16() {
        401 | 403 => "Is OPENAI_API_KEY right, and may it use this model?",
        404 => {
            "Does this endpoint have the model OPENAI_MODEL? OPENAI_BASE_URL is the URL before \
             `/responses`, and usually ends in `/v1`."
        }
        400 if reasoning => "For a model without reasoning, set OPENAI_REASONING=off.",
        400 if scripts => "For an endpoint that supports function tools only, set OPENAI_SCRIPTS=off.",
        429 if error.is_final() => "The account has no credit left: waiting does not help.",
        _ => return None,
    })
}

/// Formats an error with all its causes: `reqwest` names the actual problem only in the last one.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(status: u16, headers: &[(&'static str, &str)], body: &str) -> anyhow::Result<Retry> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse()?);
        }
        Ok(Failure::status(StatusCode::from_u16(status)?, &map, body).retry)
    }

    #[test]
    fn only_transient_errors_are_retried() -> anyhow::Result<()> {
        for status in [408, 409, 429, 500, 502, 503, 529] {
            assert_eq!(retry(status, &[], "")?, Retry::Backoff, "{status}");
        }
        for status in [400, 401, 403, 404, 422] {
            assert_eq!(retry(status, &[], "")?, Retry::Never, "{status}");
        }
        let quota_exceeded = r#"{"error":{"message":"no credit","code":"insufficient_quota"}}"#;
        assert_eq!(retry(429, &[("retry-after", "1")], quota_exceeded)?, Retry::Never);
        Ok(())
    }

    #[test]
    fn retry_delay_comes_from_the_server() -> anyhow::Result<()> {
        let after = |ms| Retry::After(Duration::from_millis(ms));
        assert_eq!(retry(429, &[("retry-after", "2")], "")?, after(2000));
        let both_headers = [("retry-after", "2"), ("retry-after-ms", "50")];
        assert_eq!(retry(503, &both_headers, "")?, after(50));
        for nonsense in ["-1", "soon", "NaN", "1e300"] {
            assert_eq!(retry(429, &[("retry-after", nonsense)], "")?, Retry::Backoff);
        }
        let failure = Failure::new("", Retry::After(Duration::from_secs(3600)));
        assert_eq!(failure.retry_delay(1), None, "an hour is too long");
        Ok(())
    }
}
