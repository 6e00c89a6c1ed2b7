//! Assigns each payload to one object.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::graph::Code;
use crate::reduce::decode::Payload;

/// The object that owns each payload. A producer writes one payload per object. If one payload counted for many
/// objects, a small bundle could produce a graph of any size.
pub(super) struct PayloadOwners<O>(HashMap<usize, O>);

/// The reason for a payload that cannot be used because it belongs to another object, as a clause.
pub(super) const ALREADY_USED: &str = "it already belongs to another object";

impl<O> Default for PayloadOwners<O> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<O: PartialEq> PayloadOwners<O> {
    /// Returns the payload for the object `owner`, and assigns it to that object. Returns the code and the reason of a
    /// diagnostic if the payload cannot be used or belongs to another object.
    pub(super) fn open<'b, T>(&mut self, owner: O, body: &'b Payload<T>) -> Result<&'b T, (Code, &'b str)> {
        match body {
            Ok(body) if self.try_claim(owner, body) => Ok(body),
            Ok(_) => Err((Code::BadPayload, ALREADY_USED)),
            Err(unusable) => Err((unusable.code, &unusable.reason)),
        }
    }

    /// Assigns the payload to the object `owner`. Returns `false` if it belongs to another object.
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
