//! [`RecordExchange`] as a layer for `tower` services.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

use super::{RecordExchange, RecordedBody};
use crate::Exchange;

type BoxError = Box<dyn Error + Send + Sync>;

impl<S> Layer<S> for RecordExchange {
    type Service = RecordService<S>;

    fn layer(&self, inner: S) -> RecordService<S> {
        RecordService { inner, middleware: *self }
    }
}

/// A `tower` service that records the bodies of its requests and responses. Created by [`RecordExchange`] as a
/// `tower_layer::Layer`.
///
/// The body of a recorded request is read to its end before it is sent.
///
/// A reqwest client of any version can be wrapped as such a service:
///
/// ```
/// use otel_trace::client::RecordExchange;
/// use tower::ServiceBuilder;
///
/// let client = reqwest::Client::new();
/// let send = tower::service_fn(move |request: http::Request<reqwest::Body>| {
///     let client = client.clone();
///     async move { Ok::<_, reqwest::Error>(http::Response::from(client.execute(request.try_into()?).await?)) }
/// });
/// let recorded = ServiceBuilder::new().layer(RecordExchange::new()).service(send);
/// # drop(recorded);
/// ```
#[derive(Debug, Clone)]
pub struct RecordService<S> {
    inner: S,
    middleware: RecordExchange,
}

impl<S, B, R> Service<Request<B>> for RecordService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data = Bytes> + From<Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body<Data = Bytes>,
{
    type Response = Response<RecordedBody<R>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that reported readiness handles this request; its clone must be polled for readiness again.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let middleware = self.middleware;
        let exchange_of_caller = Exchange::current();
        Box::pin(async move {
            // Callers instrument either the future or the task that creates it.
            let exchange = Exchange::current().or(exchange_of_caller);
            let request = match &exchange {
                Some(exchange) => record_request(request, exchange).await.map_err(Into::into)?,
                None => request,
            };
            let (head, body) = inner.call(request).await.map_err(Into::into)?.into_parts();
            let response_recorder =
                exchange.map(|exchange| middleware.response_recorder(exchange, head.status, &head.headers));
            Ok(Response::from_parts(head, RecordedBody::new(body, response_recorder)))
        })
    }
}

/// Reads and records the body of a request, and returns the request with the bytes that were read.
async fn record_request<B>(request: Request<B>, exchange: &Exchange) -> Result<Request<B>, B::Error>
where
    B: Body<Data = Bytes> + From<Bytes>,
{
    let (head, body) = request.into_parts();
    let bytes = body.collect().await?.to_bytes();
    exchange.request(&bytes);
    Ok(Request::from_parts(head, B::from(bytes)))
}
