//! Tests of the worker, with jobs that wait for a gate.

use std::sync::mpsc::{self, Receiver, Sender};

use super::*;

const BOUNDS: QueueBounds = QueueBounds { jobs: 3, bytes: 100 };

/// A job that reports its number when it has run or was discarded.
#[derive(Debug)]
struct TestJob {
    number: u32,
    bytes: usize,
    is_essential: bool,
    /// Received from before the job runs, if any. Sending `false` lets the job panic.
    gate: Option<Receiver<bool>>,
    outcomes: Sender<(u32, &'static str)>,
}

impl Job for TestJob {
    fn size(&self) -> usize {
        self.bytes
    }

    fn is_essential(&self) -> bool {
        self.is_essential
    }

    fn run(&mut self) {
        let _ = self.outcomes.send((self.number, "begun"));
        assert!(self.gate.as_ref().is_none_or(|gate| gate.recv().unwrap_or(true)), "planted");
        let _ = self.outcomes.send((self.number, "run"));
    }

    fn discard(self, reason: Discarded) {
        let reason = match reason {
            Discarded::Panicked => "panicked",
            Discarded::TimedOut(_) => "timed out",
        };
        let _ = self.outcomes.send((self.number, reason));
    }
}

/// A worker whose thread is busy with job 0 until `gate` is used or dropped.
struct Fixture {
    worker: Worker<TestJob>,
    gate: Sender<bool>,
    sender: Sender<(u32, &'static str)>,
    outcomes: Receiver<(u32, &'static str)>,
}

impl Fixture {
    fn busy() -> Self {
        let ((gate, gated), (sender, outcomes)) = (mpsc::channel(), mpsc::channel());
        let this = Self { worker: Worker::new("test"), gate, sender, outcomes };
        let job = TestJob { gate: Some(gated), ..this.job(0, 0) };
        this.worker.push(job, BOUNDS).expect("accepted");
        assert_eq!(this.outcomes.recv(), Ok((0, "begun")));
        this
    }

    fn job(&self, number: u32, bytes: usize) -> TestJob {
        TestJob { number, bytes, is_essential: false, gate: None, outcomes: self.sender.clone() }
    }

    fn accepts(&self, number: u32, bytes: usize) -> bool {
        self.worker.push(self.job(number, bytes), BOUNDS).is_ok()
    }

    /// Finishes the worker, and returns what has become of each job.
    fn finish(self, within: Duration) -> Vec<(u32, &'static str)> {
        let Self { worker, gate, sender, outcomes } = self;
        worker.finish(within);
        assert!(matches!(
            worker.push(
                TestJob { number: 9, bytes: 0, is_essential: true, gate: None, outcomes: sender.clone() },
                BOUNDS
            ),
            Err(PushError::Closed)
        ));
        drop((gate, sender));
        outcomes.into_iter().filter(|(_, outcome)| *outcome != "begun").collect()
    }
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn jobs_are_run_in_order() {
    let fixture = Fixture::busy();
    assert!((1..=3).all(|number| fixture.accepts(number, 10)));
    fixture.gate.send(true).expect("received");
    assert_eq!(fixture.finish(LONG), [(0, "run"), (1, "run"), (2, "run"), (3, "run")]);
}

#[test]
fn a_full_queue_accepts_only_essential_jobs() {
    let fixture = Fixture::busy();
    let accepted = (1..=4).map(|number| fixture.accepts(number, 30)).collect::<Vec<_>>();
    assert_eq!(accepted, [true, true, true, false]);
    assert!(!fixture.worker.has_room(BOUNDS));
    let essential = |number| TestJob { is_essential: true, ..fixture.job(number, 1000) };
    let accepted = (5..=8).map(|number| fixture.worker.push(essential(number), BOUNDS).is_ok()).collect::<Vec<_>>();
    assert_eq!(accepted, [true, true, true, false]);
}

#[test]
fn bytes_are_bounded_except_for_one_oversized_job() {
    let fixture = Fixture::busy();
    assert!(fixture.accepts(1, 60) && !fixture.accepts(2, 60));
    assert!(fixture.accepts(3, 101) && !fixture.accepts(4, 101));
    let Err(PushError::Full(rejected)) = fixture.worker.push(fixture.job(5, 101), BOUNDS) else { panic!("accepted") };
    assert_eq!(rejected.number, 5);
    drop(rejected);
    fixture.gate.send(true).expect("received");
    assert_eq!(fixture.finish(LONG), [(0, "run"), (1, "run"), (3, "run")]);
}

#[test]
fn a_panic_discards_one_job() {
    let fixture = Fixture::busy();
    assert!(fixture.accepts(1, 0));
    fixture.gate.send(false).expect("received");
    assert_eq!(fixture.finish(LONG), [(0, "panicked"), (1, "run")]);
}

#[test]
fn jobs_left_at_the_end_are_discarded() {
    let fixture = Fixture::busy();
    assert!(fixture.accepts(1, 0));
    assert_eq!(fixture.finish(Duration::ZERO), [(1, "timed out"), (0, "run")]);
}
