//! Payloads before they are stored: what a program gives to be recorded ([`Body`]), its bytes ([`BodyBuf`]) and their
//! truncation ([`Limits`]).

mod body;
mod limits;
mod oversize;
mod ready_body;
mod truncation;

pub(in crate::bundle) use body::panic_message;
pub use body::{Body, BodyBuf, BodyError, Exact, Json};
pub use limits::Limits;
pub(crate) use ready_body::ReadyBody;
