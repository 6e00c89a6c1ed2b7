//! The table of results.

use std::fmt;

use crate::measure::{Plan, Ratio, Subject, Times, measure};

/// Rows in the order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    name: String,
    threads: usize,
    ours: Times,
    against: String,
    theirs: Times,
    ratio: Ratio,
    target: Option<f64>,
}

/// A subject, the peers that it is compared with, and the amount of work.
pub(crate) struct Comparison<'a> {
    ours: Subject<'a>,
    peers: Vec<(Subject<'a>, Option<f64>)>,
    threads: &'a [usize],
    operations: usize,
}

impl<'a> Comparison<'a> {
    /// Creates a comparison of `ours` with `operations` operations per batch, on one thread.
    pub(crate) fn new(ours: Subject<'a>, operations: usize) -> Self {
        Self { ours, peers: Vec::new(), threads: &[1], operations }
    }

    /// Adds a peer to compare with. `target` is the ratio that the subject should stay below, if there is one.
    pub(crate) fn with(mut self, peer: Subject<'a>, target: Option<f64>) -> Self {
        self.peers.push((peer, target));
        self
    }

    /// Sets the numbers of threads to measure with.
    pub(crate) fn on(self, threads: &'a [usize]) -> Self {
        Self { threads, ..self }
    }
}

impl Table {
    pub(crate) fn measure(&mut self, plan: Plan, comparison: Comparison<'_>) {
        let Comparison { ours, peers, threads, operations } = comparison;
        let (peers, targets): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
        let subjects: Vec<_> = std::iter::once(ours).chain(peers).collect();
        for &threads in threads {
            let samples = measure(plan, threads, operations, &subjects);
            self.0.extend((1..subjects.len()).zip(&targets).map(|(peer, target)| Row {
                name: subjects[0].name.to_owned(),
                threads,
                ours: Times::from_samples(&samples, 0),
                against: subjects[peer].name.to_owned(),
                theirs: Times::from_samples(&samples, peer),
                ratio: Ratio::from_samples(plan, &samples, peer),
                target: *target,
            }));
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| operation | threads | time | against | its time | ratio | range | target |")?;
        write!(f, "| --- | --: | --: | --- | --: | --: | --: | --: |")?;
        self.0.iter().try_for_each(|row| write!(f, "\n{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, threads, ours, against, theirs, ratio: Ratio { median, low, high }, target } = self;
        write!(f, "| {name} | {threads} | {ours} | {against} | {theirs} | {median:.2}× | {low:.2}–{high:.2} | ")?;
        match target {
            Some(target) if median > target => write!(f, "{target}×, missed |"),
            Some(target) => write!(f, "{target}× |"),
            None => write!(f, "— |"),
        }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, p99 } = *self;
        if median < 1000.0 {
            write!(f, "{median:.1} ns ({p99:.1})")
        } else {
            write!(f, "{:.2} µs ({:.2})", median / 1000.0, p99 / 1000.0)
        }
    }
}
