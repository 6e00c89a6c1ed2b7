//! Bodies on their way in: how a program hands one over, and the buffer it is written into.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde::de::IgnoredAny;

use super::Limits;
use super::oversize::{Oversize, PIECE_BYTES};

/// Something that can be recorded as a payload: [`Json`], [`Exact`], or a type of the program's own.
pub trait Body {
    /// Writes the body, once. Not called where nobody records.
    ///
    /// # Errors
    /// [`BodyError`] says why it can't be written. What was written until then is dropped, and a body that says so is
    /// kept in its place.
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError>;
}

/// A value that is recorded as its JSON, serialised once, into one buffer.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Body for Json<'_, T> {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        serde_json::to_writer(out, self.0).map_err(BodyError::new)
    }
}

/// Bytes as a program sent or received them, kept byte for byte. Bytes that are not one JSON value (a stream of
/// events, say) are kept beside the payload that an event must have: see `wire_payload` in [`event`](crate::event).
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a>(pub &'a [u8]);

impl Body for Exact<'_> {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        out.push(self.0);
        // What is ignored is not looked at closely: that it is UTF-8 must be asked for.
        out.is_json = std::str::from_utf8(self.0).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        Ok(())
    }
}

impl<B: Body + ?Sized> Body for &B {
    fn encode(&self, out: &mut BodyBuf) -> Result<(), BodyError> {
        (**self).encode(out)
    }
}

/// Why a body could not be written.
#[derive(Debug)]
pub struct BodyError(String);

impl BodyError {
    /// An error with this reason.
    pub fn new(reason: impl ToString) -> Self {
        Self(reason.to_string())
    }
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a body could not be serialised: {}", self.0)
    }
}

impl std::error::Error for BodyError {}

/// The largest buffer that a thread keeps for its next body, in bytes.
const KEPT_CAPACITY: usize = 1024 * 1024;

thread_local! {
    static KEPT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One body, in memory. What is written to it is JSON, unless [`Exact`] found otherwise.
///
/// It takes any number of bytes. Of what is beyond its limit, only both ends, the length and the hash are kept.
#[derive(Debug)]
pub struct BodyBuf {
    /// All of the body, or its head.
    pub(super) bytes: Vec<u8>,
    pub(super) is_json: bool,
    /// The most bytes that are kept whole.
    most: usize,
    /// What follows the head of a body that has more.
    pub(super) oversize: Option<Box<Oversize>>,
}

impl BodyBuf {
    /// This thread's buffer, or a new one where that is in use (a body that records bodies) or the thread is ending.
    pub(super) fn take(limits: Limits) -> Self {
        let mut bytes = KEPT.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        Self { bytes, is_json: true, most: limits.body_bytes.max(2 * PIECE_BYTES), oversize: None }
    }

    /// A body that is there already.
    pub(super) fn of(bytes: Vec<u8>, is_json: bool) -> Self {
        Self { bytes, is_json, most: usize::MAX, oversize: None }
    }

    /// A copy of a body of so many bytes would be cheaper to keep than this buffer: gives the copy, and the buffer back.
    pub(super) fn into_compact(self) -> Self {
        if self.bytes.capacity() <= self.bytes.len().saturating_mul(2) {
            return self;
        }
        let Self { is_json, most, .. } = self;
        let bytes = self.bytes.as_slice().to_owned();
        self.give_back();
        Self { bytes, is_json, most, oversize: None }
    }

    fn push(&mut self, bytes: &[u8]) {
        match &mut self.oversize {
            None if bytes.len() <= self.most.saturating_sub(self.bytes.len()) => self.bytes.extend_from_slice(bytes),
            None => self.oversize = Some(Box::new(Oversize::begin(&mut self.bytes, bytes))),
            Some(oversize) => oversize.push(bytes),
        }
    }

    pub(super) fn give_back(self) {
        if self.bytes.capacity() <= KEPT_CAPACITY {
            // A thread that is ending keeps nothing.
            let _ = KEPT.try_with(|kept| kept.set(self.bytes));
        }
    }

    /// Fills the buffer with `body`. A body that errs or panics leaves the reason in its place.
    pub(super) fn encode(&mut self, body: &dyn Body) -> Result<(), BodyError> {
        let encoded = catch_unwind(AssertUnwindSafe(|| body.encode(self)))
            .unwrap_or_else(|panic| Err(BodyError(format!("its encoding panicked: {}", message_of(&*panic)))));
        if let Err(error) = &encoded {
            self.replace_by_loss(&error.0);
        }
        encoded
    }

    /// Drops what is there and says why instead.
    pub(super) fn replace_by_loss(&mut self, reason: &str) {
        self.bytes.clear();
        self.oversize = None;
        self.is_json = true;
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.bytes, &serde_json::json!({ "otel_trace.lost": reason }));
    }

    /// The body as it stands; only its head where it is beyond its limit.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the body is one JSON value.
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

/// What a panic said.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
