//! Bodies that were read lately: the next ones build on them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes are held at most.
const BUDGET: usize = 32 * 1024 * 1024;

/// How many bodies are held at most: so many threads may be read at once without one pushing another out.
const MOST: usize = 32;

/// Bodies by their offsets, each of them checked against its hash.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Vec<(u64, Arc<Vec<u8>>)>>);

impl Recent {
    fn bodies(&self) -> MutexGuard<'_, Vec<(u64, Arc<Vec<u8>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, offset: u64) -> Option<Arc<Vec<u8>>> {
        let mut bodies = self.bodies();
        let place = bodies.iter().position(|(at, _)| *at == offset)?;
        let found = bodies.remove(place);
        let body = Arc::clone(&found.1);
        bodies.push(found);
        Some(body)
    }

    /// Holds a body. Those that were not asked for the longest make room.
    pub(super) fn add(&self, offset: u64, body: &[u8]) {
        if body.len() > BUDGET / 2 {
            return;
        }
        let body = Arc::new(body.to_vec());
        let mut bodies = self.bodies();
        bodies.retain(|(at, _)| *at != offset);
        bodies.push((offset, body));
        let mut bytes = 0;
        let kept = bodies.iter().rev().take(MOST).take_while(|(_, body)| {
            bytes += body.len();
            bytes <= BUDGET
        });
        let excess = bodies.len() - kept.count();
        bodies.drain(..excess);
    }
}
