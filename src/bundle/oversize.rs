//! Bodies that are too large to be held in memory: head, tail, length and hash.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// Maximum size of the head, and of the tail, that the payload of an oversized body keeps, in bytes.
pub(super) const END_BYTES: usize = 64 * 1024;

/// Number of bytes of head and tail that are held in memory, each. It is more than [`END_BYTES`], so that the masking
/// finds a secret that extends across the end of the part that is kept.
pub(super) const BUFFERED_END_BYTES: usize = 2 * END_BYTES;

/// Tail, length and hash of an oversized body. Its head stays in the buffer of the body.
pub(super) struct Oversize {
    /// Length of the whole body so far, in bytes.
    length: u64,
    /// Hash of the whole body so far.
    hash: Xxh3,
    /// The last bytes of the body: at least [`BUFFERED_END_BYTES`], and at most twice as many.
    pub(super) tail: Vec<u8>,
}

impl Oversize {
    /// Creates the state for an oversized body that consists of `bytes` followed by `more`. Leaves only the head in
    /// `bytes`.
    pub(super) fn new(bytes: &mut Vec<u8>, more: &[u8]) -> Self {
        let missing = BUFFERED_END_BYTES.saturating_sub(bytes.len()).min(more.len());
        let (head, rest) = more.split_at(missing);
        bytes.extend_from_slice(head);
        let mut oversize = Self { length: 0, hash: Xxh3::new(), tail: Vec::new() };
        oversize.push(bytes);
        oversize.push(rest);
        bytes.truncate(BUFFERED_END_BYTES);
        bytes.shrink_to(BUFFERED_END_BYTES);
        oversize
    }

    /// Appends bytes to the body, and drops the oldest bytes of the tail if it has become too long.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        if bytes.len() >= BUFFERED_END_BYTES {
            self.tail.clear();
        } else if self.tail.len() + bytes.len() > 2 * BUFFERED_END_BYTES {
            self.tail.drain(..self.tail.len() + bytes.len() - BUFFERED_END_BYTES);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(BUFFERED_END_BYTES)..]);
    }

    /// Returns the length in bytes and the xxh3-128 hash of the whole body, as it was before it was masked.
    pub(super) fn length_and_hash(&self) -> (u64, u128) {
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
    fn head_tail_length_and_hash_do_not_depend_on_the_chunks() {
        let whole: Vec<u8> =
            (0..10 * BUFFERED_END_BYTES as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for first in [0, 1, BUFFERED_END_BYTES - 1, BUFFERED_END_BYTES, 3 * BUFFERED_END_BYTES, whole.len() - 1] {
            let steps = [7_919, BUFFERED_END_BYTES - 1, BUFFERED_END_BYTES, 5 * BUFFERED_END_BYTES, whole.len()];
            // A smaller body is not oversized.
            let is_oversize = |step: &usize| first + step.min(&(whole.len() - first)) > 2 * BUFFERED_END_BYTES;
            for step in steps.into_iter().filter(is_oversize) {
                let mut bytes = whole[..first].to_vec();
                let mut pieces = whole[first..].chunks(step);
                let mut oversize = Oversize::new(&mut bytes, pieces.next().expect("one"));
                pieces.for_each(|piece| oversize.push(piece));
                assert_eq!(oversize.length_and_hash(), (whole.len() as u64, xxh3_128(&whole)), "{first} {step}");
                assert!(
                    oversize.tail.len() >= BUFFERED_END_BYTES && oversize.tail.len() <= 2 * BUFFERED_END_BYTES,
                    "{first} {step}"
                );
                assert!(whole.ends_with(&oversize.tail), "{first} {step}");
                assert!(bytes.len() <= BUFFERED_END_BYTES && whole.starts_with(&bytes), "{first} {step}");
            }
        }
    }
}
