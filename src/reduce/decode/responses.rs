//! Decides what the response of each inference call is, and decodes it: the body that the program recorded, else the
//! bytes that its client received, else their chunks. Bytes that a recorded body makes unnecessary are not opened, nor are
//! chunks beside the whole bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::chunks::{ChunkLists, ChunkedResponse, ChunkedResponses};
use super::facts::{RecordedResponse, StreamedResponse};
use super::item_cache::ItemCache;
use super::log::LogEntry;
use super::payloads::{Payload, PayloadLocation, PayloadSet, PendingPayloads, UnusablePayload};
use super::response::{ReceivedResponse, ResponseBody};
use super::unnamed::UnnamedPayloads;
use crate::bundle::Reader;
use crate::event::{Event, InferenceId, PayloadRef, RawPayloadId, Seq};
use crate::provider::ApiSet;
use crate::reduce::Work;

/// The payloads of a response that an end event references.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponsePayloads<'e> {
    pub(super) call: &'e InferenceId,
    /// The body of the response, or of the part that arrived.
    pub(super) response: Option<&'e PayloadRef>,
    /// The bytes as they were received.
    pub(super) wire: Option<&'e PayloadRef>,
}

impl<'e> ResponsePayloads<'e> {
    /// Returns the payloads of an end event. Returns `None` for other events.
    fn of_event(event: &'e Event) -> Option<Self> {
        let (call, response, wire) = if let Event::InferenceCompleted(e) = event {
            (&e.inference_call_id, Some(&e.response_payload), &e.wire_payload)
        } else if let Event::InferenceFailed(e) = event {
            (&e.inference_call_id, e.partial_response_payload.as_ref(), &e.wire_payload)
        } else if let Event::InferenceCancelled(e) = event {
            (&e.inference_call_id, e.partial_response_payload.as_ref(), &e.wire_payload)
        } else {
            return None;
        };
        Some(Self { call, response, wire: wire.as_deref() })
    }
}

/// The decoded responses of inference calls.
pub(super) struct DecodedResponses {
    bodies: PayloadSet<ResponseBody>,
    received: PayloadSet<ReceivedResponse>,
    chunked: ChunkedResponses<ResponseBody>,
    /// Calls that have ended, or whose answers are known.
    ended: HashSet<InferenceId>,
    /// The APIs to which the response of each call may belong.
    apis: HashMap<InferenceId, ApiSet>,
}

impl DecodedResponses {
    /// Decodes the responses of all calls in a log.
    pub(super) fn decode(
        log: &[LogEntry],
        unnamed: &UnnamedPayloads,
        bundle: &Reader,
        cache: &ItemCache,
        work: &mut Work,
    ) -> Self {
        let ends: Vec<_> = log.iter().filter_map(|entry| ResponsePayloads::of_event(&entry.record.event)).collect();
        let mut bodies = PendingPayloads::default();
        ends.iter().filter_map(|end| end.response).for_each(|payload| bodies.add(payload));
        let bodies: PayloadSet<ResponseBody> = bodies.decode_all(bundle, cache, work);

        let is_recorded =
            |end: &ResponsePayloads<'_>| end.response.is_some_and(|payload| is_recorded(&bodies.get(payload)));
        let mut received = PendingPayloads::default();
        let with_bytes = ends.iter().filter(|end| !is_recorded(end));
        with_bytes.filter_map(|end| end.wire).for_each(|wire| received.add(wire));
        let received: PayloadSet<ReceivedResponse> = received.decode_all(bundle, cache, work);

        let mut is_known = HashMap::new();
        for end in &ends {
            // Chunks are not needed beside bytes that are whole, also if these are no response.
            let is_whole = || end.wire.is_some_and(|wire| wire.truncated.is_none() && received.get(wire).is_ok());
            *is_known.entry(end.call).or_insert(false) |= is_recorded(end) || is_whole();
        }
        let started: HashSet<_> = log.iter().filter_map(|entry| started_call(&entry.record.event)).collect();
        let is_needed = |call: &InferenceId| started.contains(call) && !is_known.get(call).is_some_and(|known| *known);
        let chunked = ChunkLists::<ResponseBody>::from_log(log).decode_all(is_needed, bundle, cache, work);
        let streams = received.decoded().filter_map(|response| response.0.as_deref()).chain(chunked.bodies());
        work.stream_events += bodies.decoded().chain(streams).map(|body| body.stream_events).sum::<u64>();
        let ended = is_known.into_keys().cloned().chain(unnamed.answered_calls()).collect();
        let apis = chunked.by_call().map(|(call, body)| (call.clone(), body.apis)).chain(unnamed.apis()).collect();
        let mut responses = Self { bodies, received, chunked, ended, apis };
        for end in ends {
            if let Some(Ok(body)) = responses.of_end(end).map(|response| response.body) {
                responses.apis.insert(end.call.clone(), body.apis);
            }
        }
        responses
    }

