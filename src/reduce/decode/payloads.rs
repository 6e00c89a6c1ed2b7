//! Reads payloads in parallel, each once, and decodes them.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::item_cache::ItemCache;
use crate::bundle::{PayloadError, Reader};
use crate::event::{PayloadRef, Truncated};
use crate::graph::Code;
use crate::reduce::Work;

/// The reason for a payload that is not a JSON object, as a clause.
pub(super) const NOT_AN_OBJECT: &str = "is not a JSON object";

/// A type that payloads of one kind are decoded to.
pub(super) trait PayloadShape: Sized + Send + Sync {
    /// Parses the JSON of a payload.
    ///
    /// # Errors
    /// Returns the reason as a clause that follows the payload's location: "is not …", "has no …".
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String>;

    /// Parses the bytes of a payload.
    ///
    /// # Errors
    /// Returns the reason as a clause that follows the payload's location: "is not …", "has no …".
    fn parse_bytes(bytes: &[u8], cache: &ItemCache) -> Result<Self, String> {
        Self::parse(text_of(bytes)?, cache)
    }

    /// Parses the JSON that was stored in place of a payload that was truncated to head and tail.
    ///
    /// # Errors
    /// Returns `unusable` if the payload cannot be used without its middle.
    fn parse_truncated(_text: &str, _cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        Err(unusable)
    }
}

/// Returns the bytes of a payload as text.
///
/// # Errors
/// Returns the reason as a clause if they are not UTF-8.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, &'static str> {
    str::from_utf8(bytes).map_err(|_| "is not UTF-8")
}

/// A decoded payload, or the reason why it cannot be used.
pub(in crate::reduce) type Payload<T> = Result<Arc<T>, UnusablePayload>;

/// The reason why a payload cannot be used, with the code of the diagnostic for it.
#[derive(Debug, Clone)]
pub(in crate::reduce) struct UnusablePayload {
    pub(in crate::reduce) code: Code,
    pub(in crate::reduce) reason: Arc<str>,
}

impl UnusablePayload {
    /// Creates the error of a payload that exists but cannot be used. `reason` is a clause that follows the payload's
    /// location.
    pub(super) fn new(reference: &PayloadRef, reason: impl fmt::Display) -> Self {
        Self { code: Code::BadPayload, reason: format!("payload {} {reason}", reference.location()).into() }
    }
}

impl From<PayloadError> for UnusablePayload {
    fn from(bad: PayloadError) -> Self {
        let code = if bad.is_refused() { Code::RefusedPath } else { Code::BadPayload };
        Self { code, reason: bad.to_string().into() }
    }
}

/// Minimum number of payloads per thread. Reading fewer takes less time than starting a thread.
const MIN_PAYLOADS_PER_THREAD: usize = 8;

/// The location of a payload: path, offset and length. Paths are normalized, so that a file is read once however its
/// path is spelled.
pub(super) type PayloadLocation = (PathBuf, Option<u64>, Option<u64>);

/// Returns the location that a payload reference names.
pub(super) fn location(reference: &PayloadRef) -> PayloadLocation {
    // Drop `.` components only: a path with `..` is refused later, wherever it leads.
    let path = Path::new(&reference.path).components().filter(|step| *step != Component::CurDir).collect();
    (path, reference.offset, reference.length)
}

/// The payloads that are still to be read, of one type.
pub(super) struct PendingPayloads<T> {
    by_location: HashMap<PayloadLocation, usize>,
    references: Vec<PayloadRef>,
    shape: std::marker::PhantomData<T>,
}

impl<T> Default for PendingPayloads<T> {
    fn default() -> Self {
        Self { by_location: HashMap::new(), references: Vec::new(), shape: std::marker::PhantomData }
    }
}

impl<T> PendingPayloads<T> {
    /// Adds a payload, unless one at the same location was added before.
    pub(super) fn add(&mut self, reference: &PayloadRef) {
        self.by_location.entry(location(reference)).or_insert_with(|| {
            self.references.push(reference.clone());
            self.references.len() - 1
        });
    }

