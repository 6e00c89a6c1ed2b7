//! A model provider on the loopback interface.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

/// Response body with whitespace and number formats that no serializer produces.
pub(crate) const JSON: &str = "{ \"id\":\"r1\",\n \"output\" : [ ] , \"temperature\": 2.50}\n";
pub(crate) const ERROR: &str = r#"{"error": {"message": "slow down"}}"#;
pub(crate) const SSE: [&str; 3] = ["event: a\ndata: {\"n\": 1}\n\n", "data: \u{e9}\n\n", "data: [DONE]\n\n"];

/// Pieces of a stream of Chat Completions. They end inside of events and of a character.
pub(crate) const CHAT: [&[u8]; 4] = [
    b"data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"It is \"}}]}\n\ndata: {\"id\":\"c1\",\"choi",
    b"ces\":[{\"index\":0,\"delta\":{\"content\":\"caf\xc3",
    b"\xa9.\"}}]}\n\n",
    b"data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
];

/// A stream of Gemini without server-sent events: one JSON list.
pub(crate) const GEMINI: &str = r#"[{"candidates":[{"content":{"role":"model","parts":[{"text":"It is "}]},"index":0}],"responseId":"c1"},
{"candidates":[{"content":{"role":"model","parts":[{"text":"café."}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3},"responseId":"c1"}]"#;

/// A provider that serves requests until its runtime is dropped.
pub(crate) struct Server {
    base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    received: Mutex<Vec<Vec<u8>>>,
    /// Permits for the chunks that `/paced` may send.
    pace: Semaphore,
    /// A permit for the first response of `/race`.
    race: Semaphore,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared { received: Mutex::default(), pace: Semaphore::new(1), race: Semaphore::new(0) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/json", post(async |_: Received| ([("x-request-id", "req-7")], JSON)))
            .route("/error", post(async |_: Received| error()))
            .route("/flaky", post(async |State(shared): State<Arc<Shared>>, _: Received| flaky(&shared)))
            .route("/down", post(async |_: Received| (StatusCode::SERVICE_UNAVAILABLE, ERROR)))
            .route("/race", post(async |State(shared), _: Received| race(shared).await))
            .route("/sse", post(async |_: Received| Body::from(SSE.concat()).into_response()))
            .route("/paced", post(async |State(shared), _: Received| paced(shared, SSE.map(str::as_bytes))))
            .route("/broken", post(async |_: Received| broken(&[SSE[0].as_bytes()])))
            .route("/chat", post(async |_: Received| Body::from(CHAT.concat()).into_response()))
            .route("/chat/paced", post(async |State(shared), _: Received| paced(shared, CHAT)))
            .route("/chat/early", post(async |_: Received| Body::from(CHAT[..3].concat()).into_response()))
            .route("/chat/broken", post(async |_: Received| broken(&CHAT[..3])))
            .route("/gemini", post(async |_: Received| GEMINI))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { base_url, shared }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// Returns the bodies of all requests received so far.
    pub(crate) fn received(&self) -> Vec<Vec<u8>> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Permits `/race` to answer the first request.
    pub(crate) fn finish_race(&self) {
        self.shared.race.add_permits(1);
    }

    /// Permits `/paced` to send one more chunk.
    pub(crate) fn release_chunk(&self) {
        self.shared.pace.add_permits(1);
    }
}

/// An extractor that stores the body of a request in [`Shared::received`].
struct Received;

impl axum::extract::FromRequest<Arc<Shared>> for Received {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, shared: &Arc<Shared>) -> Result<Self, Response> {
        let body = Bytes::from_request(request, shared).await.map_err(IntoResponse::into_response)?;
        shared.received.lock().unwrap().push(body.to_vec());
        Ok(Self)
    }
}

/// Refuses the first two requests, with different statuses, and answers each later one.
fn flaky(shared: &Shared) -> Response {
    match shared.received.lock().unwrap().len() {
        1 => error(),
        2 => (StatusCode::SERVICE_UNAVAILABLE, ERROR).into_response(),
        _ => JSON.into_response(),
    }
}

/// Answers the first request once permitted, and each later one at once.
async fn race(shared: Arc<Shared>) -> Response {
    if shared.received.lock().unwrap().len() == 1 {
        shared.race.acquire().await.unwrap().forget();
    }
    JSON.into_response()
}

fn error() -> Response {
    let head = [("x-request-id", "req-7"), (header::CONTENT_TYPE.as_str(), "application/json")];
    (StatusCode::TOO_MANY_REQUESTS, head, ERROR).into_response()
}

/// Sends one chunk per permit.
fn paced<const N: usize>(shared: Arc<Shared>, chunks: [&'static [u8]; N]) -> Response {
    let chunks = stream::iter(chunks).then(move |chunk| {
        let shared = Arc::clone(&shared);
        async move {
            shared.pace.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(chunk)
        }
    });
    Body::from_stream(chunks).into_response()
}

/// Sends chunks and then breaks the connection.
fn broken(chunks: &[&'static [u8]]) -> Response {
    let end = Err(std::io::Error::other("gone"));
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(*chunk)).chain([end]).collect();
    let chunks = stream::iter(chunks).then(async |chunk| {
        // Lets the server send the chunks before the connection breaks.
        tokio::task::yield_now().await;
        chunk
    });
    Body::from_stream(chunks).into_response()
}
