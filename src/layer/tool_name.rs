//! Names of tools, which come again and again: a thread remembers the last ones, so that a call need not allocate its.

use std::cell::RefCell;
use std::sync::Arc;

/// How many names a thread remembers, …
const NAMES: usize = 8;

/// … of those that are no longer than this, in bytes.
const LONGEST: usize = 128;

thread_local! {
    static LAST: RefCell<Last> = const { RefCell::new(Last { names: [const { None }; NAMES], next: 0 }) };
}

struct Last {
    names: [Option<Arc<str>>; NAMES],
    /// The one to be forgotten next.
    next: usize,
}

/// The text, shared with the last calls of the same tool.
pub(super) fn tool_name(name: &str) -> Arc<str> {
    if name.len() > LONGEST {
        return name.into();
    }
    // A thread that is ending remembers nothing.
    LAST.try_with(|last| last.borrow_mut().find(name)).unwrap_or_else(|_| name.into())
}

impl Last {
    fn find(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.iter().flatten().find(|known| &***known == name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names[self.next] = Some(Arc::clone(&name));
        self.next = (self.next + 1) % NAMES;
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_names_are_shared_and_others_are_forgotten() {
        let first = tool_name("first");
        assert!(Arc::ptr_eq(&first, &tool_name("first")));
        let others: Vec<_> = (0..NAMES).map(|number| tool_name(&format!("{number}"))).collect();
        assert!(others.iter().all(|name| Arc::ptr_eq(name, &tool_name(name))));
        assert_eq!(Arc::strong_count(&first), 1);
        let long = "x".repeat(LONGEST + 1);
        assert!(!Arc::ptr_eq(&tool_name(&long), &tool_name(&long)));
    }
}
