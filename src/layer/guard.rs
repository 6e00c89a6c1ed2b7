//! The end of a recording.

use std::time::Duration;

use super::Recorder;
use super::stderr::tell;
use crate::bundle::Durability;

/// The longest that a guard waits for what is left in the queue.
const FLUSH: Duration = Duration::from_secs(5);

/// Ends the recording when it is dropped: keep it until the program ends.
///
/// Operations that are still open then are ended: threads, turns and rollouts as aborted, inference and tool calls as
/// cancelled. What comes later is counted and ignored. If anything was lost and no
/// [`on_loss`](super::Builder::on_loss) told of it, one line on stderr does.
///
/// What is left in the queue of [`Durability::Buffered`] is written first, for 5 s at most; what is still left then is
/// lost. What [`Durability::Fsync`] has to force to the disk is forced there. Where the root has bounds
/// ([`Limits::root`](crate::Limits::root)), the removal of other bundles that is under way is waited for, for 5 s more
/// at most; the next recording under that root goes on with it.
#[derive(Debug)]
#[must_use = "dropping the guard ends the recording"]
pub struct RecorderGuard(Recorder);

impl RecorderGuard {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(recorder)
    }
}

impl Drop for RecorderGuard {
    fn drop(&mut self) {
        let inner = &self.0.0;
        inner.shut_down();
        if inner.options.is_unwritten {
            return;
        }
        if !inner.had_layer() {
            tell(format_args!(
                "nothing was recorded under {}: no layer of the recorder was ever made; put `recorder.layer()` into the \
                 subscriber, before the work begins",
                inner.root.display()
            ));
        }
        match inner.options.durability {
            Durability::PageCache => {}
            Durability::Fsync(_) => inner.options.syncs.flush(),
            Durability::Buffered => inner.options.queue.finish(FLUSH),
        }
        inner.options.pruning.finish(FLUSH);
        inner.options.in_use.finish();
        let stats = self.0.stats();
        if inner.options.on_loss.is_some() {
            return;
        }
        let root = inner.root.display();
        if stats.unsynced > 0 {
            let times = stats.unsynced;
            tell(format_args!("what was recorded under {root} could not be forced to the disk, {times} times"));
        }
        if stats.lost() > 0 {
            tell(format_args!("{} events and bodies could not be recorded under {root}: {stats}", stats.lost()));
        }
    }
}
