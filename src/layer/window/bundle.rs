//! A bundle while it is recorded: its writer, and the names that were used in it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::bundle::{Error, Manifest, Writer, WriterOptions};
use crate::event::{ThreadId, ToolCallId, TraceId, UnixMillis};
use crate::layer::recorder::locked;

#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) writer: Writer,
    last_name: AtomicU64,
    /// How often each tool call's id was used.
    tool_ids: Mutex<HashMap<ToolCallId, u64>>,
}

impl Bundle {
    /// Makes the bundle of a root thread.
    pub(super) fn create(
        root: &Path,
        thread: &ThreadId,
        at: UnixMillis,
        options: WriterOptions,
    ) -> Result<Self, Error> {
        let trace_id = TraceId::from(Uuid::new_v4().to_string());
        let manifest = Manifest::new(trace_id, thread.as_str().into(), thread.clone(), at);
        let writer = Writer::create(root, manifest, options)?;
        Ok(Self { writer, last_name: AtomicU64::new(0), tool_ids: Mutex::default() })
    }

    /// A name that no process uses twice: the bundle's UUID makes it so.
    pub(super) fn unique(&self, what: &str) -> String {
        let number = self.last_name.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{what}:{}:{number}", self.writer.manifest().trace_id)
    }

    /// The id of a tool call: `wanted` if no call of the bundle has it, else `<wanted>#<k>`.
    pub(super) fn tool_call_id(&self, wanted: &str) -> ToolCallId {
        let mut used = locked(&self.tool_ids);
        let mut id = ToolCallId::from(wanted);
        loop {
            match used.entry(id.clone()) {
                Entry::Vacant(unused) => {
                    unused.insert(1);
                    return id;
                }
                Entry::Occupied(mut times) => {
                    *times.get_mut() += 1;
                    id = ToolCallId::from(format!("{id}#{}", times.get()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_that_comes_again_gets_a_number() {
        let root = tempfile::tempdir().expect("a directory");
        let bundle = Bundle::create(root.path(), &"t".into(), UnixMillis(0), WriterOptions::default()).expect("made");
        let id = |wanted: &str| bundle.tool_call_id(wanted).to_string();
        assert_eq!([id("a"), id("a"), id("a"), id("b")], ["a", "a#2", "a#3", "b"]);
        assert_eq!([id("c#2"), id("c"), id("c"), id("c")], ["c#2", "c", "c#2#2", "c#3"]);
    }
}
