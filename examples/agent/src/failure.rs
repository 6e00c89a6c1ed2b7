//! Why an attempt at a response failed, and whether another one may do better.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A server that asks for more patience than this is not waited for.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// One attempt that brought no complete response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) retry: Retry,
    /// The status of an answer that was no success.
    pub(crate) status: Option<StatusCode>,
    /// The endpoint does not know what was asked for.
    pub(crate) is_unknown_route: bool,
    /// The server's name for the request, for its support desk.
    pub(crate) request_id: Option<String>,
    /// The id of the response that broke off.
    pub(crate) response_id: Option<String>,
    /// The items that were complete by then.
    pub(crate) output_items: Vec<Value>,
}

/// Whether to try again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Retry {
    /// The same request would fail the same way.
    Never,
    /// After a pause of our choice.
    Backoff,
    /// After the pause the server asked for.
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

    /// The connection failed or broke.
    pub(crate) fn transport(action: &str, error: &dyn std::error::Error) -> Self {
        Self::new(format!("{action}: {}", error_chain(error)), Retry::Backoff)
    }

    /// The server answered with an error instead of a stream.
    pub(crate) fn status(status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let error = ApiError::parse(body);
        let retry = if error.is_final() { Retry::Never } else { retry_for(status, headers) };
        let mut message = format!("{status}: {}", error.message);
        if let Some(hint) = hint(status, &error) {
            message.push_str(&format!("\n{hint}"));
        }
        Self { status: Some(status), ..Self::new(message, retry) }
    }

    /// The server gave up after the stream had begun.
    pub(crate) fn in_stream(error: &Value) -> Self {
        let error = ApiError::from(error);
        let retry = match error.code.as_str() {
            "server_error" | "rate_limit_exceeded" | "" => Retry::Backoff,
            _ => Retry::Never,
        };
        Self::new(format!("the response failed: {} ({})", error.message, error.code), retry)
    }

    /// How long to wait before attempt `number + 1`; `None` when there is no point in one.
    pub(crate) fn retry_delay(&self, attempt: u32) -> Option<Duration> {
        match self.retry {
            Retry::Never => None,
            Retry::After(delay) => (delay <= MAX_RETRY_DELAY).then_some(delay),
            Retry::Backoff => {
                // Spread out, so that many clients do not all come back at the same moment.
                let base = Duration::from_millis(250) * 2_u32.saturating_pow(attempt.min(8));
                Some(base.mul_f64(0.75 + 0.5 * fastrand::f64()))
            }
        }
    }
}

/// The error object of the API, as far as it is there.
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

    /// A 429 too, but one that no waiting helps against.
    fn is_final(&self) -> bool {
        self.code == "insufficient_quota"
    }
}

fn retry_for(status: StatusCode, headers: &HeaderMap) -> Retry {
    let transient = matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error();
    if !transient {
        return Retry::Never;
    }
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"));
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(delay)) => Retry::After(delay),
        // Also for the date form, which the API does not send.
        _ => Retry::Backoff,
    }
}

/// What the user can do about it.
fn hint(status: StatusCode, error: &ApiError) -> Option<&'static str> {
    let scripts = error.param.starts_with("tools");
    let reasoning = error.param.starts_with("reasoning") || error.param.starts_with("include");
    Some(match status.as_u16() {
        401 | 403 => "Is OPENAI_API_KEY right, and may it use this model?",
        404 => {
            "Is OPENAI_MODEL a model this endpoint has? OPENAI_BASE_URL is what comes before \
             `/responses`, and mostly ends in `/v1`."
        }
        400 if reasoning => "For a model without reasoning, set OPENAI_REASONING=off.",
        400 if scripts => "For an endpoint that knows functions only, set OPENAI_SCRIPTS=off.",
        429 if error.is_final() => "The account has no credit left: waiting does not help.",
        _ => return None,
    })
}

/// An error with its causes: `reqwest` says what failed only in the last of them.
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
        assert_eq!(failure.retry_delay(1), None, "nobody waits an hour");
        Ok(())
    }
}
