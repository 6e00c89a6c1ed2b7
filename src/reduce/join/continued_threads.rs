//! The bundles that continue one another: a conversation that was idle goes on in a new bundle of the same thread id.

use std::collections::HashMap;

use crate::event::ThreadId;
use crate::graph::Rollout;

/// Sets which run each run of `rollouts` continues: the one before it with the same root thread, in the order of their
/// starts. A run that `is_copy` marks at its index repeats another run: it continues none and is continued by none.
pub(super) fn link(rollouts: &mut [Rollout], is_copy: &[bool]) {
    let mut latest = HashMap::<ThreadId, usize>::new();
    for index in in_order_of_starts(rollouts, is_copy) {
        let thread = rollouts[index].root_thread_id.clone();
        let earlier = latest.insert(thread, index);
        rollouts[index].continues = earlier.map(|earlier| rollouts[earlier].trace_id.clone());
    }
}

/// Returns the indices of the runs whose threads may go on in other bundles, in the order of their starts. Runs that
/// started in the same millisecond stay in the order in which they were added.
fn in_order_of_starts(rollouts: &[Rollout], is_copy: &[bool]) -> Vec<usize> {
    let may_continue = |index: &usize| !is_copy[*index] && !has_assigned_id(&rollouts[*index]);
    let mut indices: Vec<_> = (0..rollouts.len()).filter(may_continue).collect();
    indices.sort_by_key(|index| rollouts[*index].started_at);
    indices
}

/// Returns `true` if the id of the root thread was made for the process by its parent. Processes to which one environment
/// was passed on share that id, and none continues another.
fn has_assigned_id(rollout: &Rollout) -> bool {
    rollout.parent.as_ref().is_some_and(|parent| parent.child_thread_id == rollout.root_thread_id)
}
