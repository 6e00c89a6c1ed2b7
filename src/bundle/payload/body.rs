//! Bodies as a program hands them to a writer, and the buffer that they are encoded into.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::IgnoredAny;

use super::limits::Limits;
use super::oversize::{BUFFERED_END_BYTES, Oversize};
use crate::semconv;

/// A value that can be recorded as a payload: [`Json`], [`Exact`], or a type of the host program.
pub trait Body {
    /// Writes the body to `out`. Called once per recorded body, and never if recording is disabled.
    ///
    /// # Errors
    /// Returns [`BodyError`] with the reason if the body cannot be encoded. The bytes written so far are dropped, and
    /// the payload is `{"otel_trace.lost": reason}` instead.
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError>;
}

/// A body that is recorded as the JSON of a value, serialised once into one buffer.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Body for Json<'_, T> {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        serde_json::to_writer(out, self.0).map_err(BodyError::new)
    }
}

/// A body that is recorded byte for byte, as the program sent or received it.
///
/// Bytes that are not one JSON value (such as a stream of server-sent events) are stored in addition to the JSON
/// payload that an event must have: see `wire_payload` in [`event`](crate::event).
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a>(pub &'a [u8]);

impl Body for Exact<'_> {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        out.push(self.0);
        // `IgnoredAny` skips the contents of strings, so UTF-8 is validated separately.
        out.is_json = std::str::from_utf8(self.0).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        Ok(())
    }
}

impl<B: Body + ?Sized> Body for &B {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        (**self).encode(out)
    }
}

/// An error of [`Body::encode`]: the reason why a body could not be encoded.
#[derive(Debug)]
pub struct BodyError(String);

impl BodyError {
    /// Creates an error with the given reason.
    pub fn new(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot encode a body: {}", self.0)
    }
}

impl std::error::Error for BodyError {}

/// Capacity of the largest buffer that a thread keeps for its next body, in bytes.
const MAX_RETAINED_CAPACITY: usize = 1024 * 1024;

thread_local! {
    static BODY_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An in-memory buffer that a body is encoded into, through [`io::Write`]. The bytes are taken to be JSON, except for
/// those of [`Exact`], which are checked.
///
/// The buffer accepts any number of bytes. Of a body larger than [`Limits::body_bytes`], it holds only head, tail,
/// length and hash.
#[derive(Debug)]
pub struct BodyBuf {
    /// The whole body, or the head of an oversized body.
    pub(in crate::bundle) bytes: Vec<u8>,
    pub(in crate::bundle) is_json: bool,
    /// Maximum length of a body that is kept whole, in bytes. A longer body is oversized.
    max_bytes: usize,
    /// Tail, length and hash of an oversized body.
    pub(in crate::bundle) oversize: Option<Box<Oversize>>,
}

impl BodyBuf {
    /// Takes the buffer of the current thread. Allocates a new one if that buffer is in use, because encoding a body
    /// records another body, or if the thread is being destroyed.
    pub(in crate::bundle) fn take(limits: Limits) -> Self {
        let mut bytes = BODY_BUFFER.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        Self { bytes, is_json: true, max_bytes: limits.body_bytes.max(2 * BUFFERED_END_BYTES), oversize: None }
    }

    /// Creates a buffer from an encoded body, without a size limit.
    pub(crate) fn from_bytes(bytes: Vec<u8>, is_json: bool) -> Self {
        Self { bytes, is_json, max_bytes: usize::MAX, oversize: None }
    }

    /// Shrinks the memory of a body that will be held for some time: if more than half of the buffer is unused, copies
    /// the bytes to an allocation of their size and recycles the buffer.
    pub(in crate::bundle) fn into_compact(self) -> Self {
        if self.bytes.capacity() <= self.bytes.len().saturating_mul(2) {
            return self;
        }
        let Self { is_json, max_bytes, .. } = self;
        let bytes = self.bytes.as_slice().to_owned();
        self.recycle();
        Self { bytes, is_json, max_bytes, oversize: None }
    }

    fn push(&mut self, bytes: &[u8]) {
        match &mut self.oversize {
            None if bytes.len() <= self.max_bytes.saturating_sub(self.bytes.len()) => {
                self.bytes.extend_from_slice(bytes)
            }
            None => self.oversize = Some(Box::new(Oversize::new(&mut self.bytes, bytes))),
            Some(oversize) => oversize.push(bytes),
        }
    }

    /// Gives the allocation back to the current OS thread, which reuses it for its next body.
    pub(in crate::bundle) fn recycle(self) {
        if self.bytes.capacity() <= MAX_RETAINED_CAPACITY {
            // Fails in a thread that is being destroyed, which needs no buffer.
            let _ = BODY_BUFFER.try_with(|buffer| buffer.set(self.bytes));
        }
    }

    /// Encodes `body` into the buffer. If the encoding fails or panics, the buffer holds the reason instead.
    pub(in crate::bundle) fn encode(&mut self, body: &dyn Body) -> Result<(), BodyError> {
        let encoded = catch_unwind(AssertUnwindSafe(|| body.encode(self)))
            .unwrap_or_else(|panic| Err(BodyError(format!("`Body::encode` panicked: {}", panic_message(&*panic)))));
        if let Err(error) = &encoded {
            self.replace_with_loss(&error.0);
        }
        encoded
    }

    /// Replaces the contents with `{"otel_trace.lost": reason}`, which stands for a body that was lost.
    pub(in crate::bundle) fn replace_with_loss(&mut self, reason: &str) {
        self.bytes.clear();
        self.oversize = None;
        self.is_json = true;
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.bytes, &serde_json::json!({ (semconv::LOST): reason }));
    }

    /// Returns the bytes written so far; for a body above its size limit, only the head.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns `true` if the encoded body is one JSON value.
    pub fn is_json(&self) -> bool {
        self.is_json
    }
}

impl io::Write for BodyBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the message of a caught panic, or `"no message"` if the value passed to `panic!` is not a string.
pub(in crate::bundle) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
