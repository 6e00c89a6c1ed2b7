//! Decides what the response of each compaction request is, and decodes it: the body that the program recorded, else the
//! bytes that its client received, else their chunks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::chunks::{ChunkLists, ChunkedResponses};
use super::compaction_response::{CompactionResponse, ReceivedCompactionResponse};
use super::facts::RecordedCompaction;
use super::item_cache::ItemCache;
use super::log::LogEntry;
use super::payloads::{Payload, PayloadLocation, PayloadSet, PendingPayloads, UnusablePayload};
use crate::bundle::Reader;
use crate::event::{CompactionRequestId, Event, Other, PayloadKind, PayloadRef, Seq};
use crate::reduce::Work;

/// A payload with the bytes of a response, which an event of its own reports.
#[derive(Debug)]
struct SeparateBytes {
    seq: Seq,
    reference: PayloadRef,
}

/// The payloads with the bytes of the responses of each compaction request, in order of the log.
#[derive(Debug, Default)]
struct SeparateLists(HashMap<CompactionRequestId, Vec<SeparateBytes>>);

impl SeparateLists {
    /// Adds the bytes that an event reports. Ignores other events, and chunks.
    fn add(&mut self, seq: Seq, other: &Other) {
        /// The metadata in the event of a response.
        #[derive(Deserialize)]
        struct Metadata {
            compaction_request_id: CompactionRequestId,
            chunk: Option<serde::de::IgnoredAny>,
        }

        let [reference] = &*other.payloads else { return };
        if other.kind != Other::PAYLOAD || reference.kind != PayloadKind::CompactionResponse {
            return;
        }
        if let Ok(Metadata { compaction_request_id, chunk: None }) = serde_json::from_str(other.metadata.as_str()) {
            let bytes = SeparateBytes { seq, reference: reference.clone() };
            self.0.entry(compaction_request_id).or_default().push(bytes);
        }
    }

    /// Returns the bytes that the body of a response names. Of a request without a body, returns the last bytes.
    fn find(
        &self,
        request: &CompactionRequestId,
        body: Option<&Payload<CompactionResponse>>,
    ) -> Option<&SeparateBytes> {
        let all = self.0.get(request)?;
        match body {
            None => all.last(),
            Some(Ok(body)) => all.iter().rfind(|bytes| Some(&bytes.reference.raw_payload_id) == body.bytes.as_ref()),
            Some(Err(_)) => None,
        }
    }
}

/// The decoded responses of compaction requests.
pub(super) struct CompactionResponses {
    bodies: PayloadSet<CompactionResponse>,
    separate: SeparateLists,
    received: PayloadSet<ReceivedCompactionResponse>,
    chunked: ChunkedResponses<CompactionResponse>,
    /// Requests that have ended.
    ended: HashSet<CompactionRequestId>,
    /// The requests without an end by the seq of the event of their last bytes.
    unended_by_bytes: HashMap<Seq, CompactionRequestId>,
}

impl CompactionResponses {
    /// Decodes the responses of all compaction requests in a log.
    pub(super) fn decode(log: &[LogEntry], bundle: &Reader, cache: &ItemCache, work: &mut Work) -> Self {
        let (mut separate, mut ends, mut started) = (SeparateLists::default(), HashMap::new(), HashSet::new());
        let mut bodies = PendingPayloads::default();
        for LogEntry { record, .. } in log {
            if let Event::Other(other) = &record.event {
                separate.add(record.seq, other);
            } else if let Event::CompactionRequestStarted(e) = &record.event {
                started.insert(&e.compaction_request_id);
            } else if let Event::CompactionRequestCompleted(e) = &record.event {
                bodies.add(&e.response_payload);
                ends.entry(&e.compaction_request_id).or_insert(Some(&e.response_payload));
            } else if let Event::CompactionRequestFailed(e) = &record.event {
                ends.entry(&e.compaction_request_id).or_insert(None);
            }
        }
        let bodies: PayloadSet<CompactionResponse> = bodies.decode_all(bundle, cache, work);
        let (mut received, mut known, mut unended_by_bytes) =
            (PendingPayloads::default(), HashSet::new(), HashMap::new());
        for request in started.iter().copied() {
            let end = ends.get(request);
            let body = end.copied().flatten().map(|payload| bodies.get(payload));
            if body.as_ref().is_some_and(|body| body.as_ref().is_ok_and(|body| body.bytes.is_none())) {
                known.insert(request);
            } else if let Some(bytes) = separate.find(request, body.as_ref()) {
                received.add(&bytes.reference);
                known.insert(request);
                if end.is_none() {
                    unended_by_bytes.insert(bytes.seq, request.clone());
                }
            }
        }
        let received: PayloadSet<ReceivedCompactionResponse> = received.decode_all(bundle, cache, work);
        let is_needed = |request: &CompactionRequestId| started.contains(request) && !known.contains(request);
        let chunked = ChunkLists::<CompactionResponse>::from_log(log).decode_all(is_needed, bundle, cache, work);
        let streams = received.decoded().map(|response| &*response.0).chain(chunked.bodies());
        work.stream_events += bodies.decoded().chain(streams).map(|body| body.stream_events).sum::<u64>();
        let ended = ends.into_keys().cloned().collect();
        Self { bodies, separate, received, chunked, ended, unended_by_bytes }
    }

