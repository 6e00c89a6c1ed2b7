//! Tools that a request of the Responses API defines in its list of items, and the instructions beside them.

use serde_json::value::RawValue;

use super::item::{ADDITIONAL_TOOLS, Item, ItemContent};
use super::role_name::RoleName;

/// An item that defines tools.
#[derive(Debug, Clone, Copy)]
pub(super) struct DefinedTools<'a> {
    /// Position of the item in the list, from 0.
    index: usize,
    /// The definitions.
    pub(super) tools: &'a RawValue,
    /// `true` if a message of the developer directly follows the item.
    is_followed_by_instructions: bool,
}

impl<'a> DefinedTools<'a> {
    /// Returns the items of a list that define tools, in order.
    pub(super) fn in_items(items: Vec<&'a RawValue>) -> impl Iterator<Item = Self> {
        (0..items.len()).filter_map(move |index| {
            let tools = definitions(items.get(index)?)?;
            let is_followed_by_instructions = items.get(index + 1).is_some_and(|next| is_developer_message(next));
            Some(Self { index, tools, is_followed_by_instructions })
        })
    }

    /// Returns the path to the definitions, as notices name it, in a body whose list of items is in the field `list`.
    pub(super) fn path(self, list: &str) -> String {
        format!("{list}[{}].tools", self.index)
    }

    /// Returns the JSON Pointer (RFC 6901) to the definitions in a body whose list of items is in the field `list`.
    pub(super) fn pointer(self, list: &str) -> String {
        format!("/{list}/{}/tools", self.index)
    }

    /// Returns the JSON Pointer (RFC 6901) to the developer message after the item, in a body whose list of items is in
    /// the field `list`. Returns `None` if another item follows.
    pub(super) fn instructions_pointer(self, list: &str) -> Option<String> {
        self.is_followed_by_instructions.then(|| format!("/{list}/{}", self.index + 1))
    }
}

/// Returns the tools that an item defines. Returns `None` if it defines none.
fn definitions(item: &RawValue) -> Option<&RawValue> {
    // Few items define tools, and most are long.
    if !item.get().contains(ADDITIONAL_TOOLS) {
        return None;
    }
    let ItemContent::AdditionalTools { tools } = Item::read(item)?.content else { return None };
    tools.filter(|tools| !is_empty_list(tools))
}

/// Returns `true` if an item is a message of the developer.
fn is_developer_message(item: &RawValue) -> bool {
    match Item::read(item).map(|item| item.content) {
        Some(ItemContent::Message { role: RoleName::Named(role), .. }) => role == "developer",
        _ => false,
    }
}

/// Returns `true` if the value is a list without elements.
pub(super) fn is_empty_list(value: &RawValue) -> bool {
    let elements = value.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    elements.is_some_and(|elements| elements.trim().is_empty())
}
