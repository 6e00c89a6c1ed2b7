//! The rollout as a whole.

use crate::bundle::Manifest;
use crate::event::{RolloutStatus, ThreadId, TraceId, UnixMillis};
use crate::graph::Code;
use crate::reduce::Problems;
use crate::reduce::decode::{At, RolloutFact};

/// Who the rollout is, and how it ended.
#[derive(Debug)]
pub(in crate::reduce) struct Rollout {
    pub(in crate::reduce) trace_id: TraceId,
    pub(in crate::reduce) root_thread_id: ThreadId,
    pub(in crate::reduce) ended_at: Option<UnixMillis>,
    pub(in crate::reduce) status: RolloutStatus,
}

/// What the manifest says, and what the log knows better.
pub(in crate::reduce) fn rollout(facts: &[At<RolloutFact>], manifest: &Manifest, problems: &mut Problems) -> Rollout {
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
                let message = "the rollout starts a second time; the first start stands".to_owned();
                problems.add(at, Code::DuplicateStart, message, None);
            }
            RolloutFact::Started(event) => {
                started = true;
                rollout.trace_id = event.trace_id.clone();
                rollout.root_thread_id = event.root_thread_id.clone();
            }
            RolloutFact::Ended(_) if rollout.ended_at.is_some() => {
                let message = "the rollout ends a second time; the first end stands".to_owned();
                problems.add(at, Code::LateEnd, message, None);
            }
            RolloutFact::Ended(event) => {
                rollout.ended_at = Some(at.when.at.unix_ms());
                rollout.status = event.status;
            }
        }
    }
    rollout
}
