//! A model server for a machine without one: the Responses API on 127.0.0.1, as far as the examples
//! use it.
//!
//! It knows one task, see `play`, and answers from nothing but the `input` of each request, so
//! from what the tools really printed. Like the real ones it is strict about requests, and not
//! always in the mood.

mod events;
mod play;
mod request;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::response::sse::Sse;
use axum::routing::post;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use request::Refusal;

/// Fast for a model, and slow enough to see that it streams.
const PAUSE_BETWEEN_EVENTS: Duration = Duration::from_millis(4);
const KEY: &str = "sk-embedded";

/// A server that runs for as long as the runtime does.
#[derive(Debug)]
pub struct ModelServer {
    base_url: String,
    _task: JoinHandle<()>,
}

/// What the server remembers of each conversation. Agents ask at the same time, so nothing may depend on who comes first.
#[derive(Debug, Default)]
struct Memory {
    conversations: HashMap<String, Conversation>,
}

/// How often it was asked, and the last prompt, for its cache.
#[derive(Debug, Default)]
struct Conversation {
    is_first: bool,
    requests: usize,
    last_prompt: String,
}

impl Memory {
    fn of(&mut self, conversation: &str) -> &mut Conversation {
        let is_first = self.conversations.is_empty();
        let new = || Conversation { is_first, ..Conversation::default() };
        self.conversations.entry(conversation.to_owned()).or_insert_with(new)
    }
}

type Shared = Arc<Mutex<Memory>>;

impl ModelServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port could be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("the embedded model server found no port on 127.0.0.1")?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let routes = Router::new().route("/v1/responses", post(responses));
        let routes = routes.route("/v1/responses/compact", post(compact));
        let routes = routes.with_state(Shared::default());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { base_url, _task: task })
    }

    /// What an `OPENAI_BASE_URL` would be: `http://127.0.0.1:<port>/v1`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A key that it takes. It takes any.
    pub fn api_key(&self) -> &'static str {
        KEY
    }
}

async fn responses(State(memory): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&memory, &headers, &body) {
        Ok(events) => {
            let events = stream::iter(events).then(async |event| {
                tokio::time::sleep(PAUSE_BETWEEN_EVENTS).await;
                Ok::<_, Infallible>(event)
            });
            with_request_id(axum::response::IntoResponse::into_response(Sse::new(events)))
        }
        Err(refusal) => with_request_id(refuse(&refusal)),
    }
}

fn answer(memory: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Vec<axum::response::sse::Event>, Refusal> {
    authorize(headers)?;
    let request = request::parse(body)?;

    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    let conversation = memory.of(&request.conversation);
    conversation.requests += 1;
    mood(conversation)?;
    let prompt = request.prompt();
    let cached = request::common_prefix(&prompt, &conversation.last_prompt);
    conversation.last_prompt.clone_from(&prompt);

    let output = play::reply(&request.input);
    Ok(events::of(&request, &output, prompt.len(), cached))
}

async fn compact(headers: HeaderMap, body: Bytes) -> Response {
    let answer = authorize(&headers).and_then(|()| {
        let request = request::parse_compaction(&body)?;
        Ok(events::compaction(&play::compact(&request.input), request.prompt().len()))
    });
    with_request_id(match answer {
        Ok(compaction) => axum::response::IntoResponse::into_response(axum::Json(compaction)),
        Err(refusal) => refuse(&refusal),
    })
}

fn authorize(headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| key.starts_with("Bearer ") && key.len() > "Bearer ".len()) {
        return Ok(());
    }
    Err(Refusal::new(401, "invalid_api_key", "You didn't provide an API key."))
}

