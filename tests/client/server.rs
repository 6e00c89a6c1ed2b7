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
pub(crate) const JSON: &str = "{ \"id\":\"r1\",\n \"output\" : [ ] , \"n\": 2.50}\n";
pub(crate) const ERROR: &str = r#"{"error": {"message": "slow down"}}"#;
pub(crate) const SSE: [&str; 3] = ["event: a\ndata: {\"n\": 1}\n\n", "data: \u{e9}\n\n", "data: [DONE]\n\n"];

/// A provider that serves requests until its runtime is dropped.
pub(crate) struct Server {
    base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    received: Mutex<Vec<Vec<u8>>>,
    /// Permits for the chunks that `/paced` may send.
    pace: Semaphore,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared { received: Mutex::default(), pace: Semaphore::new(1) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/json", post(async |_: Received| ([("x-request-id", "req-7")], JSON)))
            .route("/error", post(async |_: Received| error()))
            .route("/sse", post(async |_: Received| Body::from(SSE.concat()).into_response()))
            .route("/paced", post(paced))
            .route("/broken", post(broken))
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

fn error() -> Response {
    let head = [("x-request-id", "req-7"), (header::CONTENT_TYPE.as_str(), "application/json")];
    (StatusCode::TOO_MANY_REQUESTS, head, ERROR).into_response()
}

/// Sends one chunk per permit.
async fn paced(State(shared): State<Arc<Shared>>, _: Received) -> Response {
    let chunks = stream::iter(SSE).then(move |chunk| {
        let shared = Arc::clone(&shared);
        async move {
            shared.pace.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(chunk)
        }
    });
    Body::from_stream(chunks).into_response()
}

/// Sends one chunk and then breaks the connection.
async fn broken(_: Received) -> Response {
    let (first, end) = (Ok(SSE[0]), Err(std::io::Error::other("gone")));
    let chunks = stream::iter([first, end]).then(async |chunk| {
        // Lets the server send the first chunk before the connection breaks.
        tokio::task::yield_now().await;
        chunk
    });
    Body::from_stream(chunks).into_response()
}
