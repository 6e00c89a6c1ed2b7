//! Copies of bundles: with their payloads in another store ([`convert`]), or without their secrets ([`Redaction`]).
//!
//! A copy appears under its name when it is complete. Data that this version cannot parse is copied, not dropped.

mod convert;
mod destination;
mod redact;

pub use convert::{Converted, Unconverted, convert};
pub use redact::{Redacted, Redaction};
