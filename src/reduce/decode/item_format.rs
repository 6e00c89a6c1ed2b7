//! The formats of texts that contain items.

use super::parsed_item::ItemResult;
use super::{message, responses_item};
use crate::graph::Role;

/// The format of a text that contains items. A text may mean different items in different places of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ItemFormat {
    /// An item of the Responses API.
    ResponsesItem,
    /// A text that stands for a list of Responses API items: one user message.
    ResponsesText,
    /// A message of any other API. `default_role` is its role if it has none.
    Message { default_role: Option<Role> },
    /// The content of a message, without the message around it, and its role.
    Content(Role),
}

impl ItemFormat {
    /// Parses the text: one item or, from a message, any number.
    pub(super) fn parse(self, json: &str) -> Vec<ItemResult> {
        match self {
            Self::ResponsesItem => vec![responses_item::parse(json)],
            Self::ResponsesText => vec![responses_item::parse_user_text(json)],
            Self::Message { default_role } => message::parse(json, default_role),
            Self::Content(role) => message::parse_content(json, role),
        }
    }
}
