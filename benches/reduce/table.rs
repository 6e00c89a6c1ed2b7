//! The table of results.

use std::fmt;
use std::num::NonZero;
use std::thread;

use crate::child::Cost;
use crate::session::{Requests, Session};

/// Rows in the order of measurement.
#[derive(Debug, Default)]
pub(crate) struct Table(pub(crate) Vec<Row>);

#[derive(Debug)]
pub(crate) struct Row {
    requests: Requests,
    calls: usize,
    bytes: u64,
    /// Median times, in seconds.
    reduce: f64,
    parse: f64,
    /// Ratios of neighbouring runs: median, lowest and highest.
    ratio: [f64; 3],
    peak: u64,
    bound: u64,
    parse_peak: u64,
}

const MIB: f64 = (1 << 20) as f64;

/// Memory that may be used in addition to memory that grows with the bundle, in bytes.
const ALLOWANCE: u64 = 64 << 20;

impl Row {
    pub(crate) fn from_pairs(session: &Session, pairs: &[(Cost, Cost)]) -> Self {
        let seconds = |cost: &Cost| cost.time.as_secs_f64();
        let cores = thread::available_parallelism().map_or(1, NonZero::get) as u64;
        let ratios = sorted(pairs.iter().map(|(reduce, parse)| seconds(reduce) / seconds(parse)));
        Self {
            requests: session.requests,
            calls: session.calls,
            bytes: session.bytes,
            reduce: median(&sorted(pairs.iter().map(|(reduce, _)| seconds(reduce)))),
            parse: median(&sorted(pairs.iter().map(|(_, parse)| seconds(parse)))),
            ratio: [median(&ratios), ratios[0], ratios[ratios.len() - 1]],
            peak: pairs.iter().map(|(reduce, _)| reduce.peak).max().unwrap_or(0),
            bound: 2 * session.unique_bytes + 2 * session.largest * cores + ALLOWANCE,
            parse_peak: pairs.iter().map(|(_, parse)| parse.peak).max().unwrap_or(0),
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        writeln!(
            f,
            "On {cores} cores: reducing a bundle and writing its state.json with shared snapshots, against one parse of \
             its log and payloads to `serde_json::Value` on as many threads.\n"
        )?;
        writeln!(
            f,
            "| requests | calls | bundle | reduce | a call | parse | ratio | range | peak | bound | parse's peak |"
        )?;
        write!(f, "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |")?;
        self.0.iter().try_for_each(|row| write!(f, "\n{row}"))?;
        writeln!(f, "\n\nTwice the calls:")?;
        for [small, large] in self.0.windows(2).filter_map(|pair| <&[Row; 2]>::try_from(pair).ok()) {
            if small.requests == large.requests && small.calls * 2 == large.calls {
                let (time, memory) = (large.reduce / small.reduce, large.peak as f64 / small.peak as f64);
                let bytes = large.bytes as f64 / small.bytes as f64;
                let (requests, from, to) = (small.requests, small.calls, large.calls);
                writeln!(
                    f,
                    "- {requests:?}, {from} to {to}: {bytes:.2}× the bytes, {time:.2}× the time, {memory:.2}× the memory"
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, calls, bytes, reduce, parse, ratio: [median, low, high], peak, bound, parse_peak } = self;
        let mib = |bytes: u64| bytes as f64 / MIB;
        let a_call = reduce / *calls as f64 * 1e6;
        let missed = if peak > bound { ", missed" } else { "" };
        write!(
            f,
            "| {requests:?} | {calls} | {:.0} MiB | {reduce:.3} s | {a_call:.0} µs | {parse:.3} s | {median:.2}× | \
             {low:.2}–{high:.2} | {:.0} MiB | {:.0} MiB{missed} | {:.0} MiB |",
            mib(*bytes),
            mib(*peak),
            mib(*bound),
            mib(*parse_peak)
        )
    }
}
