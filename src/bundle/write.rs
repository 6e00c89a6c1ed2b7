//! Writing of bundles.
//!
//! A [`Sink`] is the writer of one bundle as a recorder sees it. It is a [`Writer`], which writes in the thread that
//! records, or a writer that enqueues for the writer thread, or one that writes nothing.

mod line_json;
mod log;
mod log_file;
mod long_line;
mod loss;
mod noop_writer;
mod on_create;
mod own_process;
mod pending_payloads;
mod queued_writer;
mod quota;
mod sink;
mod staged_bundle;
mod sync_scheduler;
mod writer;
mod writer_options;

pub use loss::{Loss, Lost, Stats, Tally};
pub(crate) use on_create::OnCreate;
pub(crate) use own_process::{FORKED, OwnProcess};
pub(crate) use sink::Sink;
pub(crate) use staged_bundle::parse_staged_name;
pub use writer::{Stored, Writer};
pub use writer_options::{OnLoss, WriterOptions};
