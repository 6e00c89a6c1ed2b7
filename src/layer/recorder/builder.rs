//! Configuration and start of a recording: [`RecorderBuilder`].

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt, io};

use super::Recorder;
use super::guard::RecorderGuard;
use crate::bundle::{Disk, Durability, Limits, Loss, Store, StoreNameError, WriterOptions};
use crate::event::PayloadKind;
use crate::layer::session::Session;
use crate::layer::session::conversations::CONVERSATION_IDLE;
use crate::layer::session::environment::{ParentSource, ROOT_VARIABLE, STORE_VARIABLE, root_from_env};
use crate::layer::session::reentrancy::{is_recording_suppressed, run_callback, with_recording_suppressed};
use crate::mask::{Masking, Redactor};
use crate::retention::RootRetention;

impl Recorder {
    /// Returns a builder that configures a recorder.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::default()
    }

    /// Creates a recorder that writes to the directory named by `OTEL_TRACE_ROOT`. Returns `None` if that variable is
    /// unset or empty. `OTEL_TRACE_PARENT` names the agent that spawned the process, as for [`RecorderBuilder::build`].
    ///
    /// ```no_run
    /// use otel_trace::Recorder;
    /// use tracing_subscriber::prelude::*;
    ///
    /// let recording = Recorder::from_env()?;
    /// let layer = recording.as_ref().map(|(recorder, _guard)| recorder.layer().with_filter(recorder.filter()));
    /// tracing_subscriber::registry().with(layer).init();
    /// # Ok::<(), otel_trace::layer::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`BuildError`] if the directory cannot be created or written, or if `OTEL_TRACE_STORE` does not name a
    /// store.
    pub fn from_env() -> Result<Option<(Self, RecorderGuard)>, BuildError> {
        root_from_env().map(|root| RecorderBuilder::default().root(root).build()).transpose()
    }
}

/// Configures a [`Recorder`] and starts it. Created by [`Recorder::builder`].
#[derive(Debug, Default)]
#[must_use = "nothing is recorded until `build`"]
pub struct RecorderBuilder {
    root: Option<PathBuf>,
    parent: ParentSource,
    store: Option<Store>,
    options: WriterOptions,
    conversation_idle: Option<Duration>,
}

impl RecorderBuilder {
    /// Sets the root directory, in which bundles are created. Default: the value of `OTEL_TRACE_ROOT`.
    pub fn root(mut self, directory: impl Into<PathBuf>) -> Self {
        self.root = Some(directory.into());
        self
    }

    /// Sets the agent that spawned this process, in place of `OTEL_TRACE_PARENT`. `value` is the result of
    /// [`ChildProcess::parent`](crate::layer::ChildProcess::parent) in the parent process, passed on by other means than the
    /// environment.
    pub fn parent(mut self, value: impl Into<String>) -> Self {
        self.parent = ParentSource::Value(value.into());
        self
    }

    /// Records an independent run and ignores `OTEL_TRACE_PARENT`.
    pub fn no_parent(mut self) -> Self {
        self.parent = ParentSource::Disabled;
        self
    }

    /// Sets the masking of secrets in bodies and in texts of events, which is applied before they reach the disk.
    /// Default: [`Masking::new`], which masks the values of sensitive names and credentials with a known beginning.
    /// [`Masking::off`] masks nothing.
    pub fn mask(mut self, masking: Masking) -> Self {
        self.options.masking = Arc::new(masking);
        self
    }

    /// Sets a redactor that removes secrets which only the host program can recognize. It runs before
    /// [masking](Self::mask). Spans and events that the redactor itself emits are not recorded.
    pub fn redact(mut self, redact: impl Redactor + 'static) -> Self {
        self.options.redact = Some(Arc::new(SuppressedRedactor(redact)));
        self
    }

    /// Sets the size limits of a body, of the write queue, of a bundle and of all bundles together.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Sets the time after which a conversation ends, as completed, in which no turn is open: one whose thread the layer
    /// supplied for spans with its `gen_ai.conversation.id`. Its bundle is then complete, and may be removed under the
    /// [bounds of the root](crate::Limits::root). What comes later is recorded in a new bundle, with the same thread id.
    /// Default: 30 minutes. [`Duration::MAX`] keeps conversations until the guard is dropped.
    pub fn conversation_idle(mut self, idle: Duration) -> Self {
        self.conversation_idle = Some(idle);
        self
    }

