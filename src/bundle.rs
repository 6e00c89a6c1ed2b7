//! Bundles on disk: the only place that touches their files.
//!
//! ```text
//! <root>/trace-<trace_id>-<root_thread_id>/
//!   manifest.json        identity of the recording, written first, never changed
//!   trace.jsonl          the event log: one JSON object a line, in order of seq
//!   payloads/<n>.json    one observed body each; <n>.bin where it is not one JSON value
//!   payloads.pack        instead, where the program chose so: all bodies, what they repeat left out ([`Store::Pack`])
//!   state.json           written later by the reducer; not evidence
//! <root>/joined.json     likewise, of bundles whose processes spawned each other
//! ```
//!
//! [`Writer`] makes them, [`Reader`] reads them, whoever made them.
//!
//! # Promises of the writer
//! 1. `seq` and the order of the lines agree, whatever the number of threads that write.
//! 2. A body is complete in the [`PayloadStore`] before the event that names it can be read.
//! 3. What a returned call has written survives the death of the process: it is in the kernel's hands. With
//!    [`Durability::Fsync`] it survives the death of the machine; with [`Durability::Buffered`] a recorder gives this up
//!    for what is in its queue.
//! 4. Recording never fails or panics its host. The lock of a log is held for the write of one line. What could not be
//!    written is counted ([`Stats`]), told once ([`Loss`]), and said in the log when that can be written again.
//! 5. A line is whole or it is the last one.
//! 6. A bundle has one writer: creating one where one exists is refused.
//! 7. Only the owner may read a bundle: directories 0700, files 0600 on Unix.
//!
//! # Versions
//! Format 1 is the only one. Optional fields may be added to it, variants never: see [`event`](crate::event). The
//! manifest's is `parent`: who spawned the process.

mod body;
mod bounds;
mod convert;
mod destination;
mod disk;
mod durability;
mod error;
mod event_text;
mod file;
mod in_use;
mod limits;
mod line;
mod line_json;
mod log;
mod log_file;
mod loss;
mod manifest;
mod mask;
#[cfg(test)]
pub(crate) mod mem_disk;
mod open_logs;
mod oversize;
mod pending_payloads;
#[cfg(test)]
mod power_cut;
mod prepared;
mod pruning;
mod queue;
mod queued_writer;
mod quota;
mod reader;
mod ready_body;
mod redact;
mod redactor;
mod sink;
mod store;
mod syncs;
mod unlink_check;
mod unwritten;
mod writer;
mod writer_options;

pub use body::{Body, BodyBuf, BodyError, Exact, Json};
pub use bounds::Bounds;
pub use convert::{Converted, Unconverted, convert};
pub(crate) use disk::Disk;
pub use durability::{Durability, SyncEvery};
pub use error::{BundleError, ErrorKind};
pub(crate) use in_use::InUse;
pub use limits::Limits;
pub use line::{Line, LineError, Lines};
pub use loss::{Loss, Lost, Stats, Tally};
pub use manifest::Manifest;
pub use mask::{Masking, PatternError};
pub use reader::Reader;
pub(crate) use ready_body::ReadyBody;
pub use redact::{Redacted, Redaction};
pub use redactor::Redactor;
pub(crate) use sink::Sink;
pub use store::{Location, PayloadError, PayloadStore, Store, StoreNameError, StoredBody};
pub use writer::{Stored, Writer};
pub use writer_options::{OnLoss, WriterOptions};
