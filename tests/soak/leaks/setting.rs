//! Settings of the recorder. Memory and open files must stay flat with each of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use otel_trace::{AgentThread, Bounds, Durability, Limits, Operation, Recorder, RecorderGuard, Store, ThreadMeta};
use tempfile::TempDir;

use super::resources::Resources;
use super::{disk, workload};

/// A setting of the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Files,
    Pack,
    /// A pack behind the write queue.
    Buffered,
    /// Files, with a retention for the root and a quota for each bundle.
    Bounded,
}

/// Maximum number of bundles in a bounded root, without those in use.
const BUNDLES: u64 = 64;

/// Maximum number of events in a bounded bundle. A run has fewer events, a conversation has more after a few laps.
const EVENTS: u64 = 100;

impl Setting {
    pub(crate) const ALL: [Self; 4] = [Self::Files, Self::Pack, Self::Buffered, Self::Bounded];

    /// Creates a recorder with this setting and a temporary root directory.
    pub(crate) fn recorder(self) -> (TempDir, Recorder, RecorderGuard) {
        let root = tempfile::tempdir().unwrap();
        let builder = Recorder::builder().root(root.path()).no_parent();
        let bounds = Limits::default().root(Bounds::new().count(BUNDLES)).bundle(Bounds::new().count(EVENTS));
        let builder = match self {
            Self::Files => builder,
            Self::Pack => builder.store(Store::Pack),
            Self::Buffered => builder.store(Store::Pack).durability(Durability::Buffered),
            Self::Bounded => builder.limits(bounds),
        };
        let (recorder, guard) = builder.build().unwrap();
        (root, recorder, guard)
    }

    /// Returns the resources that may be used in addition to those after the warm-up.
    ///
    /// The heap grew by no more than a few hundred bytes in experiments, except with a queue, which keeps its capacity.
    /// The files are the logs and packs of the conversations, which may be open or closed. The allocator decides how
    /// much memory stays resident, within this limit.
    pub(crate) fn slack(self) -> Resources {
        let conversations = usize::try_from(workload::CONVERSATIONS).unwrap();
        let (heap, files) = match self {
            Self::Files => (16 * 1024, conversations),
            Self::Pack => (16 * 1024, 2 * conversations),
            Self::Buffered => (4 * 1024 * 1024, 2 * conversations),
            Self::Bounded => (64 * 1024, conversations),
        };
        Resources { heap, resident: 32 * 1024 * 1024, files }
    }

    /// Waits until every event of a lap is written. A queue is emptied in order, so that all earlier bundles are
    /// complete once an additional last bundle is.
    pub(crate) fn settle(self, root: &Path, lap: u64) {
        match self {
            Self::Files | Self::Pack | Self::Bounded => {}
            Self::Buffered => {
                let id = format!("last-of-lap-{lap}");
                AgentThread::start(ThreadMeta::new().id(&id)).complete();
                let is_last = |bundle: &PathBuf| bundle.to_string_lossy().ends_with(&id);
                let is_complete = |bundle: PathBuf| {
                    fs::read_to_string(bundle.join("trace.jsonl")).is_ok_and(|log| log.contains("rollout_ended"))
                };
                while !disk::bundles(root).into_iter().find(is_last).is_some_and(is_complete) {
                    thread::yield_now();
                }
            }
        }
    }

    /// Returns `true` if the recorder removes ended bundles.
    pub(crate) fn removes_bundles(self) -> bool {
        match self {
            Self::Files | Self::Pack | Self::Buffered => false,
            Self::Bounded => true,
        }
    }

    /// Returns the maximum number of ended bundles. Returns `None` if it is unlimited.
    pub(crate) fn most_bundles(self) -> Option<usize> {
        self.removes_bundles().then(|| usize::try_from(BUNDLES).unwrap())
    }
}