    /// Reads and decodes all payloads that were added. `parse` decodes the bytes of a payload, `parse_truncated` the text
    /// that was stored in place of a truncated one.
    pub(super) fn decode_all_with(
        self,
        bundle: &Reader,
        work: &mut Work,
        parse: impl Fn(&PayloadRef, &[u8]) -> Result<T, String> + Sync,
        parse_truncated: impl Fn(&str, UnusablePayload) -> Result<T, UnusablePayload> + Sync,
    ) -> PayloadSet<T>
    where
        T: Send + Sync,
    {
        let bytes = AtomicU64::new(0);
        let payloads = parallel_map(&self.references, |reference| {
            let payload = bundle.payload(reference)?;
            bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
            let unusable = |reason| UnusablePayload::new(reference, reason);
            let parsed = match reference.truncated.as_deref() {
                Some(truncated) => {
                    let unusable = unusable(truncated_reason(truncated));
                    match text_of(&payload) {
                        Ok(text) => parse_truncated(text, unusable),
                        Err(_) => Err(unusable),
                    }
                }
                None => parse(reference, &payload).map_err(unusable),
            };
            parsed.map(Arc::new)
        });
        work.payloads += payloads.len() as u64;
        work.payload_bytes += bytes.into_inner();
        PayloadSet { by_location: self.by_location, payloads }
    }
}

impl<T: PayloadShape> PendingPayloads<T> {
    /// Reads and decodes all payloads that were added.
    pub(super) fn decode_all(self, bundle: &Reader, cache: &ItemCache, work: &mut Work) -> PayloadSet<T> {
        let parse_truncated = |text: &str, unusable| T::parse_truncated(text, cache, unusable);
        self.decode_all_with(bundle, work, |_, bytes| T::parse_bytes(bytes, cache), parse_truncated)
    }
}

/// Returns the reason why a payload of which only head and tail were stored cannot be used.
pub(super) fn truncated_reason(truncated: &Truncated) -> String {
    format!("is truncated to head and tail: its {} bytes exceeded a limit when it was recorded", truncated.length)
}

/// The decoded payloads of one type, by location.
pub(super) struct PayloadSet<T> {
    by_location: HashMap<PayloadLocation, usize>,
    payloads: Vec<Payload<T>>,
}

impl<T> PayloadSet<T> {
    /// Returns the outcome of decoding the payload at a location. Returns `None` if it was not read, and `Some(None)`
    /// if it was decoded.
    pub(super) fn lookup(&self, location: &PayloadLocation) -> Option<Option<&UnusablePayload>> {
        Some(self.payloads.get(*self.by_location.get(location)?)?.as_ref().err())
    }

    /// Returns the payloads that were decoded.
    pub(super) fn decoded(&self) -> impl Iterator<Item = &T> {
        self.payloads.iter().flatten().map(|payload| &**payload)
    }

    /// Returns the decoded payload of a reference. Returns an error if the payload was not read or could not be
    /// decoded.
    pub(super) fn get(&self, reference: &PayloadRef) -> Payload<T> {
        let payload = self.by_location.get(&location(reference)).and_then(|&index| self.payloads.get(index));
        payload
            .cloned()
            .unwrap_or_else(|| Err(UnusablePayload { code: Code::BadPayload, reason: "it was not read".into() }))
    }
}

/// Applies `work` to every input in parallel threads, and returns the results in order of the inputs.
///
/// # Panics
/// Panics if `work` panics.
pub(super) fn parallel_map<I: Sync, O: Send>(inputs: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(inputs.len() / MIN_PAYLOADS_PER_THREAD);
    if cores < 2 {
        return inputs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index) else { return done };
            done.push((index, work(input)));
        }
    };
    let mut outputs = Vec::with_capacity(inputs.len());
    thread::scope(|scope| {
        // If a thread cannot be spawned, the current thread does its share.
        let workers: Vec<_> =
            (1..cores).map_while(|_| thread::Builder::new().spawn_scoped(scope, worker).ok()).collect();
        outputs.extend(worker());
        for worker in workers {
            match worker.join() {
                Ok(done) => outputs.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    outputs.sort_unstable_by_key(|&(index, _)| index);
    outputs.into_iter().map(|(_, output)| output).collect()
}
