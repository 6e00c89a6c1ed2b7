//! Assigns each payload to one object.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::graph::Code;
use crate::reduce::decode::Payload;

/// The owner of each payload. A producer writes one payload per object; if one payload counted for many objects, a
/// small bundle could produce a graph of any size.
pub(super) struct PayloadOwners<O>(HashMap<usize, O>);

/// Reason for a payload that already belongs to another object.
pub(super) const ALREADY_USED: &str = "it already belongs to another object";

impl<O> Default for PayloadOwners<O> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<O: PartialEq> PayloadOwners<O> {
    /// Returns the payload for this object. Returns the code and the reason if it cannot be used or belongs to another
    /// object.
    pub(super) fn open<'b, T>(&mut self, owner: O, body: &'b Payload<T>) -> Result<&'b T, (Code, &'b str)> {
        match body {
            Ok(body) if self.try_claim(owner, body) => Ok(body),
            Ok(_) => Err((Code::BadPayload, ALREADY_USED)),
            Err(unusable) => Err((unusable.code, &unusable.reason)),
        }
    }

    /// Assigns the payload to this object. Returns `false` if it belongs to another one.
    pub(super) fn try_claim<T>(&mut self, owner: O, body: &Arc<T>) -> bool {
        match self.0.entry(Arc::as_ptr(body).addr()) {
            Entry::Vacant(vacant) => {
                vacant.insert(owner);
                true
            }
            Entry::Occupied(occupied) => *occupied.get() == owner,
        }
    }
}
