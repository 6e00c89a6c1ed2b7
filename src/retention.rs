//! Retention: which bundles under a root directory are in use, and which of the others are removed.
//!
//! A recorder has one [`RootRetention`]. Whenever it creates a bundle, the bundle is claimed before its directory
//! appears, and the oldest other bundles are removed in a thread of their own.

mod in_use;
mod pruning;
mod root_retention;

pub(crate) use root_retention::RootRetention;
