//! A bundle while it is recorded: its writer, and the names that were used in it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;
use uuid::Uuid;

use crate::bundle::{BundleError, Manifest, Sink, WriterOptions};
use crate::event::{AgentPath, CallId, ParentProcess, RuntimeCellId, ThreadId, Timestamp, ToolCallId, TraceId, TurnId};
use crate::layer::recorder::locked;

#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) writer: Sink,
    last_name: AtomicU64,
    thread_ids: Mutex<Names>,
    turn_ids: Mutex<Names>,
    tool_ids: Mutex<Names>,
    /// Of each thread's runtime.
    cell_ids: Mutex<HashMap<ThreadId, Names>>,
    agent_paths: Mutex<Names>,
}

impl Bundle {
    /// Makes the bundle of a root thread.
    pub(super) fn create(
        root: &Path,
        thread: &ThreadId,
        at: Timestamp,
        parent: Option<ParentProcess>,
        options: WriterOptions,
    ) -> Result<Self, BundleError> {
        let trace_id = TraceId::from(Uuid::new_v4().to_string());
        let manifest = Manifest::new(trace_id, thread.as_str().into(), thread.clone(), at.unix_ms()).spawned_by(parent);
        let writer = Sink::create(root, manifest, options)?;
        let mut thread_ids = Names::default();
        thread_ids.free(thread.as_str(), '#');
        Ok(Self {
            writer,
            last_name: AtomicU64::new(0),
            thread_ids: Mutex::new(thread_ids),
            turn_ids: Mutex::default(),
            tool_ids: Mutex::default(),
            cell_ids: Mutex::default(),
            agent_paths: Mutex::default(),
        })
    }

    /// How what is recorded is treated.
    pub(super) fn options(&self) -> &WriterOptions {
        self.writer.options()
    }

    /// The name of its directory.
    pub(super) fn name(&self) -> Option<&str> {
        self.writer.path().file_name()?.to_str()
    }

    /// A name that no process uses twice: the bundle's UUID makes it so.
    pub(super) fn unique<I: for<'a> From<&'a str>>(&self, what: &str) -> I {
        let number = self.last_name.fetch_add(1, Ordering::Relaxed) + 1;
        // Every call without an id asks for this: without the detours of formatting, and with one allocation.
        let mut digits = itoa::Buffer::new();
        let parts = [what, ":", self.writer.manifest().trace_id.as_str(), ":", digits.format(number)];
        let mut name = SmallVec::<[u8; 96]>::new();
        parts.iter().for_each(|part| name.extend_from_slice(part.as_bytes()));
        // It is made of whole texts.
        std::str::from_utf8(&name).unwrap_or_default().into()
    }

    /// The id of a spawned thread: `wanted` if no thread of the bundle has it, else `<wanted>#<k>`.
    pub(super) fn thread_id(&self, wanted: &str) -> ThreadId {
        locked(&self.thread_ids).free(wanted, '#').into()
    }

    /// The id of a turn, likewise: programs number the turns of each agent.
    pub(super) fn turn_id(&self, wanted: &str) -> TurnId {
        locked(&self.turn_ids).free(wanted, '#').into()
    }

    /// The id of a tool call, likewise.
    pub(super) fn tool_call_id(&self, wanted: &CallId) -> ToolCallId {
        locked(&self.tool_ids).free_shared(wanted.as_arc(), '#').into()
    }

    /// The id of a code cell: `wanted` if no cell of the thread has it, else `<wanted>#<k>`.
    pub(super) fn cell_id(&self, thread: &ThreadId, wanted: &str) -> RuntimeCellId {
        locked(&self.cell_ids).entry(thread.clone()).or_default().free(wanted, '#').into()
    }

    /// The path of a spawned agent: `wanted` if no agent that was named here has it, else `<wanted>_<k>`.
    pub(super) fn agent_path(&self, wanted: String) -> AgentPath {
        locked(&self.agent_paths).free(&wanted, '_').into()
    }
}

/// Names that were given, each once.
#[derive(Debug, Default)]
struct Names(HashMap<Arc<str>, u64>);

impl Names {
    /// `wanted` if it is free, else with the lowest free number behind it that was not tried before.
    fn free(&mut self, wanted: &str, separator: char) -> Arc<str> {
        match self.0.get(wanted).copied() {
            None => self.take(wanted.into()),
            Some(number) => self.numbered(wanted, number, separator),
        }
    }

    /// The same, of a text that can be shared.
    fn free_shared(&mut self, wanted: &Arc<str>, separator: char) -> Arc<str> {
        match self.0.get(wanted).copied() {
            None => self.take(Arc::clone(wanted)),
            Some(number) => self.numbered(wanted, number, separator),
        }
    }

    fn numbered(&mut self, wanted: &str, mut number: u64, separator: char) -> Arc<str> {
        let name = loop {
            number += 1;
            let numbered: Arc<str> = format!("{wanted}{separator}{number}").into();
            if !self.0.contains_key(&numbered) {
                break numbered;
            }
        };
        self.0.insert(wanted.into(), number);
        self.take(name)
    }

    fn take(&mut self, name: Arc<str>) -> Arc<str> {
        self.0.insert(Arc::clone(&name), 1);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::UnixMillis;

    #[test]
    fn a_call_id_that_comes_again_gets_a_number() {
        let root = tempfile::tempdir().expect("a directory");
        let bundle = Bundle::create(root.path(), &"t".into(), UnixMillis(0).into(), None, WriterOptions::default());
        let bundle = bundle.expect("made");
        let id = |wanted: &str| bundle.tool_call_id(&wanted.into()).to_string();
        assert_eq!([id("a"), id("a"), id("a"), id("b")], ["a", "a#2", "a#3", "b"]);
        assert_eq!([id("c#2"), id("c"), id("c"), id("c")], ["c#2", "c", "c#3", "c#4"]);
    }
}
