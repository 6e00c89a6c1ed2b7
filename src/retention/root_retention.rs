//! The retention of a recorder's root directory, as the recorder uses it.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::in_use::{Claims, InUse};
use super::pruning::Pruner;
use crate::bundle::{Bounds, OnCreate, Tally};

/// Claims the bundles that a recorder creates, and removes old bundles when it creates one.
#[derive(Debug, Default)]
pub(crate) struct RootRetention {
    bounds: Bounds,
    /// Counters of the recorder, for the bundles that are removed.
    tally: Arc<Tally>,
    in_use: Arc<InUse>,
    pruner: Pruner,
}

impl RootRetention {
    /// Creates the retention of a recorder whose root directory has these bounds.
    pub(crate) fn new(bounds: Bounds, tally: Arc<Tally>) -> Self {
        Self { bounds, tally, in_use: Arc::default(), pruner: Pruner::default() }
    }

    /// Removes the lock files of dead processes whose bundles are all gone.
    pub(crate) fn remove_dead_files(root: &Path) {
        // Reading the claims removes such files.
        let _ = Claims::read(root);
    }

    /// Ends the retention with its recorder: waits until the removal of old bundles has finished, at most `within`, and
    /// releases the lock file when the last bundle is no longer in use.
    pub(crate) fn finish(&self, within: Duration) {
        self.pruner.finish(within);
        self.in_use.finish();
    }
}

impl OnCreate for RootRetention {
    fn before(&self, root: &Path, name: &str) -> Option<Box<dyn Any + Send + Sync>> {
        Some(Box::new(self.in_use.claim(root, name)?))
    }

    fn after(&self, bundle: &Path) {
        self.pruner.wake(bundle, self.bounds, &self.tally);
    }
}
