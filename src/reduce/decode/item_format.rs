//! The formats of texts that contain items.

use super::parsed_item::ItemResult;
use super::{message, responses_item};
use crate::graph::Role;

/// The format of a JSON text from a body that contains items. The same text may mean different items in different
/// places of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ItemFormat {
    /// An item object of the Responses API.
    ResponsesItem,
    /// A string in place of a list of Responses API items: the text of one user message.
    ResponsesText,
    /// A message object of any other API. `default_role` is the role of a message without a role.
    Message { default_role: Option<Role> },
    /// The content of a message, without the message object around it. Contains the role of the message.
    Content(Role),
    /// A list of documents for the model to read.
    Documents,
    /// A [`SourcedAnswer`](super::sourced_answer::SourcedAnswer) that is a message.
    SourcedMessage,
    /// A [`SourcedAnswer`](super::sourced_answer::SourcedAnswer) that is an item of the Responses API.
    SourcedItem,
}

impl ItemFormat {
    /// Parses a text in this format. A Responses API text has one item at most, a message any number.
    pub(super) fn parse(self, json: &str) -> Vec<ItemResult> {
        match self {
            Self::ResponsesItem => responses_item::parse(json).into_iter().collect(),
            Self::ResponsesText => vec![responses_item::parse_user_text(json)],
            Self::Message { default_role } => message::parse(json, default_role),
            Self::Content(role) => message::parse_content(json, role),
            Self::Documents => message::parse_documents(json),
            Self::SourcedMessage => message::parse_sourced(json),
            Self::SourcedItem => responses_item::parse_sourced(json).into_iter().collect(),
        }
    }
}
