//! A bundle that is being recorded: its writer, and the ids and names that are in use in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;
use uuid::Uuid;

use crate::bundle::{BundleError, Manifest, Sink, WriterOptions};
use crate::event::{
    AgentPath, CallId, ParentProcess, RawJson, RuntimeCellId, ThreadId, Timestamp, ToolCallId, TraceId, TurnId,
};
use crate::layer::session::reentrancy::lock;
use crate::retention::RootRetention;

/// A bundle that is being recorded. Its root thread and all threads spawned below that share it.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) writer: Sink,
    /// Number at the end of the id that was generated last.
    last_generated: AtomicU64,
    open_turns: AtomicUsize,
    thread_ids: Mutex<NameRegistry>,
    turn_ids: Mutex<NameRegistry>,
    tool_ids: Mutex<NameRegistry>,
    /// Ids of code cells by thread: each thread has a runtime that numbers its own cells.
    cell_ids: Mutex<HashMap<ThreadId, NameRegistry>>,
    agent_paths: Mutex<NameRegistry>,
}

impl Bundle {
    /// Creates the bundle of the root thread `thread`.
    ///
    /// # Errors
    /// [`BundleError`] if the bundle's directory cannot be created.
    pub(super) fn create(
        root: &Path,
        thread: &ThreadId,
        at: Timestamp,
        parent: Option<ParentProcess>,
        otel_resource: Option<RawJson>,
        options: WriterOptions,
        retention: Arc<RootRetention>,
    ) -> Result<Self, BundleError> {
        let trace_id = TraceId::from(Uuid::new_v4().to_string());
        let manifest = Manifest::new(trace_id, thread.as_str().into(), thread.clone(), at.unix_ms());
        let manifest = manifest.spawned_by(parent).sent_with(otel_resource);
        let writer = Sink::create(root, manifest, options, Some(retention))?;
        let mut thread_ids = NameRegistry::default();
        thread_ids.claim(thread.as_str(), '#');
        Ok(Self {
            writer,
            last_generated: AtomicU64::new(0),
            open_turns: AtomicUsize::new(0),
            thread_ids: Mutex::new(thread_ids),
            turn_ids: Mutex::default(),
            tool_ids: Mutex::default(),
            cell_ids: Mutex::default(),
            agent_paths: Mutex::default(),
        })
    }

    /// Returns the options of the bundle: limits, masking and the callback for losses.
    pub(super) fn options(&self) -> &WriterOptions {
        self.writer.options()
    }

    /// Returns the name of the bundle's directory. Returns `None` if the bundle is not written to disk, or if the name
    /// is not UTF-8.
    pub(super) fn directory_name(&self) -> Option<&str> {
        self.writer.path().file_name()?.to_str()
    }

