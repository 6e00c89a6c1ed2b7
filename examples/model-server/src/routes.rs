//! The HTTP routes of the server.

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
use crate::memory::{SharedMemory, lock};
use crate::request::{self, ApiError};
use crate::{bug_fix, chat, events, order_desk};

/// Pause before each event of a stream: fast for a model, and slow enough that streaming is visible.
const PAUSE_BETWEEN_EVENTS: Duration = Duration::from_millis(4);

pub(crate) fn router() -> Router {
    let routes = Router::new()
        .route("/v1/responses", post(responses))
        .route("/v1/responses/compact", post(compact))
        .route("/v1/chat/completions", post(chat_completions));
    routes.with_state(SharedMemory::default())
}

async fn responses(State(memory): State<SharedMemory>, headers: HeaderMap, body: Bytes) -> Response {
    into_response(respond(&memory, &headers, &body))
}

fn respond(memory: &SharedMemory, headers: &HeaderMap, body: &[u8]) -> Result<Response, ApiError> {
    authorize(headers)?;
    let request = request::parse(body)?;
    let conversation = Conversation::from_request(&request);
    let is_order_desk = order_desk::matches(&conversation);
    let mut memory = lock(memory);
    let state = memory.record_request(&request.conversation);
    // Clients of the order desk hardly retry, so only the rate limit applies to them.
    if is_order_desk { state.check_rate_limit() } else { state.check_availability() }?;
    let prompt = request.prompt();
    let cached = state.cached_bytes(&prompt);
    let output =
        if is_order_desk { order_desk::reply(&conversation).into_output() } else { bug_fix::reply(&request.input) };
    Ok(if request.is_streamed {
        sse_response(events::stream(&request, &output, prompt.len(), cached))
    } else {
        axum::Json(events::response(&request, &output, prompt.len(), cached)).into_response()
    })
}

async fn compact(headers: HeaderMap, body: Bytes) -> Response {
    into_response(authorize(&headers).and_then(|()| {
        let request = request::parse_compaction(&body)?;
        Ok(axum::Json(events::compaction(&bug_fix::compact(&request.input), request.prompt().len())).into_response())
    }))
}

async fn chat_completions(State(memory): State<SharedMemory>, headers: HeaderMap, body: Bytes) -> Response {
    into_response(respond_to_chat(&memory, &headers, &body))
}

fn respond_to_chat(memory: &SharedMemory, headers: &HeaderMap, body: &[u8]) -> Result<Response, ApiError> {
    authorize(headers)?;
    let conversation = chat::parse(body)?;
    if !order_desk::matches(&conversation) {
        return Err(ApiError::new(400, "unsupported", "This route supports the order desk only: offer its tools."));
    }
    lock(memory).record_request("").check_rate_limit()?;
    let reply = order_desk::reply(&conversation);
    Ok(if conversation.is_streamed {
        sse_response(chat::chunks(&conversation, &reply, body.len()))
    } else {
        axum::Json(chat::completion(&conversation, &reply, body.len())).into_response()
    })
}

/// Streams events with a pause before each one, like a model that generates them.
fn sse_response(events: Vec<Event>) -> Response {
    let events = stream::iter(events).then(async |event| {
        tokio::time::sleep(PAUSE_BETWEEN_EVENTS).await;
        Ok::<_, Infallible>(event)
    });
    Sse::new(events).into_response()
}

fn authorize(headers: &HeaderMap) -> Result<(), ApiError> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if key.is_some_and(|key| key.starts_with("Bearer ") && key.len() > "Bearer ".len()) {
        return Ok(());
    }
    Err(ApiError::new(401, "invalid_api_key", "You didn't provide an API key."))
}

fn into_response(result: Result<Response, ApiError>) -> Response {
    let mut response = result.unwrap_or_else(|error| error_response(&error));
    if let Ok(id) = events::id("req").parse() {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn error_response(error: &ApiError) -> Response {
    let kind = match error.status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let body: Value = json!({"error": {
        "message": error.message, "type": kind, "param": error.param, "code": error.code,
    }});
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(ms) = error.retry_after_ms {
        headers.insert("retry-after-ms", ms.into());
        headers.insert(header::RETRY_AFTER, ms.div_ceil(1000).into());
    }
    response
}
