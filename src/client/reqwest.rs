//! [`RecordExchange`] as a middleware for reqwest.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Middleware, Next, Result};

use super::{RecordExchange, RecordedBody};
use crate::Exchange;

/// Records exchanges of a reqwest client. The body of a request that is a stream is not recorded, because it can be
/// read only once.
///
/// ```
/// use otel_trace::client::RecordExchange;
///
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(RecordExchange::new()).build();
/// # drop(client);
/// ```
#[async_trait]
impl Middleware for RecordExchange {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let Some(exchange) = Exchange::current() else { return next.run(request, extensions).await };
        if let Some(body) = request.body().and_then(Body::as_bytes) {
            exchange.request(body);
        }
        let response = next.run(request, extensions).await?;
        let response_recorder = self.response_recorder(exchange, response.status(), response.headers());
        Ok(replace_body(response, |body| Body::wrap(RecordedBody::new(body, Some(response_recorder)))))
    }
}

/// Replaces the body of a response. Restores its URL, which the conversion to `http::Response` and back would lose.
fn replace_body(response: Response, change: impl FnOnce(Body) -> Body) -> Response {
    let url = response.url().clone();
    let (mut head, body) = http::Response::<Body>::from(response).into_parts();
    if let Ok(with_url) = http::Response::builder().url(url).body(()) {
        head.extensions.extend(with_url.into_parts().0.extensions);
    }
    Response::from(http::Response::from_parts(head, change(body)))
}