/// Every run meets both kinds of bad day, once each, in its first conversation.
fn mood(conversation: &Conversation) -> Result<(), Refusal> {
    match conversation.requests {
        1 if conversation.is_first => Err(Refusal {
            retry_after_ms: Some(50),
            ..Refusal::new(429, "rate_limit_exceeded", "Rate limit reached: try again in 50ms.")
        }),
        5 if conversation.is_first => {
            Err(Refusal::new(503, "server_error", "The server is overloaded: try again later."))
        }
        _ => Ok(()),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let kind = match refusal.status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let body: Value = json!({"error": {
        "message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code,
    }});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(ms) = refusal.retry_after_ms {
        headers.insert("retry-after-ms", ms.into());
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
    }
    response
}

fn with_request_id(mut response: Response) -> Response {
    if let Ok(id) = events::id("req").parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(route: &str, key: Option<&str>, body: &str) -> Result<(u16, Value)> {
        let server = ModelServer::start().await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut post = http.post(format!("{}/{route}", server.base_url)).body(body.to_owned());
        if let Some(key) = key {
            post = post.bearer_auth(key);
        }
        let reply = post.send().await?;
        assert!(reply.headers().contains_key("x-request-id"));
        let status = reply.status().as_u16();
        Ok((status, reply.json().await?))
    }

    #[tokio::test]
    async fn a_compaction_keeps_what_the_user_said_and_sums_up_the_rest() -> Result<()> {
        let user = json!({"type": "message", "role": "user", "content": "hi"});
        let call = json!({"type": "function_call", "call_id": "c1", "name": "exec_command", "arguments": "{}"});
        let output = json!({"type": "function_call_output", "call_id": "c1", "output": ""});
        let whole = json!({"model": "m", "input": [user, call, output]}).to_string();
        let (status, reply) = ask("responses/compact", Some("any"), &whole).await?;
        assert_eq!((status, &reply["object"]), (200, &json!("response.compaction")), "{reply}");
        let output = reply["output"].as_array().context("no output")?;
        assert_eq!(output.len(), 2, "{reply}");
        assert_eq!(output[0], user);
        let summary = output[1]["content"][0]["text"].as_str().context("no summary")?;
        assert!(summary.starts_with(play::SUMMARY), "{summary}");

        let unanswered = json!({"model": "m", "input": [user, call]}).to_string();
        let (status, reply) = ask("responses/compact", Some("any"), &unanswered).await?;
        assert_eq!(status, 400, "{reply}");
        let (status, _) = ask("responses/compact", None, &whole).await?;
        assert_eq!(status, 401);
        Ok(())
    }

    #[tokio::test]
    async fn garbage_is_refused_with_a_reason() -> Result<()> {
        let user = r#"{"type":"message","role":"user","content":"hi"}"#;
        let call = r#"{"type":"function_call","call_id":"c1","name":"exec_command","arguments":"{}"}"#;
        let output = r#"{"type":"function_call_output","call_id":"c2","output":""}"#;
        let script = r#"{"type":"custom_tool_call","call_id":"c3","name":"exec","input":"text(1)"}"#;
        let wrong_kind = r#"{"type":"function_call_output","call_id":"c3","output":""}"#;
        let reasoning = r#"{"type":"reasoning","id":"rs_1","summary":[]}"#;
        let with =
            |items: &[&str]| format!(r#"{{"model":"m","stream":true,"store":false,"input":[{}]}}"#, items.join(","));
        let cases = [
            ("{".to_owned(), "not valid JSON"),
            (r#"{"stream":true,"input":[]}"#.to_owned(), "'model'"),
            (r#"{"stream":true,"model":"m"}"#.to_owned(), "'input'"),
            (format!(r#"{{"model":"m","store":false,"input":[{user}]}}"#), "stream"),
            (with(&[]), "empty"),
            (with(&[user, call]), "No tool output found for function call c1"),
            (with(&[user, output]), "No tool call found for function call output with call_id c2"),
            (with(&[user, script]), "No tool output found for custom tool call c3"),
            (with(&[user, script, wrong_kind]), "No tool call found for function call output with call_id c3"),
            (with(&[user, reasoning]), "rs_1"),
            (with(&[r#"{"type":"surprise"}"#]), "surprise"),
        ];
        for (body, expected) in cases {
            let (status, reply) = ask("responses", Some("any"), &body).await?;
            assert_eq!(status, 400, "{body}");
            let message = reply["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(expected), "{body}: {message}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_key() -> Result<()> {
        let (status, reply) = ask("responses", None, "{}").await?;
        assert_eq!((status, reply["error"]["code"].as_str()), (401, Some("invalid_api_key")));
        Ok(())
    }
}
