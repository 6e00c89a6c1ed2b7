//! Hashes by which content is compared: keyed, so that nobody can make two texts with one hash.

use std::hash::Hasher as _;
use std::sync::LazyLock;

use siphasher::sip128::{Hasher128, SipHasher13};

/// The key of this process. Hashes are compared within one process only and are never written, so that graphs do not
/// depend on it.
static KEY: LazyLock<[u8; 16]> = LazyLock::new(|| uuid::Uuid::new_v4().into_bytes());

/// A keyed hash of 128 bits of the bytes that it is given.
#[derive(Clone)]
pub(crate) struct KeyedHasher(SipHasher13);

impl KeyedHasher {
    /// Creates a hasher with the key of this process.
    pub(crate) fn new() -> Self {
        Self::with_key(&KEY)
    }

    fn with_key(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }

    /// Adds bytes to the hashed ones.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// Returns the hash of all bytes so far.
    pub(crate) fn digest(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

/// Returns the keyed hash of bytes.
pub(crate) fn keyed_hash(bytes: &[u8]) -> u128 {
    let mut hasher = KeyedHasher::new();
    hasher.update(bytes);
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_depends_on_the_bytes_and_on_the_key_alone() {
        let hash = |key: u8, parts: &[&[u8]]| {
            let mut hasher = KeyedHasher::with_key(&[key; 16]);
            parts.iter().for_each(|part| hasher.update(part));
            hasher.digest()
        };
        assert_eq!(hash(1, &[b"some text, in ", b"two parts"]), hash(1, &[b"some text, in two parts"]));
        assert_ne!(hash(1, &[b"some text"]), hash(2, &[b"some text"]));
        assert_ne!(hash(1, &[b"some text"]), hash(1, &[b"some test"]));
        assert_eq!(keyed_hash(b"some text"), keyed_hash(b"some text"));
    }
}
