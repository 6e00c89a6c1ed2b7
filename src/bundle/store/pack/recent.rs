//! A cache of payloads that were read recently, on which the next ones probably build.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum size of all cached payloads, in bytes.
const BUDGET: usize = 32 * 1024 * 1024;

/// Maximum number of cached payloads: this many agent threads can be read at once without evicting each other's
/// payloads.
const MAX_BODIES: usize = 32;

/// Recently read payloads with their offsets in the pack, from least to most recently used. Each was checked against
/// its hash.
#[derive(Debug, Default)]
pub(super) struct RecentBodies(Mutex<Vec<(u64, Arc<Vec<u8>>)>>);

impl RecentBodies {
    fn bodies(&self) -> MutexGuard<'_, Vec<(u64, Arc<Vec<u8>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the payload of the record at an offset, and marks it as used. Returns `None` if it is not cached.
    pub(super) fn get(&self, offset: u64) -> Option<Arc<Vec<u8>>> {
        let mut bodies = self.bodies();
        let index = bodies.iter().position(|(at, _)| *at == offset)?;
        let found = bodies.remove(index);
        let body = Arc::clone(&found.1);
        bodies.push(found);
        Some(body)
    }

    /// Adds a payload and evicts the least recently used ones. A payload of more than half the budget is not cached.
    pub(super) fn add(&self, offset: u64, body: &[u8]) {
        if body.len() > BUDGET / 2 {
            return;
        }
        let body = Arc::new(body.to_vec());
        let mut bodies = self.bodies();
        bodies.retain(|(at, _)| *at != offset);
        bodies.push((offset, body));
        let mut bytes = 0;
        let kept = bodies.iter().rev().take(MAX_BODIES).take_while(|(_, body)| {
            bytes += body.len();
            bytes <= BUDGET
        });
        let excess = bodies.len() - kept.count();
        bodies.drain(..excess);
    }
}
