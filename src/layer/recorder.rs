//! The recording that users configure, hold and end, and what all rooms of the layer share with it.

pub(super) mod builder;
pub(super) mod environment;
pub(super) mod filter;
pub(super) mod guard;
pub(super) mod inner;
pub(crate) mod live;
pub(super) mod reentrancy;
pub(crate) mod stderr;
