//! The open bundles with their threads: [`OpenBundles`].

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use super::reentrancy::lock;

/// A thread, which only the room of operations knows by type.
type AnyThread = dyn Any + Send + Sync;

/// The threads of each open bundle, by the addresses of the bundle and the thread. A thread is open until it and its last
/// turn have ended, and a bundle as long as its root thread. An event that names an operation without standing in its
/// thread is looked up here.
#[derive(Debug, Default)]
pub(in crate::layer) struct OpenBundles(Mutex<HashMap<usize, Threads>>);

#[derive(Debug, Default)]
struct Threads {
    /// The root thread, as long as it is open.
    root: Option<usize>,
    open: HashMap<usize, Weak<AnyThread>>,
}

impl OpenBundles {
    /// Adds a thread that has started. The bundle is open from the start of its root thread.
    pub(in crate::layer) fn add<T: Any + Send + Sync>(&self, bundle: usize, thread: &Arc<T>, is_root: bool) {
        let address = Arc::as_ptr(thread).addr();
        let thread: Weak<T> = Arc::downgrade(thread);
        let mut bundles = lock(&self.0);
        if is_root {
            bundles.entry(bundle).or_default().root = Some(address);
        }
        // A thread that starts after the end of its bundle's root thread is not found.
        if let Some(threads) = bundles.get_mut(&bundle) {
            threads.open.insert(address, thread);
        }
    }

    /// Removes a thread that is over. With the root thread, the bundle is.
    pub(in crate::layer) fn remove<T>(&self, bundle: usize, thread: &T) {
        let address = std::ptr::from_ref(thread).addr();
        let mut bundles = lock(&self.0);
        let Some(threads) = bundles.get_mut(&bundle) else { return };
        threads.open.remove(&address);
        if threads.root == Some(address) {
            bundles.remove(&bundle);
        }
    }

    /// Returns the open threads of a bundle. Returns none if the bundle is not open.
    pub(in crate::layer) fn threads<T: Any + Send + Sync>(&self, bundle: usize) -> Vec<Arc<T>> {
        let threads: Vec<_> = lock(&self.0).get(&bundle).map(Threads::upgrade).unwrap_or_default();
        threads.into_iter().filter_map(|thread| thread.downcast().ok()).collect()
    }

    /// Returns the root thread of the only open bundle. Returns `None` if no bundle is open, or several are.
    pub(in crate::layer) fn only_root<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let root = {
            let bundles = lock(&self.0);
            let threads = bundles.values().next().filter(|_| bundles.len() == 1)?;
            threads.open.get(&threads.root?)?.upgrade()?
        };
        root.downcast().ok()
    }
}

impl Threads {
    fn upgrade(&self) -> Vec<Arc<AnyThread>> {
        self.open.values().filter_map(Weak::upgrade).collect()
    }
}
