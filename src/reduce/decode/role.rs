//! The roles of messages, as bodies name them.

use crate::graph::Role;

/// Returns the role of this name. Returns `None` if it is unknown.
pub(super) fn from_name(name: &str) -> Option<Role> {
    match name {
        "system" => Some(Role::System),
        "developer" => Some(Role::Developer),
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        "tool" => Some(Role::Tool),
        _ => None,
    }
}
