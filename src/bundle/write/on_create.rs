//! What a recorder does when a bundle is created.

use std::any::Any;
use std::fmt;
use std::path::Path;

/// Called around the creation of a bundle, by the thread that creates it. With
/// [`Durability::Buffered`](crate::bundle::Durability::Buffered) that is the writer thread.
pub(crate) trait OnCreate: fmt::Debug + Send + Sync {
    /// Called before the directory `name` appears under `root`, which exists. The writer keeps the result as long as it
    /// may write to the bundle.
    fn before(&self, root: &Path, name: &str) -> Option<Box<dyn Any + Send + Sync>>;

    /// Called when the bundle exists, before anything is written to it.
    fn after(&self, bundle: &Path);
}
