//! The log: whole lines in order of seq, and what is wrong with the others.

use std::collections::HashSet;
use std::hash::Hash;

use crate::bundle::{self, LineError, Reader};
use crate::event::{EventContext, PayloadRef, Record, RecordError, RolloutId, Seq, ThreadId, TurnId};
use crate::graph::Code;
use crate::reduce::problems::Place;
use crate::reduce::{Problems, Work};

/// A line that could be read.
pub(super) struct Entry {
    pub(super) line: u64,
    pub(super) record: Record,
}

/// What a log says.
pub(super) struct Log {
    /// Events in order of seq; equal ones in order of line.
    pub(super) entries: Vec<Entry>,
    /// The bodies that other lines name.
    pub(super) named: Vec<PayloadRef>,
}

/// Reads all lines.
pub(super) fn read(bundle: &Reader, problems: &mut Problems, work: &mut Work) -> Result<Log, bundle::BundleError> {
    let (mut log, mut named) = (Vec::new(), Vec::new());
    let mut seqs = Vec::new();
    let mut order = Order::default();
    let mut names = Names::default();
    for line in bundle.lines()? {
        let line = line?;
        work.lines += 1;
        let seq = match line.content {
            Ok(mut record) => {
                names.share(&mut record);
                let seq = record.seq;
                log.push(Entry { line: line.number, record });
                Some(seq)
            }
            Err(bad) => {
                named.extend(line.named);
                let place = Place { seq: bad.seq(), line: line.number, after: order.last };
                problems.add(place, code_of(&bad), format!("{bad}; the line is left out"), None);
                bad.seq()
            }
        };
        if let Some(seq) = seq {
            seqs.push(seq);
            order.see(seq, line.number, problems);
        }
    }
    log.sort_by_key(|entry| entry.record.seq);
    seqs.sort_unstable();
    tell_gaps(&seqs, problems);
    tell_other_rollouts(bundle, &log, problems);
    Ok(Log { entries: log, named })
}

/// The names that every line repeats, each kept once.
#[derive(Default)]
struct Names {
    rollouts: HashSet<RolloutId>,
    threads: HashSet<ThreadId>,
    turns: HashSet<TurnId>,
}

impl Names {
    fn share(&mut self, record: &mut Record) {
        let Record { rollout_id, context: EventContext { thread_id, turn_id, span: _ }, .. } = record;
        share(&mut self.rollouts, rollout_id);
        thread_id.iter_mut().for_each(|id| share(&mut self.threads, id));
        turn_id.iter_mut().for_each(|id| share(&mut self.turns, id));
    }
}

/// Makes a name one with an equal one that was seen before.
fn share<N: Clone + Eq + Hash>(known: &mut HashSet<N>, name: &mut N) {
    match known.get(name) {
        Some(known) => name.clone_from(known),
        None => drop(known.insert(name.clone())),
    }
}

fn code_of(bad: &LineError) -> Code {
    match bad {
        LineError::Torn => Code::TornLine,
        LineError::Unreadable(RecordError::Line { .. }) => Code::BadLine,
        LineError::Unreadable(RecordError::Schema { .. }) => Code::UnknownSchema,
        LineError::Unreadable(RecordError::Variant { .. }) => Code::UnknownVariant,
    }
}

#[derive(Default)]
struct Order {
    last: Option<Seq>,
}

impl Order {
    fn see(&mut self, seq: Seq, line: u64, problems: &mut Problems) {
        if let Some(last) = self.last
            && seq <= last
        {
            let message = format!("seq {seq} stands after seq {last}; events are read in order of seq");
            problems.add(Place { seq: Some(seq), line, after: None }, Code::SeqDisorder, message, None);
        }
        self.last = self.last.max(Some(seq));
    }
}

fn tell_gaps(seqs: &[Seq], problems: &mut Problems) {
    let mut expected = 1;
    for &Seq(seq) in seqs {
        if seq > expected {
            let missing = seq - expected;
            let what = if missing == 1 { "an event is".to_owned() } else { format!("{missing} events are") };
            let message = format!("before seq {seq}, {what} not in the log; what was said there is missing");
            problems.add(Place { seq: Some(Seq(seq)), line: 0, after: None }, Code::SeqGap, message, None);
        }
        expected = expected.max(seq.saturating_add(1));
    }
}

/// Once for every other rollout: its events count, because the bundle is one recording.
fn tell_other_rollouts(bundle: &Reader, log: &[Entry], problems: &mut Problems) {
    let own = &bundle.manifest().rollout_id;
    let mut told = HashSet::new();
    for Entry { line, record } in log {
        if record.rollout_id != *own && told.insert(&record.rollout_id) {
            let message =
                format!("the event is of rollout {}, the manifest of {own}; it is counted", record.rollout_id);
            problems.add(Place { seq: Some(record.seq), line: *line, after: None }, Code::OtherRollout, message, None);
        }
    }
}
