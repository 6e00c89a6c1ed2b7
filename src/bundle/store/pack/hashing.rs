//! The hash of a body, from where that of an earlier one stood.

use std::fmt;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Below so many bytes it is faster to begin anew.
const WORTH_A_STATE: usize = 16 * 1024;

/// The hash of the beginning of a body, as far as it had come by then.
#[derive(Clone)]
pub(super) struct Beginning {
    state: Box<Xxh3>,
    length: usize,
}

impl Beginning {
    /// How many bytes it is of.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beginning").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The xxh3-128 of a body that begins as `known` says, and what is to be known for the next one, which is expected to
/// begin with the same `stays` bytes.
pub(super) fn hash(body: &[u8], known: Option<&Beginning>, stays: usize) -> (u128, Option<Beginning>) {
    if body.len() < WORTH_A_STATE {
        return (xxh3_128(body), None);
    }
    let (mut state, done) = known.map_or_else(Default::default, |known| (known.state.clone(), known.length));
    let next = stays.clamp(done, body.len());
    state.update(&body[done..next]);
    let beginning = Beginning { state: state.clone(), length: next };
    state.update(&body[next..]);
    (state.digest128(), Some(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_goes_on_the_hash_is_that_of_the_whole() {
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
