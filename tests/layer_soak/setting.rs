//! The ways to record: each must hold memory and files flat.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use otel_trace::{AgentThread, Bounds, Durability, Limits, Operation, Recorder, RecorderGuard, Store, ThreadMeta};
use tempfile::TempDir;

use super::level::Level;
use super::{disk, work};

/// How everything is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Files,
    Pack,
    /// A pack behind a queue.
    Buffered,
    /// Files, of which few are kept: of a root, and of a run that goes on.
    Bounded,
}

/// Bundles that are kept of a bounded root, but for those in use.
const BUNDLES: u64 = 64;

/// Events of a bounded bundle: more than a run has, and less than a conversation after few laps.
const EVENTS: u64 = 100;

impl Setting {
    pub(crate) const ALL: [Self; 4] = [Self::Files, Self::Pack, Self::Buffered, Self::Bounded];

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

    /// What may be held beyond the level after the warm-up. On the heap no more than a few hundred bytes were seen, but
    /// for a queue, which keeps the room that it once took; the files are those of the conversations, which may rest
    /// or not, each a log and a pack; what the allocator keeps resident is its own affair, within limits.
    pub(crate) fn slack(self) -> Level {
        let conversations = usize::try_from(work::CONVERSATIONS).unwrap();
        let (heap, files) = match self {
            Self::Files => (16 * 1024, conversations),
            Self::Pack => (16 * 1024, 2 * conversations),
            Self::Buffered => (4 * 1024 * 1024, 2 * conversations),
            Self::Bounded => (64 * 1024, conversations),
        };
        Level { heap, resident: 32 * 1024 * 1024, files }
    }

    /// Waits until all of a lap is written. A queue is emptied in order: when a last bundle is whole, so are all before.
    pub(crate) fn settle(self, root: &Path, lap: u64) {
        match self {
            Self::Files | Self::Pack | Self::Bounded => {}
            Self::Buffered => {
                let id = format!("last-of-lap-{lap}");
                AgentThread::start(ThreadMeta::new().id(&id)).complete();
                let is_last = |bundle: &PathBuf| bundle.to_string_lossy().ends_with(&id);
                let is_whole = |bundle: PathBuf| {
                    fs::read_to_string(bundle.join("trace.jsonl")).is_ok_and(|log| log.contains("rollout_ended"))
                };
                while !disk::bundles(root).into_iter().find(is_last).is_some_and(is_whole) {
                    thread::yield_now();
                }
            }
        }
    }

    /// Whether what is over is removed by the recorder.
    pub(crate) fn removes(self) -> bool {
        match self {
            Self::Files | Self::Pack | Self::Buffered => false,
            Self::Bounded => true,
        }
    }

    /// How many bundles there may be at most that the recorder is done with.
    pub(crate) fn most_bundles(self) -> Option<usize> {
        self.removes().then(|| usize::try_from(BUNDLES).unwrap())
    }
}
