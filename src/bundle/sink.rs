//! Where what is recorded of a bundle goes: to the disk, or to the thread that writes it there.

use std::path::Path;

use super::queued_writer::QueuedWriter;
use super::unwritten::Unwritten;
use super::writer::Stored;
use super::{Body, BundleError, Durability, Lost, Manifest, ReadyBody, Writer, WriterOptions};
use crate::event::{Event, EventContext, PayloadKind, Seq, ThreadId, Timestamp};

/// The writer of a bundle, as the recorder's durability wants it.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Written when a call returns.
    Direct(Writer),
    /// Written later.
    Queued(QueuedWriter),
    /// Written nowhere.
    Unwritten(Unwritten),
}

impl Sink {
    /// Makes the bundle's directory under `root`, an absolute path, or has it made.
    ///
    /// # Errors
    /// Those of [`Writer::create`]; where it is made later, they are told as a loss.
    pub(crate) fn create(root: &Path, manifest: Manifest, options: WriterOptions) -> Result<Self, BundleError> {
        if options.is_unwritten {
            return Ok(Self::Unwritten(Unwritten::new(manifest, options)));
        }
        match options.durability {
            Durability::PageCache | Durability::Fsync(_) => Writer::create(root, manifest, options).map(Self::Direct),
            Durability::Buffered => Ok(Self::Queued(QueuedWriter::create(root, manifest, options))),
        }
    }

    /// The bundle's directory.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Direct(writer) => writer.path(),
            Self::Queued(writer) => writer.path(),
            Self::Unwritten(unwritten) => unwritten.path(),
        }
    }

    /// How what is recorded is treated.
    pub(crate) fn options(&self) -> &WriterOptions {
        match self {
            Self::Direct(writer) => writer.options(),
            Self::Queued(writer) => writer.options(),
            Self::Unwritten(unwritten) => unwritten.options(),
        }
    }

    /// Who the bundle is.
    pub(crate) fn manifest(&self) -> &Manifest {
        match self {
            Self::Direct(writer) => writer.manifest(),
            Self::Queued(writer) => writer.manifest(),
            Self::Unwritten(unwritten) => unwritten.manifest(),
        }
    }

    /// See [`Writer::put`].
    pub(crate) fn put(&self, thread: &ThreadId, kind: PayloadKind, body: &dyn Body) -> Result<Stored, Lost> {
        match self {
            Self::Direct(writer) => writer.put(thread, kind, body),
            Self::Queued(writer) => writer.store(thread, writer.options().ready(kind, body)),
            Self::Unwritten(unwritten) => Ok(unwritten.put(kind)),
        }
    }

    /// See [`Writer::store`].
    pub(crate) fn store(&self, thread: &ThreadId, ready: ReadyBody) -> Result<Stored, Lost> {
        match self {
            Self::Direct(writer) => writer.store(thread, ready),
            Self::Queued(writer) => writer.store(thread, ready),
            Self::Unwritten(unwritten) => Ok(unwritten.store(&ready)),
        }
    }

    /// See [`Writer::append_redacted`]. Gives the event's place where it is known by now.
    pub(crate) fn append_redacted(
        &self,
        at: Timestamp,
        context: &EventContext,
        event: &Event,
    ) -> Result<Option<Seq>, Lost> {
        match self {
            Self::Direct(writer) => writer.append_redacted(at, context, event).map(Some),
            Self::Queued(writer) => writer.append_redacted(at, context, event).map(|()| None),
            Self::Unwritten(_) => Ok(None),
        }
    }

    /// See [`Writer::append_last`].
    pub(crate) fn append_last(&self, at: Timestamp, event: &Event) {
        match self {
            Self::Direct(writer) => writer.append_last(at, event),
            Self::Queued(writer) => writer.append_last(at, event),
            Self::Unwritten(_) => {}
        }
    }

    /// See [`Writer::is_full`].
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Direct(writer) => writer.is_full(),
            Self::Queued(writer) => writer.is_full(),
            Self::Unwritten(_) => false,
        }
    }

    /// See [`Writer::lose_dependent`].
    pub(crate) fn lose_dependent(&self, what: Lost, reason: &str) -> Lost {
        match self {
            Self::Direct(writer) => writer.lose_dependent(what, reason),
            Self::Queued(writer) => writer.lose_dependent(what, reason),
            Self::Unwritten(_) => what,
        }
    }

    /// Whether nothing of it is kept.
    pub(crate) fn is_unwritten(&self) -> bool {
        matches!(self, Self::Unwritten(_))
    }

    /// See [`Writer::finish`].
    pub(crate) fn finish(&self, at: Timestamp) {
        match self {
            Self::Direct(writer) => writer.finish(at),
            Self::Queued(writer) => writer.finish(at),
            Self::Unwritten(_) => {}
        }
    }
}
