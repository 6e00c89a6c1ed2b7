//! Phase 1: decodes the bundle's bytes into typed facts.
//!
//! This module reads the log and the payloads and parses the formats of the payloads. It does not relate facts to each
//! other: it keeps no state, does not depend on order, and creates no graph objects except the
//! [`Content`](crate::graph::Content) of a conversation item. No JSON is parsed in later phases.

mod canonical_json;
mod checkpoint;
mod chunks;
mod collect;
mod compaction_response;
mod compaction_responses;
mod content_hash;
mod decode_error;
mod decoded_payloads;
mod delivery;
mod draft;
mod facts;
mod identifying_members;
mod inference_end;
mod invocation;
mod item_cache;
mod item_format;
mod item_notice;
mod items;
mod listed_item;
mod log;
mod mentions;
mod message;
mod output_hash;
mod parsed_item;
mod payloads;
mod provider_conversation_id;
mod request;
mod response;
mod responses;
mod responses_item;
mod role;
mod runtime_event;
mod session_metadata;
mod sourced_answer;
mod tool_result;
mod unnamed;
mod unopened;
mod unread_fields;

pub(super) use canonical_json::integers;
pub(super) use checkpoint::Checkpoint;
pub(super) use facts::{
    CellFact, CompactionRequestFact, ConversationFact, Facts, InferenceEnd, Logged, Outcome, RecordedCompaction,
    RecordedResponse, ResultPayload, RolloutFact, RuntimePayload, StoredResult, StreamedResponse, ThreadFact, ToolFact,
    TurnFact,
};
pub(super) use invocation::{Arguments, Invocation};
pub(super) use item_cache::{DecodedItem, DecodedItems};
pub(super) use item_notice::ItemNotice;
pub(super) use listed_item::{ContentId, ListedId, ListedItem, ProviderIdKey};
pub(super) use mentions::{Mention, Mentions};
pub(super) use output_hash::OutputHash;
pub(super) use payloads::Payload;
pub(super) use provider_conversation_id::ProviderConversationId;
pub(super) use request::{Request, RequestItems};
pub(super) use response::{ResponseBody, ResponseItems};
pub(super) use runtime_event::{Activity, AgentCall, Command};
pub(super) use session_metadata::{SessionMetadata, SpawnedBy};
pub(super) use unopened::report_unreported;
pub(super) use unread_fields::UnreadMember;

use super::{Diagnostics, Options, Work};
use crate::bundle::{self, Reader};

/// Decodes a bundle into facts. Reads each payload that a reduction rule opens once.
///
/// With [`Options::every_body`], the remaining payloads are checked too.
///
/// # Errors
/// Returns an error if the log cannot be read at all.
pub(super) fn decode(
    bundle: &Reader,
    options: &Options,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Result<Facts, bundle::BundleError> {
    let log = log::read(bundle, diagnostics, work)?;
    let cache = item_cache::ItemCache::default();
    let unnamed = unnamed::UnnamedPayloads::find(&log, bundle, &cache, diagnostics, work);
    let log::Log { entries: log, skipped_line_payloads } = log;
    let payloads = decoded_payloads::DecodedPayloads::decode(&log, &unnamed, bundle, &cache, work);
    let unreported = if options.every_body {
        unopened::check(&log, &payloads, bundle, diagnostics, work);
        unopened::unreported(&log, &payloads)
    } else {
        Vec::new()
    };
    let mut facts = collect::collect_facts(log, &payloads, unnamed, cache.into_decoded_items(), diagnostics, work);
    for payload in skipped_line_payloads {
        facts.payloads.add(payload.raw_payload_id.clone(), payload);
    }
    Ok(Facts { unreported, ..facts })
}
