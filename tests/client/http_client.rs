//! HTTP clients with the recording middleware: reqwest as a `tower` service, and reqwest with `reqwest-middleware`.

use std::error::Error;

use axum::body::Bytes;
use http_body_util::BodyExt;
use otel_trace::client::{RecordExchange, RecordedBody};
use tower::{ServiceBuilder, ServiceExt};

type BoxError = Box<dyn Error + Send + Sync>;

/// The kind of middleware through which requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HttpClient {
    Tower,
    Reqwest,
}

impl HttpClient {
    pub(crate) const ALL: [Self; 2] = [Self::Tower, Self::Reqwest];
}

/// A response whose body has not been read yet.
pub(crate) enum HttpResponse {
    Tower(http::Response<RecordedBody<reqwest::Body>>),
    Reqwest(reqwest::Response),
}

impl HttpResponse {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Tower(response) => response.status().as_u16(),
            Self::Reqwest(response) => response.status().as_u16(),
        }
    }

    /// Returns the next chunk of the body. Returns `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        match self {
            Self::Tower(response) => {
                let frame = response.body_mut().frame().await?;
                Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(Into::into))
            }
            Self::Reqwest(response) => response.chunk().await.map_err(Into::into).transpose(),
        }
    }
}

/// Sends a POST request through the recording middleware.
pub(crate) async fn post(
    http_client: HttpClient,
    middleware: RecordExchange,
    url: &str,
    body: &'static [u8],
) -> Result<HttpResponse, BoxError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    match http_client {
        HttpClient::Tower => {
            let send = tower::service_fn(move |request: http::Request<reqwest::Body>| {
                let client = client.clone();
                async move { Ok::<_, reqwest::Error>(http::Response::from(client.execute(request.try_into()?).await?)) }
            });
            let request = http::Request::post(url).body(reqwest::Body::from(body))?;
            Ok(HttpResponse::Tower(ServiceBuilder::new().layer(middleware).service(send).oneshot(request).await?))
        }
        HttpClient::Reqwest => {
            let client = reqwest_middleware::ClientBuilder::new(client).with(middleware).build();
            let response = client.post(url).body(body).send().await?;
            // The middleware rebuilds the response and must keep its URL.
            assert_eq!(response.url().as_str(), url);
            Ok(HttpResponse::Reqwest(response))
        }
    }
}
