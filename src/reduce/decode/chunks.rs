//! The chunks of streamed responses: pieces of bytes that were recorded as they arrived.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::item_cache::ItemCache;
use super::log::LogEntry;
use super::payloads::{PayloadLocation, UnusablePayload, location, parallel_map, truncated_reason};
use crate::bundle::Reader;
use crate::event::{Event, Other, PayloadKind, PayloadRef, RawPayloadId, Seq};
use crate::reduce::Work;

/// A chunk of a response, as its event reports it.
#[derive(Debug)]
struct Chunk {
    /// Number of the chunk in its response.
    number: u64,
    seq: Seq,
    reference: PayloadRef,
}

/// A type of responses that may be recorded as chunks.
pub(super) trait ChunkedBody: Sized + Send + Sync {
    /// The id of the call that is answered.
    type Id: Clone + Eq + Hash + Sync;

    /// The kind of the payloads of chunks.
    const KIND: PayloadKind;

    /// Reads the id of the call and the number of the chunk in the metadata of an event. Returns `None` if the event
    /// reports no chunk.
    fn chunk(metadata: &str) -> Option<(Self::Id, u64)>;

    /// Creates a response of which nothing can be read, for the given reason.
    fn unread(reason: String) -> Self;

    /// Reads the bytes of a response as a client received them. Returns `None` if they contain nothing.
    fn from_received(bytes: &[u8], cache: &ItemCache) -> Option<Self>;

    /// Returns the response, marked as partial if its chunks have a gap, because the chunks behind the gap do not
    /// count. `gap` is the reason for the mark.
    fn with_gap(self, gap: Option<String>) -> Self;
}

/// The chunks of the response of each call, in order of the log.
pub(super) struct ChunkLists<B: ChunkedBody>(HashMap<B::Id, Vec<Chunk>>);

impl<B: ChunkedBody> ChunkLists<B> {
    /// Finds the chunks in a log.
    pub(super) fn from_log(log: &[LogEntry]) -> Self {
        let mut lists = Self(HashMap::new());
        for LogEntry { record, .. } in log {
            if let Event::Other(other) = &record.event {
                lists.add(record.seq, other);
            }
        }
        lists
    }

    /// Adds the chunk that an event reports. Ignores other events.
    fn add(&mut self, seq: Seq, other: &Other) {
        let [reference] = &*other.payloads else { return };
        if other.kind != Other::PAYLOAD || reference.kind != B::KIND {
            return;
        }
        if let Some((call, number)) = B::chunk(other.metadata.as_str()) {
            self.0.entry(call).or_default().push(Chunk { number, seq, reference: reference.clone() });
        }
    }

    /// Reads the chunks of the calls for which `is_needed` returns `true`, and decodes their responses.
    pub(super) fn decode_all(
        self,
        is_needed: impl Fn(&B::Id) -> bool,
        bundle: &Reader,
        cache: &ItemCache,
        work: &mut Work,
    ) -> ChunkedResponses<B> {
        let needed = self.0.into_iter().filter(|(call, _)| is_needed(call));
        let mut runs: Vec<_> = needed.filter_map(|(call, chunks)| Some((call, Run::new(chunks)?))).collect();
        // A payload counts for the first run that has it, so the order must not depend on that of the hash map.
        runs.sort_by_key(|(_, run)| run.first.0);
        let mut used = HashSet::new();
        runs.iter_mut().for_each(|(_, run)| run.claim(&mut used));
        let bytes = AtomicU64::new(0);
        let read = parallel_map(&runs, |(_, run)| run.read(bundle, cache, &bytes));
        let mut responses =
            ChunkedResponses { by_call: HashMap::new(), calls_by_last_chunk: HashMap::new(), outcomes: HashMap::new() };
        for ((call, run), read) in runs.into_iter().zip(read) {
            work.payloads += read.outcomes.len() as u64;
            responses.add(call, run, read);
        }
        work.payload_bytes += bytes.into_inner();
        responses
    }
}

/// The chunks of one response, up to a gap.
#[derive(Debug)]
struct Run {
    /// Chunks without a gap between their numbers, in order.
    chunks: Vec<Chunk>,
    /// The reason why later chunks do not count, as a clause about the response. `None` if there are none.
    gap: Option<String>,
    /// The first event of the response.
    first: (Seq, RawPayloadId),
}

/// The response in a run of chunks, after reading.
struct ReadRun<B> {
    /// `None` if the chunks contain nothing.
    body: Option<B>,
    /// Number of chunks that count.
    used: usize,
    /// The outcome of each payload that was read.
    outcomes: Vec<(PayloadLocation, Option<UnusablePayload>)>,
    /// `true` if chunks are missing, or cannot be read, behind those that count.
    has_gap: bool,
}

impl Run {
    /// Orders the chunks of a call by their numbers. A number that comes again belongs to another attempt, and only the
    /// last attempt counts. Returns `None` if there are no chunks.
    fn new(chunks: Vec<Chunk>) -> Option<Self> {
        let (mut seen, mut attempt) = (HashSet::new(), Vec::new());
        for chunk in chunks {
            if !seen.insert(chunk.number) {
                (seen, attempt) = (HashSet::from([chunk.number]), Vec::new());
            }
            attempt.push(chunk);
        }
        let first = attempt.first().map(|chunk| (chunk.seq, chunk.reference.raw_payload_id.clone()))?;
        attempt.sort_by_key(|chunk| chunk.number);
        let mut run = Self { chunks: attempt, gap: None, first };
        // Numbers begin at 1; those of a client that begins at 0 have no gap either.
        let begin = run.chunks.first().map_or(1, |chunk| chunk.number.min(1));
        let mut numbered = (begin..).zip(&run.chunks).enumerate();
        if let Some((at, (expected, _))) = numbered.find(|(_, (expected, chunk))| *expected != chunk.number) {
            run.end_at(at, format!("its chunk {expected} is missing"));
        }
        Some(run)
    }