    /// Sets which failures the recording survives. Default: [`Durability::PageCache`], which survives the death of the
    /// process.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = durability;
        self
    }

    /// Sets the disk to record to.
    #[cfg(test)]
    pub(crate) fn disk(mut self, disk: impl Disk + 'static) -> Self {
        self.options.disk = Arc::new(disk);
        self
    }

    /// Sets the payload store. Default: the store named by `OTEL_TRACE_STORE`, `files` or `pack`, or [`Store::Files`]
    /// if that is unset.
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets a callback that is called for each loss, on the thread on which the loss occurs. Without a callback, the
    /// guard reports all losses on stderr, once.
    ///
    /// Spans and events that the callback itself emits are not recorded, except for the ends of operations that were
    /// started before. A loss that the callback causes is counted, but not reported to it.
    pub fn on_loss(mut self, on_loss: impl Fn(&Loss) + Send + Sync + 'static) -> Self {
        let on_loss = Arc::new(on_loss);
        self.options.on_loss = Some(Arc::new(move |loss: &Loss| {
            if is_recording_suppressed() {
                return;
            }
            let (on_loss, loss) = (Arc::clone(&on_loss), loss.clone());
            // The callback may be deferred and run further up the stack, so its panics are caught here.
            run_callback(move || drop(catch_unwind(AssertUnwindSafe(|| with_recording_suppressed(|| on_loss(&loss))))));
        }));
        self
    }

    /// Starts recording. The recording ends when the guard is dropped.
    ///
    /// If `OTEL_TRACE_PARENT` names an agent in another process, every bundle names that agent as its parent, and the
    /// first root thread takes the id that the parent created for it, unless the program gives the thread an id. A
    /// value that cannot be parsed is reported on stderr, once, and treated as unset.
    ///
    /// # Errors
    /// Returns [`BuildError`] if no root directory is given, if it cannot be created or written, or if
    /// `OTEL_TRACE_STORE` does not name a store.
    pub fn build(mut self) -> Result<(Recorder, RecorderGuard), BuildError> {
        self.options.store = self.store.map_or_else(store_from_env, Ok)?;
        let named = self.root.or_else(root_from_env);
        let root = named.ok_or_else(BuildError::no_root)?;
        let fail = |problem| {
            let root = root.clone();
            move |error| BuildError::new(&root, problem, Some(error))
        };
        let root = std::path::absolute(&root).map_err(fail("is not a usable path"))?;
        self.options.disk.create_dirs(&root).map_err(fail("cannot be created"))?;
        probe(&*self.options.disk, &root).map_err(fail("cannot be written"))?;
        RootRetention::remove_dead_files(&root);
        let parent = self.parent.resolve(&root);
        let recorder = Recorder(Arc::new(Session::new(
            root,
            parent,
            self.options,
            self.conversation_idle.unwrap_or(CONVERSATION_IDLE),
        )));
        let guard = RecorderGuard::new(Arc::clone(&recorder.0));
        Ok((recorder, guard))
    }
}

/// A redactor that runs with recording suppressed, so that its own spans and events are not recorded.
struct SuppressedRedactor<R>(R);

impl<R: Redactor> Redactor for SuppressedRedactor<R> {
    fn redact(&self, kind: PayloadKind, body: &mut Vec<u8>, is_json: bool) {
        with_recording_suppressed(|| self.0.redact(kind, body, is_json));
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        with_recording_suppressed(|| self.0.redact_text(text))
    }
}

/// Checks that bundles can be created in `root`, by creating and removing a directory, so that an unwritable root is an
/// error of `build` and not the loss of the first run.
fn probe(disk: &dyn Disk, root: &Path) -> io::Result<()> {
    let name = root.join(format!(".otel-trace-probe-{}", uuid::Uuid::new_v4()));
    disk.create_dirs(&name)?;
    disk.remove_dir(&name)
}

fn store_from_env() -> Result<Store, BuildError> {
    match env::var_os(STORE_VARIABLE).filter(|value| !value.is_empty()) {
        Some(name) => name.to_string_lossy().parse().map_err(BuildError::unknown_store),
        None => Ok(Store::default()),
    }
}

/// An error that prevents recording from starting.
#[derive(Debug)]
pub struct BuildError {
    message: String,
    source: Option<io::Error>,
}

impl BuildError {
    fn no_root() -> Self {
        let message = format!("no directory to record to; set {ROOT_VARIABLE} or call `RecorderBuilder::root`");
        Self { message, source: None }
    }

    fn unknown_store(error: StoreNameError) -> Self {
        Self { message: format!("cannot record: invalid value of {STORE_VARIABLE}: {error}"), source: None }
    }

    fn new(root: &Path, message: &str, source: Option<io::Error>) -> Self {
        let message = format!(
            "cannot record to {:?}: it {message}; name a writable directory with {ROOT_VARIABLE} or `RecorderBuilder::root`",
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
