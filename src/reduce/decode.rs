//! Phase 1: from the bundle's bytes to typed facts.
//!
//! Knows the log, bodies and their shapes. Knows nothing of what facts mean together: no state, no order, no graph
//! beyond the [`Content`](crate::graph::Content) that one item of a body says. JSON ends here.

mod bodies;
mod canonical_json;
mod checkpoint;
mod content_hash;
mod contents;
mod delivery;
mod draft;
mod facts;
mod inference_end;
mod invocation;
mod items;
mod listing;
mod log;
mod mentions;
mod message;
mod object;
mod oddity;
mod opened;
mod read_as;
mod reading;
mod request;
mod request_shape;
mod response;
mod responses_item;
mod runtime_event;
mod session_metadata;
mod sort;
mod tool_result;
mod unopened;
mod usage;
mod why;

/// How bodies are read, for whoever tells of them to somebody else.
#[cfg(feature = "otlp")]
pub(crate) use {
    object::{Object, list, text},
    request_shape::RequestShape,
    response::{IDS as RESPONSE_IDS, is_bare as is_bare_response},
    usage::read as usage,
};

pub(super) use bodies::Body;
pub(super) use checkpoint::Checkpoint;
pub(super) use contents::{ContentId, Known, Readings};
pub(super) use facts::{
    At, CellFact, CompactionRequestFact, ConversationFact, Ending, Facts, InferenceEnd, RolloutFact, Runtime,
    ThreadFact, ToolAnswer, ToolFact, TurnFact,
};
pub(super) use invocation::{Arguments, Invocation};
pub(super) use mentions::{Mention, Mentions};
pub(super) use oddity::Oddity;
pub(super) use request::{Request, RequestItems};
pub(super) use response::{ResponseBody, ResponseItems};
pub(super) use runtime_event::{Activity, AgentCall, Command};
pub(super) use session_metadata::{SessionMetadata, SpawnedBy};
pub(super) use unopened::tell_unheard;

use super::{Options, Problems, Work};
use crate::bundle::{self, Reader};

/// Reads a bundle into facts, each payload that a rule opens once.
pub(super) fn decode(
    bundle: &Reader,
    options: &Options,
    problems: &mut Problems,
    work: &mut Work,
) -> Result<Facts, bundle::BundleError> {
    let log::Log { entries: log, named } = log::read(bundle, problems, work)?;
    let contents = contents::Contents::default();
    let bodies = opened::Opened::of(&log, bundle, &contents, work);
    let unheard = if options.every_body {
        unopened::check(&log, &bodies, bundle, problems, work);
        unopened::unheard(&log, &bodies)
    } else {
        Vec::new()
    };
    let mut facts = sort::sort(log, &bodies, contents.into_readings(), problems, work);
    for body in named {
        facts.payloads.add(body.raw_payload_id.clone(), body);
    }
    Ok(Facts { unheard, ..facts })
}
