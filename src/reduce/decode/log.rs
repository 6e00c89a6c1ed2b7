//! Reads the event log of a bundle: parsed lines in order of seq, and diagnostics for lines that cannot be parsed.

use std::collections::HashSet;
use std::hash::Hash;

use crate::bundle::{self, LineError, Reader};
use crate::event::{
    Event, EventContext, PayloadRef, Record, RecordError, RolloutId, Seq, ThreadId, ToolKind, TurnId, UnknownWord,
};
use crate::graph::Code;
use crate::reduce::diagnostics::LogPosition;
use crate::reduce::{Diagnostics, Work};

/// A line of the log after parsing.
pub(super) struct LogEntry {
    pub(super) line: u64,
    pub(super) record: Record,
}

/// The parsed log of a bundle.
pub(super) struct Log {
    /// Events in order of seq; events with equal seq in order of line.
    pub(super) entries: Vec<LogEntry>,
    /// Payload references of the lines that were skipped, or whose events have unknown words.
    pub(super) skipped_line_payloads: Vec<PayloadRef>,
}

/// Reads all lines of the log. Reports unreadable lines, gaps and disorder of seqs, and events of other runs.
///
/// # Errors
/// Returns an error if the log cannot be read at all.
pub(super) fn read(
    bundle: &Reader,
    diagnostics: &mut Diagnostics,
    work: &mut Work,
) -> Result<Log, bundle::BundleError> {
    let (mut log, mut skipped_line_payloads) = (Vec::new(), Vec::new());
    let mut seqs = Vec::new();
    let mut order = SeqOrder::default();
    let mut shared_ids = SharedIds::default();
    for line in bundle.lines()? {
        let line = line?;
        work.lines += 1;
        skipped_line_payloads.extend(line.named);
        let seq = match line.content {
            Ok(mut record) => {
                shared_ids.intern(&mut record);
                resolve_tool_kind(&mut record.event);
                let seq = record.seq;
                let position = LogPosition { seq: Some(seq), line: line.number, after: None };
                report_unknown_words(&record.unknown_words, position, diagnostics);
                log.push(LogEntry { line: line.number, record });
                Some(seq)
            }
            Err(bad) => {
                let position = LogPosition { seq: bad.seq(), line: line.number, after: order.last };
                diagnostics.add(position, code_for(&bad), format!("{bad}; the line is left out"), None);
                bad.seq()
            }
        };
        if let Some(seq) = seq {
            seqs.push(seq);
            order.check(seq, line.number, diagnostics);
        }
    }
    log.sort_by_key(|entry| entry.record.seq);
    seqs.sort_unstable();
    report_gaps(&seqs, diagnostics);
    report_other_rollouts(bundle, &log, diagnostics);
    Ok(Log { entries: log, skipped_line_payloads })
}

/// Replaces the kind of a tool that was recorded as any other tool although its name has a kind.
fn resolve_tool_kind(event: &mut Event) {
    if let Event::ToolCallStarted(started) = event
        && let ToolKind::Other { name } = &started.kind
        && let Some(kind) = ToolKind::of_newer_name(name)
    {
        started.kind = kind;
    }
}

/// Reports the words of an event that format 1 does not define.
fn report_unknown_words(unknown_words: &[UnknownWord], position: LogPosition, diagnostics: &mut Diagnostics) {
    for UnknownWord { field, word, read_as } in unknown_words {
        let read_as = match read_as {
            Some(read_as) => format!("it is read as `{read_as}`"),
            None => "the field is treated as absent".to_owned(),
        };
        let message = format!("`{field}` has the word {word:?}, which is not part of format 1; {read_as}");
        diagnostics.add(position, Code::UnknownWord, message, None);
    }
}

/// The ids that many lines repeat, each stored once.
#[derive(Default)]
struct SharedIds {
    rollouts: HashSet<RolloutId>,
    threads: HashSet<ThreadId>,
    turns: HashSet<TurnId>,
}

impl SharedIds {
    /// Replaces the ids of a record by equal ids of earlier records, to share their memory.
    fn intern(&mut self, record: &mut Record) {
        let Record { rollout_id, context: EventContext { thread_id, turn_id, span: _ }, .. } = record;
        intern(&mut self.rollouts, rollout_id);
        thread_id.iter_mut().for_each(|id| intern(&mut self.threads, id));
        turn_id.iter_mut().for_each(|id| intern(&mut self.turns, id));
    }
}

/// Replaces an id by an equal one of an earlier record, to share its memory. Stores the id if it is new.
fn intern<N: Clone + Eq + Hash>(interned: &mut HashSet<N>, id: &mut N) {
    match interned.get(id) {
        Some(interned) => id.clone_from(interned),
        None => drop(interned.insert(id.clone())),
    }
}

/// Returns the code of the diagnostic for a line that cannot be parsed.
fn code_for(bad: &LineError) -> Code {
    match bad {
        LineError::Torn => Code::TornLine,
        LineError::TooLong { .. } => Code::LineTooLong,
        LineError::Unreadable(RecordError::Line { .. }) => Code::BadLine,
        LineError::Unreadable(RecordError::Schema { .. }) => Code::UnknownSchema,
        LineError::Unreadable(RecordError::Variant { .. }) => Code::UnknownVariant,
    }
}

/// The highest seq read so far.
#[derive(Default)]
struct SeqOrder {
    last: Option<Seq>,
}

impl SeqOrder {
    /// Reports a line whose seq is not higher than those of all lines before it.
    fn check(&mut self, seq: Seq, line: u64, diagnostics: &mut Diagnostics) {
        if let Some(last) = self.last
            && seq <= last
        {
            let message = format!("seq {seq} follows seq {last}; events are read in order of seq");
            diagnostics.add(LogPosition { seq: Some(seq), line, after: None }, Code::SeqDisorder, message, None);
        }
        self.last = self.last.max(Some(seq));
    }
}

/// Reports the seqs missing from the log. `seqs` is sorted.
fn report_gaps(seqs: &[Seq], diagnostics: &mut Diagnostics) {
    let mut expected = 1;
    for &Seq(seq) in seqs {
        if seq > expected {
            let missing = seq - expected;
            let missing_events = if missing == 1 { "an event is".to_owned() } else { format!("{missing} events are") };
            let message = format!("{missing_events} missing from the log before seq {seq}");
            diagnostics.add(LogPosition { seq: Some(Seq(seq)), line: 0, after: None }, Code::SeqGap, message, None);
        }
        expected = expected.max(seq.saturating_add(1));
    }
}

/// Reports each run id that differs from that of the manifest, once. Events with such an id count too, because a bundle
/// is one recording.
fn report_other_rollouts(bundle: &Reader, log: &[LogEntry], diagnostics: &mut Diagnostics) {
    let own = &bundle.manifest().rollout_id;
    let mut reported = HashSet::new();
    for LogEntry { line, record } in log {
        if record.rollout_id != *own && reported.insert(&record.rollout_id) {
            let message = format!(
                "the event belongs to rollout {}, but the manifest to {own}; the event is kept",
                record.rollout_id
            );
            diagnostics.add(
                LogPosition { seq: Some(record.seq), line: *line, after: None },
                Code::OtherRollout,
                message,
                None,
            );
        }
    }
}
