//! HTTP whose bodies are recorded as they went over the wire.

use anyhow::Result;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use otel_trace::client::{RecordExchange, RecordedBody};
use reqwest::Body;
use tower::{Layer, Service, ServiceExt};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer whose body is recorded while it is read.
pub(crate) type HttpResponse = Response<RecordedBody<Body>>;

/// reqwest, as a `tower` service: middleware is put around it.
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

/// Sends a request. What is sent and what comes back is recorded for the call whose span this happens in: the request
/// starts the call, and the stream is kept byte for byte beside the response that is made of it.
pub(crate) async fn send(client: &reqwest::Client, request: reqwest::Request) -> Result<HttpResponse, BoxError> {
    RecordExchange::new().layer(Reqwest(client.clone())).oneshot(request.try_into()?).await
}

/// All of an answer.
pub(crate) async fn read_body(response: HttpResponse) -> Result<Vec<u8>, reqwest::Error> {
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}
