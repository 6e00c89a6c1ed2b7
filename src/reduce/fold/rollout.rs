//! Folds the run as a whole; `rollout` is its name on the wire.

use crate::bundle::Manifest;
use crate::event::{RolloutStatus, ThreadId, TraceId, UnixMillis};
use crate::graph::Code;
use crate::reduce::Diagnostics;
use crate::reduce::decode::{Logged, RolloutFact};

/// The ids, the end and the status of the recorded run.
#[derive(Debug)]
pub(in crate::reduce) struct Rollout {
    pub(in crate::reduce) trace_id: TraceId,
    pub(in crate::reduce) root_thread_id: ThreadId,
    pub(in crate::reduce) ended_at: Option<UnixMillis>,
    pub(in crate::reduce) status: RolloutStatus,
}

/// Returns the run: the ids of the manifest, overridden by those of the `rollout_started` event, and the end in the
/// log.
pub(in crate::reduce) fn rollout(
    facts: &[Logged<RolloutFact>],
    manifest: &Manifest,
    diagnostics: &mut Diagnostics,
) -> Rollout {
    let mut rollout = Rollout {
        trace_id: manifest.trace_id.clone(),
        root_thread_id: manifest.root_thread_id.clone(),
        ended_at: None,
        status: RolloutStatus::Running,
    };
    let mut started = false;
    for at in facts {
        match &at.fact {
            RolloutFact::Started(_) if started => {
                let message = "the rollout starts a second time; the first start is kept".to_owned();
                diagnostics.add(at, Code::DuplicateStart, message, None);
            }
            RolloutFact::Started(event) => {
                started = true;
                rollout.trace_id = event.trace_id.clone();
                rollout.root_thread_id = event.root_thread_id.clone();
            }
            RolloutFact::Ended(_) if rollout.ended_at.is_some() => {
                let message = "the rollout ends a second time; the first end is kept".to_owned();
                diagnostics.add(at, Code::LateEnd, message, None);
            }
            RolloutFact::Ended(event) => {
                rollout.ended_at = Some(at.when.at.unix_ms());
                rollout.status = event.status;
            }
        }
    }
    rollout
}
