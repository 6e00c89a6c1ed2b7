//! Reads and writes bundles on disk. No other module touches their files.
//!
//! ```text
//! <root>/trace-<trace_id>-<root_thread_id>/
//!   manifest.json        identity of the recording, written first, never changed
//!   trace.jsonl          the event log: one JSON object per line, in order of seq
//!   payloads/<n>.json    one payload per file; <n>.bin if the payload is not one JSON value
//!   payloads.pack        all payloads in one deduplicated file, if the program chose [`Store::Pack`]
//!   state.json           the graph, written later by the reducer; not evidence
//! <root>/joined.json     the graph of bundles whose processes spawned each other; not evidence either
//! ```
//!
//! [`Writer`] creates bundles. [`Reader`] reads bundles of any writer.
//!
//! # Guarantees of the writer
//! 1. The order of the lines is the order of their `seq`, for any number of threads that write.
//! 2. A payload is complete in the [`PayloadStore`] before a reader can see the event that references it.
//! 3. Events and payloads survive a crash of the process once the call that wrote them has returned, because they are
//!    in the page cache. With [`Durability::Fsync`] they survive a crash of the machine, too. With
//!    [`Durability::Buffered`] a recorder gives up this guarantee for the events and payloads in its queue.
//! 4. Recording never fails or panics its host. The lock of a log is held for the write of one line. An event or
//!    payload that cannot be written is counted ([`Stats`]), reported once ([`Loss`]), and noted in the log as soon as
//!    the log can be written again.
//! 5. Every line but the last is whole.
//! 6. A bundle has one writer: creating a bundle that exists already fails.
//! 7. Only the owner can read a bundle: on Unix, directories have mode 0700 and files 0600.
//!
//! # Versions
//! Format 1 is the only version. Optional fields may be added to it, variants never: see [`event`](crate::event). The
//! field added to the manifest is `parent`, the process that spawned the recorded one.

mod bounds;
mod durability;
mod error;
mod fs;
mod manifest;
mod payload;
mod read;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod write;

pub use bounds::Bounds;
pub use durability::{Durability, SyncEvery};
pub use error::{BundleError, ErrorKind};
pub use fs::Directory;
pub(crate) use fs::{Disk, EntryKind, FileIdentity, file};
pub use manifest::Manifest;
pub(crate) use payload::ReadyBody;
pub use payload::{Body, BodyBuf, BodyError, Exact, Json, Limits};
pub use read::{Line, LineError, Lines, Reader};
pub(crate) use read::{MAX_LINE_BYTES, NamedPlaces, StorePlace, UnnamedPayload};
pub(crate) use store::is_pack;
pub use store::{Location, PayloadError, PayloadStore, Store, StoreNameError, StoredBody};
pub(crate) use write::{FORKED, OnCreate, OwnProcess, Sink, parse_staged_name};
pub use write::{Loss, Lost, OnLoss, Stats, Stored, Tally, Writer, WriterOptions};