    /// Leaves out the chunks from an index on.
    fn end_at(&mut self, index: usize, reason: String) {
        self.chunks.truncate(index);
        self.gap = Some(reason);
    }

    /// Marks the payloads of the chunks as used. The run ends before a payload that was used: if one payload counted
    /// for many chunks, a small bundle could produce a response of any size.
    fn claim(&mut self, used: &mut HashSet<PayloadLocation>) {
        let taken = self.chunks.iter().enumerate().find(|(_, chunk)| !used.insert(location(&chunk.reference)));
        if let Some((at, chunk)) = taken {
            let reason = format!("the payload of its chunk {} is also that of another chunk", chunk.number);
            self.end_at(at, reason);
        }
    }

    /// Reads the chunks, up to one that cannot be read, and decodes the response in them.
    fn read<B: ChunkedBody>(&self, bundle: &Reader, cache: &ItemCache, read_bytes: &AtomicU64) -> ReadRun<B> {
        let (mut bytes, mut outcomes, mut gap) = (Vec::new(), Vec::new(), self.gap.clone());
        for Chunk { number, reference, .. } in &self.chunks {
            let read = match reference.truncated.as_deref() {
                Some(truncated) => Err(UnusablePayload::new(reference, truncated_reason(truncated))),
                None => bundle.payload(reference).map_err(UnusablePayload::from),
            };
            outcomes.push((location(reference), read.as_ref().err().cloned()));
            match read {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(unusable) => {
                    gap = Some(format!("its chunk {number} cannot be read: {}", unusable.reason));
                    break;
                }
            }
        }
        read_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let used = outcomes.iter().take_while(|(_, unusable)| unusable.is_none()).count();
        let has_gap = gap.is_some();
        let body = match gap {
            Some(gap) if used == 0 => Some(B::unread(gap)),
            gap => B::from_received(&bytes, cache).map(|body| body.with_gap(gap)),
        };
        ReadRun { body, used, outcomes, has_gap }
    }
}

/// Joins the reason for a gap with other reasons why a response is partial. Returns `None` if there are none.
pub(super) fn joined_clauses(gap: Option<String>, partial: Option<String>) -> Option<String> {
    let clauses: Vec<_> = gap.into_iter().chain(partial).collect();
    (!clauses.is_empty()).then(|| clauses.join(", and "))
}

/// A response that was recorded as chunks only.
#[derive(Debug)]
pub(super) struct ChunkedResponse<B> {
    pub(super) body: Arc<B>,
    /// The first payload of the response.
    pub(super) payload: RawPayloadId,
    /// The chunks that the response was put together from, in order.
    pub(super) chunks: Vec<(Seq, RawPayloadId)>,
    /// `true` if chunks are missing, or cannot be read, behind those that count.
    pub(super) has_gap: bool,
}

/// The responses that were recorded as chunks only, by call.
pub(super) struct ChunkedResponses<B: ChunkedBody> {
    by_call: HashMap<B::Id, ChunkedResponse<B>>,
    /// The calls by the seq of the event of their last chunk that counts.
    calls_by_last_chunk: HashMap<Seq, Vec<B::Id>>,
    outcomes: HashMap<PayloadLocation, Option<UnusablePayload>>,
}

impl<B: ChunkedBody> ChunkedResponses<B> {
    fn add(&mut self, call: B::Id, run: Run, read: ReadRun<B>) {
        let ReadRun { body, used, outcomes, has_gap } = read;
        self.outcomes.extend(outcomes);
        let Some(body) = body else { return };
        let Run { chunks, first: (first_seq, payload), .. } = run;
        let used = chunks.into_iter().take(used);
        let chunks: Vec<_> = used.map(|chunk| (chunk.seq, chunk.reference.raw_payload_id)).collect();
        let last_seq = chunks.iter().map(|(seq, _)| *seq).max().unwrap_or(first_seq);
        let payload = chunks.first().map_or(payload, |(_, payload)| payload.clone());
        self.calls_by_last_chunk.entry(last_seq).or_default().push(call.clone());
        self.by_call.insert(call, ChunkedResponse { body: Arc::new(body), payload, chunks, has_gap });
    }

    /// Returns the response of a call. Returns `None` if it was not recorded as chunks only.
    pub(super) fn get(&self, call: &B::Id) -> Option<&ChunkedResponse<B>> {
        self.by_call.get(call)
    }

    /// Returns the calls of whose response the event with this seq is the last chunk.
    pub(super) fn calls_ending_at(&self, seq: Seq) -> &[B::Id] {
        self.calls_by_last_chunk.get(&seq).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the decoded responses.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &B> {
        self.by_call.values().map(|response| &*response.body)
    }

    /// Returns the decoded responses, each with its call.
    pub(super) fn by_call(&self) -> impl Iterator<Item = (&B::Id, &B)> {
        self.by_call.iter().map(|(call, response)| (call, &*response.body))
    }

    /// Returns the outcome of reading the payload at a location. Returns `None` if it was not read, and `Some(None)` if
    /// it was read.
    pub(super) fn lookup(&self, location: &PayloadLocation) -> Option<Option<&UnusablePayload>> {
        self.outcomes.get(location).map(Option::as_ref)
    }
}
