use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::event::{Event, EventContext, Record, RolloutEnded, RolloutId, RolloutStatus, UnixMillis};

/// What the next write does; whole writes after that.
#[derive(Clone, Copy)]
enum Fault {
    Short(usize),
    Error,
    Panic,
    Interrupted,
}

#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    faults: VecDeque<Fault>,
    refuse_truncate: usize,
}

impl Medium for Arc<Mutex<Disk>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.lock().unwrap_or_else(PoisonError::into_inner);
        match disk.faults.pop_front() {
            None => {
                disk.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Some(Fault::Short(n)) => {
                disk.bytes.extend_from_slice(&bytes[..n]);
                Ok(n)
            }
            Some(Fault::Error) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(Fault::Interrupted) => Err(io::Error::from(io::ErrorKind::Interrupted)),
            Some(Fault::Panic) => {
                disk.bytes.extend_from_slice(&bytes[..10]);
                panic!("planted")
            }
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.refuse_truncate > 0 {
            disk.refuse_truncate -= 1;
            return Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        }
        disk.bytes.truncate(usize::try_from(length).expect("small"));
        Ok(())
    }

    fn is_linked(&self) -> bool {
        true
    }

    fn rest(&mut self) {}

    fn to_sync(&self) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Fixture {
    disk: Arc<Mutex<Disk>>,
    log: Log<Arc<Mutex<Disk>>>,
}

impl Fixture {
    fn new(faults: &[Fault]) -> Self {
        let disk = Arc::new(Mutex::new(Disk { faults: faults.iter().copied().collect(), ..Disk::default() }));
        Self { log: Log::new(Arc::clone(&disk)), disk }
    }

    fn append(&self) -> Result<Seq, NotWritten> {
        let event = Event::from(RolloutEnded { status: RolloutStatus::Completed });
        self.log.append(&RecordBody::new(UnixMillis(7).into(), &RolloutId::from("r"), &EventContext::default(), &event))
    }

    fn seqs(&self) -> Vec<u64> {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let text = std::str::from_utf8(&disk.bytes).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:?}");
        text.lines().map(|line| Record::parse(line.as_bytes()).expect("whole").seq.0).collect()
    }
}

#[test]
fn lines_are_numbered_from_one_in_order() {
    let fixture = Fixture::new(&[]);
    for expected in 1..=1001 {
        assert_eq!(fixture.append().expect("written"), Seq(expected));
    }
    assert_eq!(fixture.seqs(), (1..=1001).collect::<Vec<_>>());
}

#[test]
fn a_write_that_fails_or_falls_short_leaves_nothing_and_keeps_the_seq() {
    for fault in [Fault::Short(0), Fault::Short(1), Fault::Short(40), Fault::Error] {
        let fixture = Fixture::new(&[fault]);
        fixture.append().expect_err("planted");
        assert_eq!(fixture.append().expect("written"), Seq(1));
        assert_eq!(fixture.seqs(), [1]);
    }
}

#[test]
fn an_interrupted_write_is_tried_again() {
    let fixture = Fixture::new(&[Fault::Interrupted, Fault::Interrupted]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    assert_eq!(fixture.seqs(), [1]);
}

#[test]
fn nothing_is_written_until_a_torn_line_is_cut_off() {
    let fixture = Fixture::new(&[Fault::Short(12)]);
    fixture.disk.lock().expect("unpoisoned").refuse_truncate = 3;
    for _ in 0..3 {
        fixture.append().expect_err("not yet cut");
        assert_eq!(fixture.disk.lock().expect("unpoisoned").bytes.len(), 12);
    }
    assert_eq!(fixture.append().expect("written"), Seq(1));
    assert_eq!(fixture.seqs(), [1]);
}

#[test]
fn a_lock_poisoned_in_the_middle_of_a_line_is_cut_and_goes_on() {
    let fixture = Fixture::new(&[]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    fixture.disk.lock().expect("unpoisoned").faults.push_back(Fault::Panic);
    let panicked = std::thread::scope(|scope| scope.spawn(|| fixture.append()).join().is_err());
    assert!(panicked && fixture.log.state.is_poisoned());
    assert_eq!(fixture.append().expect("written"), Seq(2));
    assert!(!fixture.log.state.is_poisoned());
    assert_eq!(fixture.seqs(), [1, 2]);
}

#[test]
fn nothing_follows_the_last_line() {
    let fixture = Fixture::new(&[]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    let event = Event::from(RolloutEnded { status: RolloutStatus::Aborted });
    let (rollout, context) = (RolloutId::from("r"), EventContext::default());
    let last = RecordBody::new(UnixMillis(7).into(), &rollout, &context, &event);
    assert_eq!(fixture.log.append_last(&last).expect("written"), Seq(2));
    assert!(matches!(fixture.append(), Err(NotWritten::Closed)));
    assert_eq!(fixture.seqs(), [1, 2]);
}

#[test]
fn headroom_fits_the_largest_seq() {
    let mut line = LineBuf(vec![b'x'; 80]);
    let placed = line.placed(Seq(u64::MAX));
    assert!(placed.starts_with(br#"{"schema_version":1,"seq":18446744073709551615,x"#));
}
