//! Setting up a recording.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fmt, io};

use super::parent::Source;
use super::recorder::Inner;
use super::reentrancy::{call_out, is_ignoring, while_calling_out};
use super::{Recorder, RecorderGuard};
use crate::bundle::{Disk, Durability, InUse, Limits, Loss, Masking, Redactor, Store, StoreNameError, WriterOptions};
use crate::event::PayloadKind;

/// The environment variable that names the directory of bundles and thereby turns recording on.
pub const ROOT_VARIABLE: &str = "OTEL_TRACE_ROOT";

/// The environment variable that says how bodies are kept, `files` or `pack`, where the program does not.
pub const STORE_VARIABLE: &str = "OTEL_TRACE_STORE";

/// A recorder to be set up. Made by [`Recorder::builder`].
#[derive(Debug, Default)]
#[must_use = "nothing is recorded until `build`"]
pub struct RecorderBuilder {
    root: Option<PathBuf>,
    parent: Source,
    store: Option<Store>,
    options: WriterOptions,
}

impl RecorderBuilder {
    /// The directory that bundles are made in. Without it `OTEL_TRACE_ROOT` says.
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.root = Some(directory.into());
        self
    }

    /// Says which agent spawned this process, where it was not told by `OTEL_TRACE_PARENT`: what
    /// [`ChildProcess::parent`](super::ChildProcess::parent) gave to it.
    pub fn parent(mut self, value: impl Into<String>) -> Self {
        self.parent = Source::Said(value.into());
        self
    }

    /// Records a run of its own, whatever `OTEL_TRACE_PARENT` says.
    pub fn no_parent(mut self) -> Self {
        self.parent = Source::Nowhere;
        self
    }

    /// What is masked in bodies and in what events say, before it reaches the disk. [`Masking::new`] unless it is set:
    /// authorization headers, cookies, passwords and their like. [`Masking::patterns`] masks whatever looks like a
    /// credential, [`Masking::off`] nothing.
    pub fn mask(mut self, masking: Masking) -> Self {
        self.options.masking = Arc::new(masking);
        self
    }

    /// Takes out what only the program knows, before the rest is [masked](Self::mask). What the redactor itself does is
    /// not recorded.
    pub fn redact(mut self, redact: impl Redactor + 'static) -> Self {
        self.options.redact = Some(Arc::new(Ignored(redact)));
        self
    }

    /// How large a body, a bundle, and all bundles together may be.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// How much of the recording survives what. `Durability::PageCache` unless set: the death of the process.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Records to this disk.
    #[cfg(test)]
    pub(crate) fn disk(mut self, disk: impl Disk + 'static) -> Self {
        self.options.disk = Arc::new(disk);
        self
    }

    /// How bodies are kept. Without it `OTEL_TRACE_STORE` says, `files` or `pack`, and else it is [`Store::Files`].
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Tells of each loss, in the thread it happens in. Without it the guard says on stderr what was lost, once.
    /// What the callback itself does is not recorded, but for the ends of what was begun before it, and a loss that
    /// it causes is counted and not told.
    pub fn on_loss(mut self, on_loss: impl Fn(&Loss) + Send + Sync + 'static) -> Self {
        let on_loss = Arc::new(on_loss);
        self.options.on_loss = Some(Arc::new(move |loss: &Loss| {
            if is_ignoring() {
                return;
            }
            let (on_loss, loss) = (Arc::clone(&on_loss), loss.clone());
            // It may run later and elsewhere on the stack, so its panics end here.
            call_out(move || drop(catch_unwind(AssertUnwindSafe(|| while_calling_out(|| on_loss(&loss))))));
        }));
        self
    }

    /// Starts recording. The recording ends when the guard is dropped.
    ///
    /// Where `OTEL_TRACE_PARENT` names an agent in another process, every bundle names it as its parent, and the first
    /// root thread has the id that the parent made for it, unless the program names the thread. A value that can't be
    /// read is told on stderr, once, and is as none.
    ///
    /// # Errors
    /// [`BuildError`] where no directory is named, or it can't be made or written, or `OTEL_TRACE_STORE` names no store.
    pub fn build(mut self) -> Result<(Recorder, RecorderGuard), BuildError> {
        self.options.store = self.store.map_or_else(store_of_env, Ok)?;
        let named = self.root.or_else(root_of_env);
        let root = named.ok_or_else(BuildError::unnamed)?;
        let fail = |doing| {
            let root = root.clone();
            move |error| BuildError::new(&root, doing, Some(error))
        };
        let root = std::path::absolute(&root).map_err(fail("is no usable path"))?;
        self.options.disk.create_dirs(&root).map_err(fail("can't be made"))?;
        probe(&*self.options.disk, &root).map_err(fail("can't be written"))?;
        InUse::forget_the_dead(&root);
        let parent = self.parent.read(&root);
        let recorder = Recorder(Arc::new(Inner::new(root, parent, self.options)));
        let guard = RecorderGuard::new(recorder.clone());
        Ok((recorder, guard))
    }
}

/// A redactor: what it does itself is not recorded.
struct Ignored<R>(R);

impl<R: Redactor> Redactor for Ignored<R> {
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool) {
        while_calling_out(|| self.0.redact(kind, body, is_json));
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        while_calling_out(|| self.0.redact_text(text))
    }
}

/// Whether bundles can be made here. Better said now than by the first run that is missing.
fn probe(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let name = root.join(format!(".otel-trace-probe-{}", uuid::Uuid::new_v4()));
    disk.create_dirs(&name)?;
    disk.remove_dir(&name)
}

fn root_of_env() -> Option<PathBuf> {
    env::var_os(ROOT_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn store_of_env() -> Result<Store, BuildError> {
    match env::var_os(STORE_VARIABLE).filter(|value| !value.is_empty()) {
        Some(name) => name.to_string_lossy().parse().map_err(BuildError::no_store),
        None => Ok(Store::default()),
    }
}

pub(super) fn from_env() -> Result<Option<(Recorder, RecorderGuard)>, BuildError> {
    root_of_env().map(|root| RecorderBuilder::default().root(root).build()).transpose()
}

/// Recording could not be started.
#[derive(Debug)]
pub struct BuildError {
    message: String,
    source: Option<io::Error>,
}

impl BuildError {
    fn unnamed() -> Self {
        let message = format!("no directory to record to; name one with {ROOT_VARIABLE} or `RecorderBuilder::root`");
        Self { message, source: None }
    }

    fn no_store(why: StoreNameError) -> Self {
        Self { message: format!("can't record: {STORE_VARIABLE} says how bodies are kept, and {why}"), source: None }
    }

    fn new(root: &Path, message: &str, source: Option<io::Error>) -> Self {
        let message = format!(
            "can't record to {:?}: it {message}; name a writable directory with {ROOT_VARIABLE} or `RecorderBuilder::root`",
            root.display().to_string()
        );
        Self { message, source }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
