//! Paired measurement: subjects run in turns, so that other load on the machine affects all of them.

use std::fmt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// The number of rounds and operations to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Rounds; each yields one ratio per thread and peer.
    rounds: usize,
    /// Consecutive rounds per block; the range spans the median ratios of all blocks.
    block: usize,
    /// Rounds before the measurement.
    warm_up: usize,
    /// Divisor of the number of operations per batch.
    shrink: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self { rounds: 300, block: 30, warm_up: 20, shrink: 1 };
    /// Runs each operation once, as a smoke test.
    pub(crate) const SMOKE: Self = Self { rounds: 1, block: 1, warm_up: 0, shrink: usize::MAX };
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, block, .. } = self;
        write!(
            f,
            "Times are of one operation, median (p99) of {rounds} batches a thread; a ratio is the median of {rounds} ratios of \
             neighbouring batches, and its range that of the medians of {block} in a row."
        )
    }
}

/// Runs an operation once for each of these call ids, which are all distinct.
type Batch<'a> = dyn Fn(&[String]) + Sync + 'a;

/// An operation that is measured.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    batch: Box<Batch<'a>>,
    /// Runs after each batch, outside the measured time.
    settle: Box<dyn Fn() + Sync + 'a>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(name: &'a str, batch: impl Fn(&[String]) + Sync + 'a) -> Self {
        Self { name, batch: Box::new(batch), settle: Box::new(|| {}) }
    }

    /// Sets the function that runs after each batch, outside the measured time.
    pub(crate) fn settled_by(self, settle: impl Fn() + Sync + 'a) -> Self {
        Self { settle: Box::new(settle), ..self }
    }
}

/// Nanoseconds per operation, by subject and batch.
type Samples = Vec<Vec<f64>>;

/// Measures subjects in turns, each on `threads` threads at once. Returns the samples of each thread.
pub(crate) fn measure(plan: Plan, threads: usize, operations: usize, subjects: &[Subject<'_>]) -> Vec<Samples> {
    let barrier = Barrier::new(threads);
    let one_thread = || {
        let mut samples = vec![Vec::with_capacity(plan.rounds); subjects.len()];
        for round in 0..plan.warm_up + plan.rounds {
            for index in (0..subjects.len()).map(|turn| (round + turn) % subjects.len()) {
                let Subject { batch, settle, .. } = &subjects[index];
                let ids = fresh_ids((operations / plan.shrink).max(1));
                barrier.wait();
                let start = Instant::now();
                batch(&ids);
                let took = start.elapsed();
                barrier.wait();
                settle();
                if round >= plan.warm_up {
                    samples[index].push(took.as_secs_f64() * 1e9 / ids.len() as f64);
                }
            }
        }
        samples
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
        started.into_iter().map(|thread| thread.join().expect("a batch does not panic")).collect()
    })
}

/// Returns new call ids in the format of providers.
fn fresh_ids(count: usize) -> Vec<String> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let first = LAST.fetch_add(count as u64, Ordering::Relaxed);
    (first..first + count as u64).map(|number| format!("call_{number:024}")).collect()
}

/// The times of one subject.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Times {
    pub(crate) fn from_samples(threads: &[Samples], subject: usize) -> Self {
        let all: Vec<f64> = threads.iter().flat_map(|samples| samples[subject].iter().copied()).collect();
        Self { median: quantile(&all, 0.5), p99: quantile(&all, 0.99) }
    }
}

/// The ratio of the time of the first subject to the time of a peer.
#[derive(Debug)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    pub(crate) fn from_samples(plan: Plan, threads: &[Samples], peer: usize) -> Self {
        let paired = |samples: &Samples| -> Vec<f64> {
            samples[0].iter().zip(&samples[peer]).map(|(ours, theirs)| ours / theirs).collect()
        };
        let ratios: Vec<_> = threads.iter().map(paired).collect();
        let blocks: Vec<_> =
            ratios.iter().flat_map(|ratios| ratios.chunks(plan.block)).map(|b| quantile(b, 0.5)).collect();
        Self { median: quantile(&ratios.concat(), 0.5), low: quantile(&blocks, 0.0), high: quantile(&blocks, 1.0) }
    }
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