    /// Returns the APIs to which the response of a call may belong. Returns `None` if there is no response.
    pub(super) fn apis_of(&self, call: &InferenceId) -> Option<ApiSet> {
        self.apis.get(call).copied()
    }

    /// Returns the response of a call that an end event reports. Returns `None` if there is none.
    pub(super) fn of_end(&self, end: ResponsePayloads<'_>) -> Option<RecordedResponse> {
        let recorded = end.response.map(|payload| (payload.raw_payload_id.clone(), self.bodies.get(payload)));
        if recorded.as_ref().is_some_and(|(_, body)| is_recorded(body)) {
            return recorded.map(|(payload, body)| RecordedResponse::in_payload(payload, body));
        }
        let Some(mut response) = self.received_by(end) else {
            return recorded.map(|(payload, body)| RecordedResponse::in_payload(payload, body));
        };
        match recorded {
            Some((_, Ok(without_content))) => response.without_content = Some(without_content),
            Some((payload, Err(unusable))) => response.unusable.insert(0, (payload, unusable)),
            None => {}
        }
        Some(response)
    }

    /// Returns the response of a call that its client received: that in the bytes of the whole response, else that in
    /// its chunks. Returns `None` if there is no response of a known API.
    fn received_by(&self, end: ResponsePayloads<'_>) -> Option<RecordedResponse> {
        let in_bytes = end.wire.and_then(|wire| self.in_bytes(wire));
        let is_usable = in_bytes.as_ref().is_some_and(|response| response.body.is_ok());
        // Of bytes that exceeded a limit only head and tail are known, while each of their chunks may be known.
        let is_truncated = end.wire.is_some_and(|wire| wire.truncated.is_some());
        let chunks = self.chunked.get(end.call).filter(|chunks| !is_usable || (is_truncated && !chunks.has_gap));
        let Some(chunks) = chunks else { return in_bytes };
        let unusable = in_bytes.and_then(|response| Some((response.payload, response.body.err()?)));
        Some(RecordedResponse { unusable: unusable.into_iter().collect(), ..RecordedResponse::in_chunks(chunks) })
    }

    /// Returns the response in the bytes that a client received. Returns `None` if they are no response of a known API.
    fn in_bytes(&self, wire: &PayloadRef) -> Option<RecordedResponse> {
        let body = match self.received.get(wire) {
            Ok(received) => Ok(Arc::clone(received.0.as_ref()?)),
            Err(unusable) => Err(unusable),
        };
        Some(RecordedResponse::in_payload(wire.raw_payload_id.clone(), body))
    }

    /// Returns the responses of calls without an end of which the event with this seq is the last chunk.
    pub(super) fn of_unended_calls(&self, seq: Seq) -> impl Iterator<Item = StreamedResponse> {
        let calls = self.chunked.calls_ending_at(seq).iter().filter(|call| !self.ended.contains(*call));
        calls.filter_map(|call| {
            let response = RecordedResponse::in_chunks(self.chunked.get(call)?);
            Some(StreamedResponse { inference_call_id: call.clone(), response })
        })
    }

    /// Returns the outcome of decoding the payload at a location. Returns `None` if it was not read, and `Some(None)`
    /// if it was decoded.
    pub(super) fn lookup(&self, location: &PayloadLocation) -> Option<Option<&UnusablePayload>> {
        let Self { bodies, received, chunked, ended: _, apis: _ } = self;
        bodies.lookup(location).or_else(|| received.lookup(location)).or_else(|| chunked.lookup(location))
    }
}

/// Returns `true` if the program recorded the content of the response.
fn is_recorded(body: &Payload<ResponseBody>) -> bool {
    body.as_ref().is_ok_and(|body| !body.is_not_recorded())
}

/// Returns the call that an event starts.
fn started_call(event: &Event) -> Option<&InferenceId> {
    if let Event::InferenceStarted(started) = event { Some(&started.inference_call_id) } else { None }
}

impl RecordedResponse {
    /// Returns `true` if the response was put together from a stream, which shows if it is whole.
    pub(in crate::reduce) fn is_stream(&self) -> bool {
        self.body.as_ref().is_ok_and(|body| body.stream_events > 0)
    }

    /// Returns `true` if the content of the response is known.
    pub(super) fn has_content(&self) -> bool {
        is_recorded(&self.body)
    }

    /// Creates a response that one payload contains.
    pub(super) fn in_payload(payload: RawPayloadId, body: Payload<ResponseBody>) -> Self {
        Self { payload, body, chunks: Vec::new(), without_content: None, unusable: Vec::new() }
    }

    fn in_chunks(response: &ChunkedResponse<ResponseBody>) -> Self {
        let ChunkedResponse { body, payload, chunks, has_gap: _ } = response;
        Self { chunks: chunks.clone(), ..Self::in_payload(payload.clone(), Ok(Arc::clone(body))) }
    }
}
