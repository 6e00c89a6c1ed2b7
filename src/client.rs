//! Middlewares for HTTP clients: the bodies of a model's calls as they really went over the wire, byte for byte.
//!
//! | feature | middleware for | use it with |
//! | --- | --- | --- |
//! | `tower` | any `tower` service of `http` requests: hyper, a reqwest client behind `service_fn` | [`RecordExchange`] as a `tower_layer::Layer` |
//! | `reqwest` | reqwest 0.13 | [`RecordExchange`] as a `reqwest_middleware::Middleware` |
//!
//! Each exchange is recorded for the nearest inference call, or request to compact, that the current span is or is in:
//! instrument the future that sends with the span of its handle. Where there is none, nothing is buffered and the request
//! passes as it is.
//!
//! The request starts the call and is its body. The body of a response that is one JSON value is the call's response. A
//! stream of events is kept as `wire_payload`, beside the response that the program makes of it. What an HTTP status that
//! says failure came with is a `wire_payload` too. With [`RecordExchange::chunks`] each piece of a stream is also written as
//! it comes, so that a run killed in the middle of one has what had arrived.
//!
//! The bytes are those that the client hands on: one that undoes a compression itself, as reqwest does with its features
//! `gzip`, `brotli`, `deflate` and `zstd`, hands on what was in it.
//!
//! Headers are not recorded, but for the provider's id of the request. An [`Exchange`] can be used by any other client.

mod body;
mod middleware;
#[cfg(feature = "reqwest")]
mod reqwest;
mod tape;
#[cfg(feature = "tower")]
mod tower;

pub use body::RecordedBody;
pub use middleware::RecordExchange;
#[cfg(feature = "tower")]
pub use tower::RecordService;

#[cfg(doc)]
use crate::Exchange;