    /// Counts a turn that has started.
    pub(super) fn add_open_turn(&self) {
        self.open_turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a turn that has ended.
    pub(super) fn remove_open_turn(&self) {
        self.open_turns.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns `true` if a turn is open in any thread of the bundle.
    pub(super) fn has_open_turn(&self) -> bool {
        self.open_turns.load(Ordering::Relaxed) > 0
    }

    /// Generates an id of the form `<prefix>:<trace id>:<number>`. The trace id is a UUID, so no other process
    /// generates the same id.
    pub(super) fn generate_id<I: for<'a> From<&'a str>>(&self, prefix: &str) -> I {
        let number = self.last_generated.fetch_add(1, Ordering::Relaxed) + 1;
        // Every call that the program gives no id needs a generated one: avoid `format!`, and allocate once.
        let mut digits = itoa::Buffer::new();
        let parts = [prefix, ":", self.writer.manifest().trace_id.as_str(), ":", digits.format(number)];
        let mut name = SmallVec::<[u8; 96]>::new();
        parts.iter().for_each(|part| name.extend_from_slice(part.as_bytes()));
        // Never fails: all parts are UTF-8.
        std::str::from_utf8(&name).unwrap_or_default().into()
    }

    /// Allocates the id of a spawned thread: `requested`, or `<requested>#<k>` if another thread of the bundle has that
    /// id.
    pub(super) fn unique_thread_id(&self, requested: &str) -> ThreadId {
        lock(&self.thread_ids).claim(requested, '#').into()
    }

    /// Allocates the id of a turn: `requested`, or `<requested>#<k>` if another turn of the bundle has that id, as when
    /// a program numbers the turns of each agent from 1.
    pub(super) fn unique_turn_id(&self, requested: &str) -> TurnId {
        lock(&self.turn_ids).claim(requested, '#').into()
    }

    /// Allocates the id of a tool call: `requested`, or `<requested>#<k>` if another tool call of the bundle has that
    /// id.
    pub(super) fn unique_tool_call_id(&self, requested: &CallId) -> ToolCallId {
        lock(&self.tool_ids).claim_shared(requested.as_arc(), '#').into()
    }

    /// Allocates the id of a code cell: `requested`, or `<requested>#<k>` if another cell of the thread has that id.
    pub(super) fn unique_cell_id(&self, thread: &ThreadId, requested: &str) -> RuntimeCellId {
        lock(&self.cell_ids).entry(thread.clone()).or_default().claim(requested, '#').into()
    }

    /// Allocates the path of a spawned agent: `requested`, or `<requested>_<k>` if that path was allocated here before.
    /// Paths that the program chose are not taken into account.
    pub(super) fn unique_agent_path(&self, requested: String) -> AgentPath {
        lock(&self.agent_paths).claim(&requested, '_').into()
    }
}

/// Allocated names, each with the last number that was tried as its suffix.
#[derive(Debug, Default)]
struct NameRegistry(HashMap<Arc<str>, u64>);

impl NameRegistry {
    /// Allocates `requested` if it is unused, else `requested` with the lowest number behind it that is unused and was
    /// not tried before.
    fn claim(&mut self, requested: &str, separator: char) -> Arc<str> {
        match self.0.get(requested).copied() {
            None => self.insert(requested.into()),
            Some(number) => self.claim_numbered(requested, number, separator),
        }
    }

    /// Like [`claim`](Self::claim), without a copy of `requested`.
    fn claim_shared(&mut self, requested: &Arc<str>, separator: char) -> Arc<str> {
        match self.0.entry(Arc::clone(requested)) {
            Entry::Vacant(unused) => {
                unused.insert(1);
                Arc::clone(requested)
            }
            Entry::Occupied(used) => {
                let number = *used.get();
                self.claim_numbered(requested, number, separator)
            }
        }
    }

    /// Allocates `requested` with the first unused number after `number`.
    fn claim_numbered(&mut self, requested: &str, mut number: u64, separator: char) -> Arc<str> {
        let name = loop {
            number += 1;
            let numbered: Arc<str> = format!("{requested}{separator}{number}").into();
            if !self.0.contains_key(&numbered) {
                break numbered;
            }
        };
        self.0.insert(requested.into(), number);
        self.insert(name)
    }

    fn insert(&mut self, name: Arc<str>) -> Arc<str> {
        self.0.insert(Arc::clone(&name), 1);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::UnixMillis;

    #[test]
    fn repeated_call_ids_are_numbered() {
        let root = tempfile::tempdir().expect("a directory");
        let (at, options, retention) = (UnixMillis(0).into(), WriterOptions::default(), Arc::default());
        let bundle = Bundle::create(root.path(), &"t".into(), at, None, None, options, retention).expect("made");
        let id = |requested: &str| bundle.unique_tool_call_id(&requested.into()).to_string();
        assert_eq!([id("a"), id("a"), id("a"), id("b")], ["a", "a#2", "a#3", "b"]);
        assert_eq!([id("c#2"), id("c"), id("c"), id("c")], ["c#2", "c", "c#3", "c#4"]);
    }
}
