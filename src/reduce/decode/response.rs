//! Decodes `inference_response` payloads.

use super::item_cache::ItemCache;
use super::items;
use super::listed_item::ListedItem;
use super::payloads::{NOT_AN_OBJECT, PayloadShape, UnusablePayload};
use super::provider_conversation_id::ProviderConversationId;
use super::unread_fields::UnreadMember;
use crate::event::ResponseId;
use crate::graph::Role;
use crate::provider::{self, ApiSet, Output, ReportedUsage};

/// The decoded body of an inference response.
#[derive(Debug)]
pub(in crate::reduce) struct ResponseBody {
    pub(in crate::reduce) response_id: Option<ResponseId>,
    /// Id of the conversation, kept by the provider, to which the output was added. `None` if the response names none.
    pub(in crate::reduce) conversation_id: Option<ProviderConversationId>,
    pub(in crate::reduce) items: ResponseItems,
    /// JSON Pointer (RFC 6901) to the instructions that the provider made of a stored prompt. `None` if there are none.
    pub(in crate::reduce) instructions: Option<&'static str>,
    pub(in crate::reduce) usage: ReportedUsage,
    /// The error that the provider reports in the body. `None` if it reports none.
    pub(in crate::reduce) error: Option<String>,
    /// Members of the body that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
    /// The APIs to which the body may belong.
    pub(super) apis: ApiSet,
}

/// The items of an inference response.
#[derive(Debug)]
pub(in crate::reduce) enum ResponseItems {
    /// The items that the body lists.
    Listed(Vec<ListedItem>),
    /// The body is `{}`, or has only span attributes other than the output: the response was recorded without its
    /// content.
    NotRecorded,
    /// The body has no list of items in a known field.
    UnknownShape,
    /// Only head and tail of the body were stored.
    Truncated(UnusablePayload),
}

impl PayloadShape for ResponseBody {
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        let body = provider::Response::parse(text).ok_or(NOT_AN_OBJECT)?;
        Ok(Self {
            response_id: body.id().map(|id| ResponseId::from(&*id)),
            conversation_id: body.conversation_id().map(|id| ProviderConversationId::from(&*id)),
            items: match items(&body, cache) {
                Some(items) => ResponseItems::Listed(items),
                None if !body.is_recorded() => ResponseItems::NotRecorded,
                None => ResponseItems::UnknownShape,
            },
            instructions: body.rendered_instructions(),
            usage: body.usage(),
            error: body.error(),
            unread: cache.unread.of_response(&body),
            apis: body.api_set(),
        })
    }

    /// Only the usage is read, if head or tail contain it.
    fn parse_truncated(text: &str, _: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        let Some(body) = provider::Response::parse(text) else { return Err(unusable) };
        Ok(Self {
            response_id: None,
            conversation_id: None,
            items: ResponseItems::Truncated(unusable),
            instructions: None,
            usage: body.usage(),
            error: None,
            unread: Vec::new(),
            apis: ApiSet::default(),
        })
    }
}

/// Returns the items of the output. Of several alternative messages only the first is taken, because the conversation
/// continues with it. Returns `None` for output of an unknown type.
fn items(body: &provider::Response<'_>, cache: &ItemCache) -> Option<Vec<ListedItem>> {
    match body.output() {
        Output::Items(items) => Some(items::answer_items(items, &body.sources(), cache)),
        Output::Choices(choices) => {
            let message = choices.first().and_then(|choice| choice.message);
            Some(message.map(|message| items::answer(message, &body.sources(), cache)).unwrap_or_default())
        }
        Output::Content(content) => Some(items::content(*content, Role::Assistant, cache)),
        Output::AttributeMessages(messages) => {
            items::attribute(messages, Some(Role::Assistant), Role::Assistant, cache)
        }
        Output::Empty => Some(Vec::new()),
        Output::Unknown => None,
    }
}
