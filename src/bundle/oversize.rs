//! A body that is too large to be held: its ends, its length and its hash.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// The most that is kept of each end of a body that is too large, in bytes.
pub(super) const END_BYTES: usize = 64 * 1024;

/// The most that is held of each end, in bytes: more than is kept, so that what is to be masked is seen whole where it
/// lies across the cut.
pub(super) const PIECE_BYTES: usize = 2 * END_BYTES;

/// What follows the head of a body.
pub(super) struct Oversize {
    length: u64,
    hash: Xxh3,
    /// The last bytes, [`PIECE_BYTES`] of them or up to twice as many.
    pub(super) tail: Vec<u8>,
}

impl Oversize {
    /// The body is `bytes` and `more`. Only its head stays in `bytes`.
    pub(super) fn begin(bytes: &mut Vec<u8>, more: &[u8]) -> Self {
        let missing = PIECE_BYTES.saturating_sub(bytes.len()).min(more.len());
        let (head, rest) = more.split_at(missing);
        bytes.extend_from_slice(head);
        let mut oversize = Self { length: 0, hash: Xxh3::new(), tail: Vec::new() };
        oversize.push(bytes);
        oversize.push(rest);
        bytes.truncate(PIECE_BYTES);
        bytes.shrink_to(PIECE_BYTES);
        oversize
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        if bytes.len() >= PIECE_BYTES {
            self.tail.clear();
        } else if self.tail.len() + bytes.len() > 2 * PIECE_BYTES {
            self.tail.drain(..self.tail.len() + bytes.len() - PIECE_BYTES);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(PIECE_BYTES)..]);
    }

    /// Length in bytes and xxh3-128 of the whole body, as it was given.
    pub(super) fn whole(&self) -> (u64, u128) {
        (self.length, self.hash.digest128())
    }
}

impl fmt::Debug for Oversize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oversize").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    #[test]
    fn whatever_the_pieces_head_tail_length_and_hash_are_those_of_the_whole() {
        let whole: Vec<u8> =
            (0..10 * PIECE_BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for first in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, 3 * PIECE_BYTES, whole.len() - 1] {
            let steps = [7_919, PIECE_BYTES - 1, PIECE_BYTES, 5 * PIECE_BYTES, whole.len()];
            // A body that is not so large yet is held whole.
            let is_oversize = |step: &usize| first + step.min(&(whole.len() - first)) > 2 * PIECE_BYTES;
            for step in steps.into_iter().filter(is_oversize) {
                let mut bytes = whole[..first].to_vec();
                let mut pieces = whole[first..].chunks(step);
                let mut oversize = Oversize::begin(&mut bytes, pieces.next().expect("one"));
                pieces.for_each(|piece| oversize.push(piece));
                assert_eq!(oversize.whole(), (whole.len() as u64, xxh3_128(&whole)), "{first} {step}");
                assert!(oversize.tail.len() >= PIECE_BYTES && oversize.tail.len() <= 2 * PIECE_BYTES, "{first} {step}");
                assert!(whole.ends_with(&oversize.tail), "{first} {step}");
                assert!(bytes.len() <= PIECE_BYTES && whole.starts_with(&bytes), "{first} {step}");
            }
        }
    }
}
