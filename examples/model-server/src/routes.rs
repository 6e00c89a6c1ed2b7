//! What is asked over HTTP, and how it is answered.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::conversation::Conversation;
use crate::memory::{Shared, locked};
use crate::request::{self, Refusal};
use crate::{chat, desk, events, play};

/// Fast for a model, and slow enough to see that it streams.
const PAUSE_BETWEEN_EVENTS: Duration = Duration::from_millis(4);

pub(crate) fn all() -> Router {
    let routes = Router::new()
        .route("/v1/responses", post(responses))
        .route("/v1/responses/compact", post(compact))
        .route("/v1/chat/completions", post(chat_completions));
    routes.with_state(Shared::default())
}

async fn responses(State(memory): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    answered(answer(&memory, &headers, &body))
}

fn answer(memory: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    authorize(headers)?;
    let request = request::parse(body)?;
    let conversation = Conversation::of_items(&request);
    let is_of_desk = desk::is_meant(&conversation);
    let mut memory = locked(memory);
    let remembered = memory.asked(&request.conversation);
    // The programs at the desk ask once.
    if is_of_desk { remembered.is_in_a_hurry() } else { remembered.mood() }?;
    let prompt = request.prompt();
    let cached = remembered.cached(&prompt);
    let output = if is_of_desk { desk::reply(&conversation).into_output() } else { play::reply(&request.input) };
    Ok(if request.is_streamed {
        streamed(events::of(&request, &output, prompt.len(), cached))
    } else {
        axum::Json(events::whole(&request, &output, prompt.len(), cached)).into_response()
    })
}

async fn compact(headers: HeaderMap, body: Bytes) -> Response {
    answered(authorize(&headers).and_then(|()| {
        let request = request::parse_compaction(&body)?;
        Ok(axum::Json(events::compaction(&play::compact(&request.input), request.prompt().len())).into_response())
    }))
}

async fn chat_completions(State(memory): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    answered(chat_answer(&memory, &headers, &body))
}

fn chat_answer(memory: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    authorize(headers)?;
    let conversation = chat::parse(body)?;
    if !desk::is_meant(&conversation) {
        return Err(Refusal::new(400, "unsupported", "This server knows an order desk only: offer its tools."));
    }
    locked(memory).asked("").is_in_a_hurry()?;
    let reply = desk::reply(&conversation);
    Ok(if conversation.is_streamed {
        streamed(chat::chunks(&conversation, &reply, body.len()))
    } else {
        axum::Json(chat::whole(&conversation, &reply, body.len())).into_response()
    })
}

/// Events, one after the other as a model would think of them.
fn streamed(events: Vec<Event>) -> Response {
    let events = stream::iter(events).then(async |event| {
        tokio::time::sleep(PAUSE_BETWEEN_EVENTS).await;
        Ok::<_, Infallible>(event)
    });
    Sse::new(events).into_response()
}

fn authorize(headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| key.starts_with("Bearer ") && key.len() > "Bearer ".len()) {
        return Ok(());
    }
    Err(Refusal::new(401, "invalid_api_key", "You didn't provide an API key."))
}

fn answered(answer: Result<Response, Refusal>) -> Response {
    let mut response = answer.unwrap_or_else(|refusal| refuse(&refusal));
    if let Ok(id) = events::id("req").parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    response
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
