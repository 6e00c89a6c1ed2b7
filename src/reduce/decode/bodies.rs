//! Reading bodies: each once, on every core.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZero;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::contents::Contents;
use crate::bundle::{PayloadError, Reader};
use crate::event::{PayloadRef, Truncated};
use crate::graph::Code;
use crate::reduce::Work;

pub(super) const NOT_AN_OBJECT: &str = "is not a JSON object";

/// What a kind of body says.
pub(super) trait Shape: Sized + Send + Sync {
    /// Whether what is wanted of it may be had though only the ends of the body were kept.
    const DOES_WITH_ENDS: bool = false;

    /// Reads a body, or says what it is instead.
    fn read(text: &str, contents: &Contents) -> Result<Self, String>;
}

/// A body that was read, or why it could not be.
pub(in crate::reduce) type Body<T> = Result<Arc<T>, Unread>;

/// Why a body could not be read.
#[derive(Debug, Clone)]
pub(in crate::reduce) struct Unread {
    pub(in crate::reduce) code: Code,
    pub(in crate::reduce) why: Arc<str>,
}

impl Unread {
    /// The body is there, and this is what is wrong with it.
    pub(super) fn of(reference: &PayloadRef, why: impl fmt::Display) -> Self {
        Self { code: Code::BadPayload, why: format!("payload {} {why}", reference.place()).into() }
    }
}

impl From<PayloadError> for Unread {
    fn from(bad: PayloadError) -> Self {
        let code = if bad.is_refused() { Code::RefusedPath } else { Code::BadPayload };
        Self { code, why: bad.to_string().into() }
    }
}

/// So many bodies take longer to read than a thread to start.
const WORTH_A_THREAD: usize = 8;

/// Where a body is. However a path is spelled, a file is read once.
pub(super) type Location = (PathBuf, Option<u64>, Option<u64>);

pub(super) fn location(reference: &PayloadRef) -> Location {
    // Without `.` steps; one that climbs is refused, whatever it leads to.
    let path = Path::new(&reference.path).components().filter(|step| *step != Component::CurDir).collect();
    (path, reference.offset, reference.length)
}

/// Bodies of one shape that rules will open.
pub(super) struct Wanted<T> {
    places: HashMap<Location, usize>,
    references: Vec<PayloadRef>,
    shape: std::marker::PhantomData<T>,
}

impl<T> Default for Wanted<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), references: Vec::new(), shape: std::marker::PhantomData }
    }
}

impl<T: Shape> Wanted<T> {
    pub(super) fn add(&mut self, reference: &PayloadRef) {
        self.places.entry(location(reference)).or_insert_with(|| {
            self.references.push(reference.clone());
            self.references.len() - 1
        });
    }

    /// Reads them all.
    pub(super) fn read(self, bundle: &Reader, contents: &Contents, work: &mut Work) -> Bodies<T> {
        let bytes = AtomicU64::new(0);
        let bodies = on_every_core(&self.references, |reference| {
            let body = bundle.payload(reference)?;
            bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            let unread = |why| Unread::of(reference, why);
            let text = str::from_utf8(&body).map_err(|_| unread("is not UTF-8".to_owned()))?;
            match reference.truncated.as_deref() {
                Some(whole) if !T::DOES_WITH_ENDS => Err(unread(cut(whole))),
                Some(_) | None => T::read(text, contents).map(Arc::new).map_err(unread),
            }
        });
        work.payloads += bodies.len() as u64;
        work.payload_bytes += bytes.into_inner();
        Bodies { places: self.places, bodies }
    }
}

/// What is wrong with a body of which not all was kept.
fn cut(whole: &Truncated) -> String {
    format!("has only the ends of {} bytes, which were beyond a limit when it was recorded", whole.length)
}

/// Bodies of one shape.
pub(super) struct Bodies<T> {
    places: HashMap<Location, usize>,
    bodies: Vec<Body<T>>,
}

impl<T> Bodies<T> {
    /// Whether the body at this place is one of them, and why it can't be used, if it can't.
    pub(super) fn look(&self, place: &Location) -> Option<Option<&Unread>> {
        Some(self.bodies.get(*self.places.get(place)?)?.as_ref().err())
    }

    pub(super) fn get(&self, reference: &PayloadRef) -> Body<T> {
        let body = self.places.get(&location(reference)).and_then(|&place| self.bodies.get(place));
        body.cloned().unwrap_or_else(|| Err(Unread { code: Code::BadPayload, why: "it was not read".into() }))
    }
}

/// `work` on every input, on every core, the results in order of the inputs.
pub(super) fn on_every_core<I: Sync, O: Send>(inputs: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(inputs.len() / WORTH_A_THREAD);
    if cores < 2 {
        return inputs.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(place) else { return done };
            done.push((place, work(input)));
        }
    };
    let mut outputs = Vec::with_capacity(inputs.len());
    thread::scope(|scope| {
        // Where a thread can't be made, this one does its share.
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
    outputs.sort_unstable_by_key(|&(place, _)| place);
    outputs.into_iter().map(|(_, output)| output).collect()
}
