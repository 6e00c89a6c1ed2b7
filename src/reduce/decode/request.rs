//! Decodes `inference_request` payloads.

use std::borrow::Cow;

use super::item_cache::ItemCache;
use super::items;
use super::listed_item::ListedItem;
use super::payloads::NOT_AN_OBJECT;
use super::provider_conversation_id::ProviderConversationId;
use super::role;
use super::unread_fields::UnreadMember;
use crate::event::ResponseId;
use crate::graph::Role;
use crate::keyed_hash::keyed_hash;
use crate::provider::{self, ApiSet, PermittedEdit, StoredContent};

/// The decoded body of an inference request.
#[derive(Debug)]
pub(in crate::reduce) struct Request {
    pub(in crate::reduce) items: RequestItems,
    /// Id of the response that the request continues. `None` if it continues none.
    pub(in crate::reduce) previous_response_id: Option<ResponseId>,
    /// Id of the conversation, kept by the provider, that the request continues. `None` if it names none.
    pub(in crate::reduce) conversation_id: Option<ProviderConversationId>,
    /// JSON Pointer (RFC 6901) to the model's instructions in the body. `None` if there are none.
    pub(in crate::reduce) instructions: Option<Cow<'static, str>>,
    /// Hash of the instructions if they stand beside the items and are none of them. `None` if there are none.
    pub(in crate::reduce) separate_instructions: Option<u128>,
    /// JSON Pointer (RFC 6901) to the tool definitions in the body. `None` if there are none.
    pub(in crate::reduce) tools: Option<Cow<'static, str>>,
    /// Field that names content that the provider keeps and adds to the conversation, and the id of the content. `None`
    /// if the request names none.
    pub(in crate::reduce) server_side_content: Option<(&'static str, Box<str>)>,
    /// Changes of the conversation that the request permits the provider.
    pub(in crate::reduce) permitted_edits: Vec<PermittedEdit>,
    /// Members of the body that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
}

/// The items of an inference request.
#[derive(Debug)]
pub(in crate::reduce) enum RequestItems {
    /// The items that the body lists.
    Listed(Vec<ListedItem>),
    /// The body is `{}`, which stands for a body that was not recorded.
    NotRecorded,
    /// The body has no list of items in a known field.
    UnknownShape,
}

impl Request {
    /// Parses the body of a request. `responded` are the APIs to which the response of the same call may belong.
    ///
    /// # Errors
    /// Returns the reason, as [`PayloadShape::parse`](super::payloads::PayloadShape::parse) does.
    pub(super) fn parse(text: &str, responded: ApiSet, cache: &ItemCache) -> Result<Self, String> {
        let body = provider::Request::parse(text).ok_or(NOT_AN_OBJECT)?;
        let instructions = body.instructions();
        let previous_response_id = body.previous_response_id().map(|id| ResponseId::from(&*id));
        let conversation_id = body.conversation_id().map(|id| ProviderConversationId::from(&*id));
        let server_side_content = body.server_side_content().map(|StoredContent { field, id }| (field, id.into()));
        let is_kept = previous_response_id.is_some() || conversation_id.is_some() || server_side_content.is_some();
        let items = match items(&body, cache) {
            Some(items) => RequestItems::Listed(with_instructions(items, instructions.as_ref(), cache)),
            None if body.is_empty() => RequestItems::NotRecorded,
            // The provider keeps everything that the model sees.
            None if body.entries().is_none() && is_kept => RequestItems::Listed(Vec::new()),
            None => RequestItems::UnknownShape,
        };
        Ok(Self {
            items,
            previous_response_id,
            conversation_id,
            server_side_content,
            instructions: instructions_pointer(&body, instructions.as_ref()),
            separate_instructions: separate_instructions(instructions.as_ref()),
            tools: body.tools().map(|(pointer, _)| pointer),
            permitted_edits: body.permitted_edits(),
            unread: cache.unread.of_request(&body, responded),
        })
    }
}

/// Returns the JSON Pointer to the instructions of a request: those of the body, else those in its items. Returns `None`
/// if there are none.
fn instructions_pointer(
    body: &provider::Request<'_>,
    instructions: Option<&provider::Instructions<'_>>,
) -> Option<Cow<'static, str>> {
    let is_empty = instructions.is_none_or(|instructions| instructions.content.0.get() == "\"\"");
    let in_items = if is_empty { body.instructions_in_items() } else { None };
    in_items.map(Cow::from).or_else(|| Some(instructions?.pointer.clone()))
}

/// Returns the hash of instructions that are no item of the conversation. Returns `None` if there are none.
fn separate_instructions(instructions: Option<&provider::Instructions<'_>>) -> Option<u128> {
    let instructions = instructions.filter(|instructions| !instructions.is_message)?.content.0.get();
    (!matches!(instructions, "\"\"" | "null" | "[]")).then(|| keyed_hash(instructions.as_bytes()))
}

/// Returns the items of a request without its instructions. Returns `None` if the body has no list of items.
fn items(body: &provider::Request<'_>, cache: &ItemCache) -> Option<Vec<ListedItem>> {
    let entries = body.entries()?;
    if body.has_items() {
        return items::responses_input(entries, cache);
    }
    let default_role = body.default_role().and_then(role::from_name);
    let messages = items::messages(entries, default_role, Role::User, cache)?;
    let documents = body.documents().map(|documents| items::documents(documents, cache)).unwrap_or_default();
    Some([documents, messages].concat())
}

/// Adds the instructions as the first item, if they are part of the conversation.
fn with_instructions(
    items: Vec<ListedItem>,
    instructions: Option<&provider::Instructions<'_>>,
    cache: &ItemCache,
) -> Vec<ListedItem> {
    let instructions = instructions.filter(|instructions| instructions.is_message);
    let system = instructions.map(|instructions| items::content(instructions.content, Role::System, cache));
    let system = system.unwrap_or_default();
    // Some frameworks record the instructions twice: beside the messages, and as the first of them.
    let is_repeated = items.starts_with(&system);
    if is_repeated { items } else { [system, items].concat() }
}
