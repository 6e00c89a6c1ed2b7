//! Interned names of tools. The same few names recur, so each thread caches the most recent ones and a tool call
//! usually allocates no name.

use std::cell::RefCell;
use std::sync::Arc;

/// Number of names that a thread caches.
const CAPACITY: usize = 8;

/// Maximum length of a cached name, in bytes.
const MAX_NAME_BYTES: usize = 128;

thread_local! {
    static RECENT: RefCell<RecentNames> = const { RefCell::new(RecentNames { names: [const { None }; CAPACITY], next: 0 }) };
}

/// A ring buffer of tool names.
struct RecentNames {
    names: [Option<Arc<str>>; CAPACITY],
    /// Index of the name that is replaced next.
    next: usize,
}

/// Returns the name, shared with recent calls of the same tool.
pub(in crate::layer) fn intern_tool_name(name: &str) -> Arc<str> {
    if name.len() > MAX_NAME_BYTES {
        return name.into();
    }
    // A thread that is ending has no cache any more.
    RECENT.try_with(|recent| recent.borrow_mut().intern(name)).unwrap_or_else(|_| name.into())
}

impl RecentNames {
    /// Returns the cached name that equals `name`, or caches it in place of the oldest one.
    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.iter().flatten().find(|known| &***known == name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names[self.next] = Some(Arc::clone(&name));
        self.next = (self.next + 1) % CAPACITY;
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_names_are_shared_and_older_ones_are_evicted() {
        let first = intern_tool_name("first");
        assert!(Arc::ptr_eq(&first, &intern_tool_name("first")));
        let others: Vec<_> = (0..CAPACITY).map(|number| intern_tool_name(&format!("{number}"))).collect();
        assert!(others.iter().all(|name| Arc::ptr_eq(name, &intern_tool_name(name))));
        assert_eq!(Arc::strong_count(&first), 1);
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        assert!(!Arc::ptr_eq(&intern_tool_name(&long), &intern_tool_name(&long)));
    }
}
