//! Decodes `compaction_response` payloads.

use serde::de::IgnoredAny;

use super::item_cache::ItemCache;
use super::payloads::{PayloadShape, UnusablePayload};
use super::unread_fields::UnreadMember;
use crate::provider::{self, ReportedUsage};

/// The decoded body of the response to a compaction request. Its items count only once they are installed.
#[derive(Debug)]
pub(in crate::reduce) struct CompactionResponse {
    pub(in crate::reduce) usage: ReportedUsage,
    /// Members of the body that no rule reads.
    pub(in crate::reduce) unread: Vec<UnreadMember>,
}

impl PayloadShape for CompactionResponse {
    /// A response that is no object, but for example a text, has no usage.
    fn parse(text: &str, cache: &ItemCache) -> Result<Self, String> {
        if let Some(body) = provider::Response::parse(text) {
            return Ok(Self { usage: body.usage(), unread: cache.unread.of_response(&body) });
        }
        let json = serde_json::from_str::<IgnoredAny>(text);
        json.map(|_| Self { usage: ReportedUsage::default(), unread: Vec::new() })
            .map_err(|error| format!("is not JSON: {error}"))
    }

    fn parse_truncated(text: &str, cache: &ItemCache, unusable: UnusablePayload) -> Result<Self, UnusablePayload> {
        Self::parse(text, cache).map_err(|_| unusable)
    }
}
