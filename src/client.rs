//! Middlewares for HTTP clients that record the requests and responses of inference calls byte for byte, as they were
//! sent and received.
//!
//! | feature | middleware for | use it with |
//! | --- | --- | --- |
//! | `tower` | any `tower` service of `http` requests: hyper, a reqwest client behind `service_fn` | [`RecordExchange`] as a `tower_layer::Layer` |
//! | `reqwest` | reqwest 0.13 | [`RecordExchange`] as a `reqwest_middleware::Middleware` |
//!
//! Each exchange is recorded for the nearest inference call or compaction request at or above the current span:
//! instrument the future that sends the request with the span of the call's handle. Without such a call nothing is
//! buffered, and the request passes through unchanged.
//!
//! Sending the request starts the call, and its body becomes the request of the call. A response body that is one JSON
//! value becomes the response of the call. A stream of events is kept as `wire_payload`; the reducer puts the response
//! together unless the program records the one that it assembles. The body of an HTTP error response is a `wire_payload`
//! too, and its call fails with the status unless the program ends it otherwise. With [`RecordExchange::chunks`] each chunk of a stream is also written as it arrives, so that a run that is killed
//! during a stream keeps the part of the response received so far.
//!
//! The recorded bytes are those that the client passes on. A client that decompresses responses itself, like reqwest
//! with its features `gzip`, `brotli`, `deflate` and `zstd`, passes on the decompressed bytes.
//!
//! A middleware that retries must be outside of this one, so that each request passes it: each is an attempt, a call of its
//! own in the same span. An earlier attempt fails with the HTTP status of its response, or is cancelled without one. What the
//! span and its handle report belongs to the attempt that was answered, otherwise to the latest one. A stream that ends without
//! the last event of its API is no answer: its call is cancelled, unless the program records the response or ends the call.
//!
//! Headers are not recorded, except for the provider's id of the request. Other HTTP clients can use an [`Exchange`]
//! directly.

mod body;
mod middleware;
#[cfg(feature = "reqwest")]
mod reqwest;
mod response_recorder;
#[cfg(feature = "tower")]
mod tower;

pub use body::RecordedBody;
pub use middleware::RecordExchange;
#[cfg(feature = "tower")]
pub use tower::RecordService;

#[cfg(doc)]
use crate::Exchange;
