//! The hash of a payload, resumed from the hash state of an earlier payload with the same start.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Minimum length of a payload, in bytes, for which a hash state is kept. Shorter payloads are hashed faster from the
/// start.
const MIN_RESUMED: usize = 16 * 1024;

/// The xxh3 state after hashing the first bytes of a payload. The hash of another payload with the same first bytes is
/// resumed from it.
#[derive(Clone)]
pub(super) struct PrefixHash {
    state: Box<Xxh3>,
    length: usize,
}

impl PrefixHash {
    /// Returns the number of bytes that the state has hashed.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

impl fmt::Debug for PrefixHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixHash").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Returns the xxh3-128 of a payload, and the hash state after its first `expected_prefix` bytes, with which the next
/// payload is expected to begin. `known` is the hash state of a prefix of this payload.
pub(super) fn hash(body: &[u8], known: Option<&PrefixHash>, expected_prefix: usize) -> (u128, Option<PrefixHash>) {
    if body.len() < MIN_RESUMED {
        return (xxh3_128(body), None);
    }
    let (mut state, done) = known.map_or_else(Default::default, |known| (known.state.clone(), known.length));
    let next = expected_prefix.clamp(done, body.len());
    state.update(&body[done..next]);
    let prefix_hash = PrefixHash { state: state.clone(), length: next };
    state.update(&body[next..]);
    (state.digest128(), Some(prefix_hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumed_hash_equals_the_hash_of_the_whole() {
        let body: Vec<u8> = (0..50_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut known = None;
        for (length, stays) in [(16_384, 0), (20_000, 19_999), (20_000, 50_000), (33_333, 1), (50_000, 50_000)] {
            let (hash, next) = hash(&body[..length], known.as_ref(), stays);
            assert_eq!(hash, xxh3_128(&body[..length]));
            known = next;
            assert!(known.as_ref().is_some_and(|known| (stays.min(length)..=length).contains(&known.length())));
        }
        assert!(hash(&body[..100], known.as_ref(), 100).1.is_none());
    }
}
