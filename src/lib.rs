//! A flight recorder for LLM agents.

pub mod bundle;
pub mod event;
pub mod layer;

pub use bundle::{Body, BodyBuf, BodyError, Exact, Json, Limits, Loss, Lost, Redact, Stats};
pub use event::{ExecutionStatus, PayloadKind, ToolKind, TurnId, Usage};
pub use layer::{
    AnyWindow, Call, Guard, Inference, Model, RecordFilter, RecordLayer, Recorder, SpanExt, Thread, ThreadMeta, Tool,
    Turn, Window,
};
