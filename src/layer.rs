//! From `tracing` spans to events: the part that runs inside the recorded program.
//!
//! ```text
//!   Recorder ──► RecordLayer (one a subscriber)        typed handles: Thread, Turn, Inference, Tool
//!                   │ new_span, record, enter, close       │ bodies, instants, explicit ends
//!                   ▼                                      ▼
//!               span state (in the span's extensions) ──► windows ──► Writer (one a bundle)
//! ```
//!
//! A *window* is something with a start and an end in the log: a thread, a turn, an inference call, a tool call. A
//! span opens none, one or several of them. The layer finds out which, keeps them in the span's extensions, and
//! writes a start and an end for each.
//!
//! # Rules that hold everywhere here
//! - The host never fails or panics because of recording.
//! - No lock and no extension borrow is held while a visitor, a `Serialize` or a program's callback runs. A window's
//!   own lock is held while its start or its end is written: who needs a start in the log before its own line waits
//!   for that line, and nobody else.
//! - What a program does inside its `on_loss` callback is not recorded.
//! - Handles reach the span's state, never the layer: they work under `Filtered`, `Option`, `Vec`, `Box`, `reload`.

mod builder;
mod extension;
mod field_bodies;
mod fields;
mod filter;
mod guard;
mod handle;
mod ignoring;
mod record_layer;
mod recorder;
mod span_state;
mod stderr;
mod supplied;
mod tool_kind;
mod window;
mod windows;

pub use builder::{Builder, Error, ROOT_VARIABLE};
pub use filter::RecordFilter;
pub use guard::Guard;
pub use handle::{AnyWindow, Call, Inference, Model, SpanExt, Thread, ThreadMeta, Tool, Turn, Window};
pub use record_layer::RecordLayer;
pub use recorder::Recorder;