    /// Returns the response of a request that completed with this payload.
    pub(super) fn of_completed(&self, request: &CompactionRequestId, payload: &PayloadRef) -> RecordedCompaction {
        let body = self.bodies.get(payload);
        let recorded = |body| RecordedCompaction { payload: payload.raw_payload_id.clone(), body, chunks: Vec::new() };
        if body.as_ref().is_ok_and(|body| body.bytes.is_none()) {
            return recorded(body);
        }
        let found = self.received_by(request, Some(&body));
        found.unwrap_or_else(|| {
            recorded(body.map(|body| match &body.bytes {
                Some(bytes) => {
                    let reason =
                        format!("is in payload {bytes}, which no event of the request names, so it is unknown");
                    Arc::new(CompactionResponse::unknown(reason))
                }
                None => body,
            }))
        })
    }

    /// Returns what arrived of the response of a request that failed. Returns `None` if nothing arrived.
    pub(super) fn of_failed(&self, request: &CompactionRequestId) -> Option<RecordedCompaction> {
        self.received_by(request, None)
    }

    /// Returns what arrived of the responses of requests without an end of which the event with this seq is the last.
    pub(super) fn of_unended(&self, seq: Seq) -> Vec<(CompactionRequestId, RecordedCompaction)> {
        let in_bytes = self.unended_by_bytes.get(&seq).into_iter();
        let in_chunks = self.chunked.calls_ending_at(seq).iter().filter(|request| !self.ended.contains(*request));
        let requests = in_bytes.chain(in_chunks);
        requests.filter_map(|request| Some((request.clone(), self.received_by(request, None)?))).collect()
    }

    /// Returns the response of a request that its client received: that in the bytes of the whole response, else that in
    /// its chunks. Returns `None` if there is none.
    fn received_by(
        &self,
        request: &CompactionRequestId,
        body: Option<&Payload<CompactionResponse>>,
    ) -> Option<RecordedCompaction> {
        if let Some(SeparateBytes { reference, .. }) = self.separate.find(request, body) {
            let body = self.received.get(reference).map(|response| Arc::clone(&response.0));
            return Some(RecordedCompaction { payload: reference.raw_payload_id.clone(), body, chunks: Vec::new() });
        }
        let chunked = self.chunked.get(request)?;
        let (payload, body) = (chunked.payload.clone(), Ok(Arc::clone(&chunked.body)));
        Some(RecordedCompaction { payload, body, chunks: chunked.chunks.clone() })
    }

    /// Returns the outcome of decoding the payload at a location. Returns `None` if it was not read, and `Some(None)`
    /// if it was decoded.
    pub(super) fn lookup(&self, location: &PayloadLocation) -> Option<Option<&UnusablePayload>> {
        let Self { bodies, received, chunked, separate: _, ended: _, unended_by_bytes: _ } = self;
        bodies.lookup(location).or_else(|| received.lookup(location)).or_else(|| chunked.lookup(location))
    }
}
