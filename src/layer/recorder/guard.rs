//! The end of a recording: [`RecorderGuard`].

use std::sync::Arc;
use std::time::Duration;

use crate::bundle::Durability;
use crate::layer::session::Session;
use crate::layer::session::stderr::report;

/// Maximum time that the guard waits for the write queue, and again for the removal of old bundles.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the recording when dropped. Keep it until the program ends.
///
/// Operations that are still open are ended: threads, turns and rollouts as aborted, inference and tool calls as
/// cancelled. A turn in which nothing is left to do is completed: a model has given its answer and asked for no tool. So
/// are a thread and a rollout without an aborted turn. Live spans end too. Anything that is recorded later is counted as lost. If anything was lost and no
/// [`on_loss`](crate::layer::RecorderBuilder::on_loss) callback is set, one line on stderr reports it. Another line
/// reports that nothing was recorded at all, because of a missing layer or because no span of an operation reached it.
///
/// With [`Durability::Buffered`], the write queue is drained first, for at most 5 s; entries that remain are lost. With
/// [`Durability::Fsync`], everything that is not yet on the disk is forced to it. If the root directory has bounds
/// ([`Limits::root`](crate::Limits::root)), the drop also waits for a running removal of other bundles, for at most 5 s
/// more; the next recording under that root continues it.
#[derive(Debug)]
#[must_use = "dropping the guard ends the recording"]
pub struct RecorderGuard(Arc<Session>);

impl RecorderGuard {
    pub(super) fn new(recorder: Arc<Session>) -> Self {
        Self(recorder)
    }
}

impl Drop for RecorderGuard {
    fn drop(&mut self) {
        let inner = &self.0;
        if inner.is_copy() {
            // The threads that a shutdown waits for are in the other process, and so are the files that it would close.
            std::mem::forget(Arc::clone(inner));
            return;
        }
        inner.shut_down();
        if inner.options.is_noop {
            return;
        }
        if !inner.had_layer() {
            report(format_args!(
                "nothing was recorded under {}: no layer of the recorder was created while its guard lived; hold the \
                 guard (`let (recorder, _guard) = …`), and add `recorder.layer()` to the subscriber",
                inner.root.display()
            ));
        }
        match inner.options.durability {
            Durability::PageCache => {}
            Durability::Fsync(_) => inner.options.sync_scheduler.flush(),
            Durability::Buffered => inner.options.worker.finish(FLUSH_TIMEOUT),
        }
        inner.retention.finish(FLUSH_TIMEOUT);
        let stats = inner.options.tally.stats();
        let root = inner.root.display();
        if inner.had_layer() && stats.events.is_empty() && stats.lost() == 0 {
            report(format_args!(
                "nothing was recorded under {root}: the layer received no span of an operation; give spans the field \
                 `gen_ai.operation.name` or `otel_trace.kind`, or open handles while the subscriber is the current one"
            ));
        }
        if inner.options.on_loss.is_some() {
            return;
        }
        if stats.unsynced > 0 {
            let times = stats.unsynced;
            report(format_args!(
                "data recorded under {root} could not be forced to the disk ({times} times); it may not survive a power failure"
            ));
        }
        if stats.lost() > 0 {
            report(format_args!("{} events and payloads could not be recorded under {root}: {stats}", stats.lost()));
        }
    }
}
