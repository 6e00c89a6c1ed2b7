//! The writer of a bundle as the layer sees it: direct, queued, or discarding.

use std::path::Path;
use std::sync::Arc;

use super::loss::Lost;
use super::noop_writer::NoopWriter;
use super::on_create::OnCreate;
use super::queued_writer::QueuedWriter;
use super::writer::{Stored, Writer};
use super::writer_options::WriterOptions;
use crate::bundle::durability::Durability;
use crate::bundle::error::BundleError;
use crate::bundle::manifest::Manifest;
use crate::bundle::payload::{Body, ReadyBody};
use crate::event::{Event, EventContext, PayloadKind, Seq, ThreadId, Timestamp};
use crate::mask::Masked;

/// A writer of a bundle, chosen by the options of the recorder. It must not be used in a copy of the process that records:
/// the log is the other process's. Its users check that once an action, since each check is a system call.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Writes in the thread that records, before a call returns.
    Direct(Writer),
    /// Enqueues events and payloads for the writer thread ([`Durability::Buffered`]).
    Queued(QueuedWriter),
    /// Discards events and payloads.
    Noop(NoopWriter),
}

impl Sink {
    /// Creates the directory of the bundle under `root`, an absolute path. With [`Durability::Buffered`], only enqueues
    /// its creation. `on_create` is called when the bundle is created.
    ///
    /// # Errors
    /// Returns the errors of [`Writer::create`]. Errors of an enqueued creation are reported as a loss instead.
    pub(crate) fn create(
        root: &Path,
        manifest: Manifest,
        options: WriterOptions,
        on_create: Option<Arc<dyn OnCreate>>,
    ) -> Result<Self, BundleError> {
        let manifest = manifest.masked_by(&options.masking);
        if options.is_noop || options.is_copy() {
            return Ok(Self::Noop(NoopWriter::new(manifest, options)));
        }
        match options.durability {
            Durability::PageCache | Durability::Fsync(_) => {
                Writer::create_for(root, manifest, options, on_create.as_deref()).map(Self::Direct)
            }
            Durability::Buffered => Ok(Self::Queued(QueuedWriter::create(root, manifest, options, on_create))),
        }
    }

    /// Returns the directory of the bundle, which is an empty path if nothing is written.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Direct(writer) => writer.path(),
            Self::Queued(writer) => writer.path(),
            Self::Noop(writer) => writer.path(),
        }
    }

    /// Returns the options with which the writer was created.
    pub(crate) fn options(&self) -> &WriterOptions {
        match self {
            Self::Direct(writer) => writer.options(),
            Self::Queued(writer) => writer.options(),
            Self::Noop(writer) => writer.options(),
        }
    }

    /// Returns the manifest of the bundle.
    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Direct(writer) => writer.manifest(),
            Self::Queued(writer) => writer.manifest(),
            Self::Noop(writer) => writer.manifest(),
        }
    }

    /// Stores a payload. See [`Writer::put`].
    pub(crate) fn put(&self, thread: &ThreadId, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        match self {
            Self::Direct(writer) => writer.put(thread, kind, body),
            Self::Queued(writer) => writer.store(thread, writer.options().prepare_body(kind, body)),
            Self::Noop(writer) => Ok(writer.put(kind)),
        }
    }

    /// Stores a prepared payload. See [`Writer::store`].
    pub(crate) fn store(&self, thread: &ThreadId, ready: ReadyBody) -> Result<Stored, Lost> {
        match self {
            Self::Direct(writer) => writer.store(thread, ready),
            Self::Queued(writer) => writer.store(thread, ready),
            Self::Noop(writer) => Ok(writer.store(&ready)),
        }
    }

    /// Appends an event whose texts are masked. See [`Writer::append_masked`]. Returns `None` in place of the seq
    /// if the event is written later, or not at all.
    pub(crate) fn append_masked(
        &self,
        at: Timestamp,
        context: &EventContext,
        event: &Masked<Event>,
    ) -> Result<Option<Seq>, Lost> {
        match self {
            Self::Direct(writer) => writer.append_masked(at, context, event).map(Some),
            Self::Queued(writer) => writer.append_masked(at, context, event).map(|()| None),
            Self::Noop(_) => Ok(None),
        }
    }

    /// Appends the last event. See [`Writer::append_last`].
    pub(crate) fn append_last(&self, at: Timestamp, event: &Masked<Event>) {
        match self {
            Self::Direct(writer) => writer.append_last(at, event),
            Self::Queued(writer) => writer.append_last(at, event),
            Self::Noop(_) => {}
        }
    }

    /// Returns `true` if the bundle accepts only end events. See [`Writer::is_full`].
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Direct(writer) => writer.is_full(),
            Self::Queued(writer) => writer.is_full(),
            Self::Noop(_) => false,
        }
    }

    /// Counts and reports the loss of a dependent event. See [`Writer::report_dependent_loss`].
    pub(crate) fn report_dependent_loss(&self, what: Lost, reason: &str) -> Lost {
        match self {
            Self::Direct(writer) => writer.report_dependent_loss(what, reason),
            Self::Queued(writer) => writer.report_dependent_loss(what, reason),
            Self::Noop(_) => what,
        }
    }

    /// Returns `true` if nothing is written.
    pub(crate) fn is_noop(&self) -> bool {
        matches!(self, Self::Noop(_))
    }

    /// Finishes the bundle. See [`Writer::finish`].
    pub(crate) fn finish(&self, at: Timestamp) {
        match self {
            Self::Direct(writer) => writer.finish(at),
            Self::Queued(writer) => writer.finish(at),
            Self::Noop(_) => {}
        }
    }
}
