//! HTTP requests whose bodies are recorded exactly as they were sent and received.

use anyhow::Result;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use otel_trace::client::{RecordExchange, RecordedBody};
use reqwest::Body;
use tower::{Layer, Service, ServiceExt};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response whose body is recorded while it is read.
pub(crate) type HttpResponse = Response<RecordedBody<Body>>;

/// `reqwest` as a `tower` service, so that middleware can be applied.
#[derive(Debug, Clone)]
struct Reqwest(reqwest::Client);

impl Service<Request<Body>> for Reqwest {
    type Response = Response<Body>;
    type Error = reqwest::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, reqwest::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), reqwest::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move { Ok(client.execute(request.try_into()?).await?.into()) })
    }
}

/// Sends a request, and records the request and response bodies in the inference call whose span is current. The
/// request starts the call; the response stream is kept byte for byte, beside the response that the program assembles
/// from it.
pub(crate) async fn send(client: &reqwest::Client, request: reqwest::Request) -> Result<HttpResponse, BoxError> {
    RecordExchange::new().layer(Reqwest(client.clone())).oneshot(request.try_into()?).await
}

/// Reads the whole body of a response.
pub(crate) async fn read_body(response: HttpResponse) -> Result<Vec<u8>, reqwest::Error> {
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}
