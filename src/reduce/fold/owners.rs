//! Whose each body is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::graph::Code;
use crate::reduce::decode::Body;

/// Bodies and the objects that they count for, one each: a producer observes every body once. Were one taken for many
/// objects, a small bundle could make a graph of any size.
pub(super) struct Owners<O>(HashMap<usize, O>);

pub(super) const TAKEN: &str = "it is the body of something else before";

impl<O> Default for Owners<O> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<O: PartialEq> Owners<O> {
    /// The body for this object, or why it has none: it can't be read, or is another's.
    pub(super) fn open<'b, T>(&mut self, owner: O, body: &'b Body<T>) -> Result<&'b T, (Code, &'b str)> {
        match body {
            Ok(body) if self.owns(owner, body) => Ok(body),
            Ok(_) => Err((Code::BadPayload, TAKEN)),
            Err(unread) => Err((unread.code, &unread.why)),
        }
    }

    /// Whether the body counts for this object: it is the first, or no other.
    pub(super) fn owns<T>(&mut self, owner: O, body: &Arc<T>) -> bool {
        match self.0.entry(Arc::as_ptr(body).addr()) {
            Entry::Vacant(unowned) => {
                unowned.insert(owner);
                true
            }
            Entry::Occupied(owned) => *owned.get() == owner,
        }
    }
}
