//! The clients: reqwest as a `tower` service, and reqwest with its own middleware.

use std::error::Error;

use axum::body::Bytes;
use http_body_util::BodyExt;
use otel_trace::client::{RecordExchange, RecordedBody};
use tower::{ServiceBuilder, ServiceExt};

type BoxError = Box<dyn Error + Send + Sync>;

/// Which middleware.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Via {
    Tower,
    Reqwest,
}

impl Via {
    pub(crate) const ALL: [Self; 2] = [Self::Tower, Self::Reqwest];
}

/// An answer whose body is still to be read.
pub(crate) enum Reply {
    Tower(http::Response<RecordedBody<reqwest::Body>>),
    Reqwest(reqwest::Response),
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Tower(response) => response.status().as_u16(),
            Self::Reqwest(response) => response.status().as_u16(),
        }
    }

    /// The next piece of the body.
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

pub(crate) async fn post(
    via: Via,
    middleware: RecordExchange,
    url: &str,
    body: &'static [u8],
) -> Result<Reply, BoxError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    match via {
        Via::Tower => {
            let send = tower::service_fn(move |request: http::Request<reqwest::Body>| {
                let client = client.clone();
                async move { Ok::<_, reqwest::Error>(http::Response::from(client.execute(request.try_into()?).await?)) }
            });
            let request = http::Request::post(url).body(reqwest::Body::from(body))?;
            Ok(Reply::Tower(ServiceBuilder::new().layer(middleware).service(send).oneshot(request).await?))
        }
        Via::Reqwest => {
            let client = reqwest_middleware::ClientBuilder::new(client).with(middleware).build();
            let reply = client.post(url).body(body).send().await?;
            // What is rebuilt is the same answer.
            assert_eq!(reply.url().as_str(), url);
            Ok(Reply::Reqwest(reply))
        }
    }
}
