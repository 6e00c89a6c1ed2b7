//! A server whose handlers are agents, and a model that such an agent asks.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use tokio::sync::{Barrier, Semaphore};
use tracing::{Instrument, info_span};

use super::agent::{Answer, ask, run_once};

/// Serves routes on the loopback interface until the runtime is dropped. Returns the URL.
pub(super) async fn serve(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// Starts a model that answers each request at once. Returns its URL.
pub(super) async fn start_model() -> String {
    serve(Router::new().route("/", post(async || "{}"))).await
}

/// A server with an agent behind each route.
pub(super) struct Server {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Met by as many handlers as there are conversations.
    all_inside: Barrier,
    /// A permit for each abandoned handler that is inside of its call.
    inside: Semaphore,
    /// A permit for each abandoned handler whose future was dropped.
    dropped: Semaphore,
}

impl Server {
    pub(super) async fn start(conversations: usize) -> Self {
        let shared = Arc::new(Shared {
            all_inside: Barrier::new(conversations),
            inside: Semaphore::new(0),
            dropped: Semaphore::new(0),
        });
        let routes = Router::new()
            .route("/conversations/{id}", post(converse))
            .route("/abandoned", post(wait_for_ever))
            .with_state(Arc::clone(&shared));
        Self { url: serve(routes).await, shared }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(super) async fn wait_until_inside(&self) {
        self.shared.inside.acquire().await.unwrap().forget();
    }

    pub(super) async fn wait_until_dropped(&self) {
        self.shared.dropped.acquire().await.unwrap().forget();
    }
}

/// Answers one turn of a conversation, at the same time as the handlers of all other conversations.
async fn converse(State(shared): State<Arc<Shared>>, Path(id): Path<String>) {
    let span = info_span!(
        "invoke_agent",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = "coder",
        gen_ai.conversation.id = id,
    );
    let meet_others = async {
        shared.all_inside.wait().await;
    };
    let call = ask(Answer::Text, meet_others);
    call.instrument(span).await;
}

/// Runs an agent whose model never answers.
async fn wait_for_ever(State(shared): State<Arc<Shared>>) {
    let dropped = OnDrop(Arc::clone(&shared));
    run_once(async {
        shared.inside.add_permits(1);
        std::future::pending::<()>().await;
    })
    .await;
    drop(dropped);
}

/// Counts a handler whose future is dropped, after all that is in it.
struct OnDrop(Arc<Shared>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.dropped.add_permits(1);
    }
}
