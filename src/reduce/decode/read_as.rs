//! As what a text is read into items.

use super::reading::Reading;
use super::{message, responses_item};
use crate::graph::Role;

/// As what a text is read. The same text may be different things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ReadAs {
    /// An item of the Responses API.
    ResponsesItem,
    /// Text that stands for a list of such items: what the user says.
    ResponsesText,
    /// A message of any other shape; by whom, where it does not say.
    Message { otherwise: Option<Role> },
    /// The content of a message alone, and whose it is.
    Content(Role),
}

impl ReadAs {
    /// What the text says: one item or, of a message, any number.
    pub(super) fn read(self, json: &str) -> Vec<Reading> {
        match self {
            Self::ResponsesItem => vec![responses_item::read(json)],
            Self::ResponsesText => vec![responses_item::read_user_text(json)],
            Self::Message { otherwise } => message::read(json, otherwise),
            Self::Content(role) => message::read_content(json, role),
        }
    }
}
