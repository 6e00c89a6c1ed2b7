//! The end of a recording.

use super::Recorder;
use super::stderr::tell;

/// Ends the recording when it is dropped: keep it until the program ends.
///
/// Windows that are still open then are ended: threads, turns and rollouts as aborted, inference and tool calls as
/// cancelled. What comes later is counted and ignored. If anything was lost and no
/// [`on_loss`](super::Builder::on_loss) told of it, one line on stderr does.
#[derive(Debug)]
#[must_use = "dropping the guard ends the recording"]
pub struct Guard(Recorder);

impl Guard {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(recorder)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let inner = &self.0.0;
        inner.shut_down();
        if !inner.had_layer() {
            tell(format_args!(
                "nothing was recorded under {}: no layer of the recorder was ever made; put `recorder.layer()` into the \
                 subscriber, before the work begins",
                inner.root.display()
            ));
        }
        let stats = self.0.stats();
        if stats.lost() > 0 && inner.options.on_loss.is_none() {
            let root = inner.root.display();
            tell(format_args!("{} events and bodies could not be recorded under {root}: {stats}", stats.lost()));
        }
    }
}
