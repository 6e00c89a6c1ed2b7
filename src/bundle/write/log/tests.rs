use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::event::{Event, EventContext, Record, RolloutEnded, RolloutId, RolloutStatus, UnixMillis};

/// A fault of the next write. When all faults are used up, writes succeed.
#[derive(Clone, Copy)]
enum WriteFault {
    Short(usize),
    Error,
    Panic,
    Interrupted,
}

#[derive(Default)]
struct FaultyMedium {
    bytes: Vec<u8>,
    faults: VecDeque<WriteFault>,
    refuse_truncate: usize,
}

impl Medium for Arc<Mutex<FaultyMedium>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.lock().unwrap_or_else(PoisonError::into_inner);
        match disk.faults.pop_front() {
            None => {
                disk.bytes.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Some(WriteFault::Short(n)) => {
                disk.bytes.extend_from_slice(&bytes[..n]);
                Ok(n)
            }
            Some(WriteFault::Error) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(WriteFault::Interrupted) => Err(io::Error::from(io::ErrorKind::Interrupted)),
            Some(WriteFault::Panic) => {
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

    fn release(&mut self) {}

    fn sync_handle(&self) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Fixture {
    disk: Arc<Mutex<FaultyMedium>>,
    log: Log<Arc<Mutex<FaultyMedium>>>,
}

impl Fixture {
    fn new(faults: &[WriteFault]) -> Self {
        let disk =
            Arc::new(Mutex::new(FaultyMedium { faults: faults.iter().copied().collect(), ..FaultyMedium::default() }));
        Self { log: Log::new(Arc::clone(&disk)), disk }
    }

    fn append(&self) -> Result<Seq, AppendError> {
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
fn a_failed_or_short_write_leaves_no_bytes_and_reuses_its_seq() {
    for fault in [WriteFault::Short(0), WriteFault::Short(1), WriteFault::Short(40), WriteFault::Error] {
        let fixture = Fixture::new(&[fault]);
        fixture.append().expect_err("planted");
        assert_eq!(fixture.append().expect("written"), Seq(1));
        assert_eq!(fixture.seqs(), [1]);
    }
}

#[test]
fn interrupted_writes_are_retried() {
    let fixture = Fixture::new(&[WriteFault::Interrupted, WriteFault::Interrupted]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    assert_eq!(fixture.seqs(), [1]);
}

#[test]
fn appends_fail_until_a_torn_line_is_truncated() {
    let fixture = Fixture::new(&[WriteFault::Short(12)]);
    fixture.disk.lock().expect("unpoisoned").refuse_truncate = 3;
    for _ in 0..3 {
        fixture.append().expect_err("not yet cut");
        assert_eq!(fixture.disk.lock().expect("unpoisoned").bytes.len(), 12);
    }
    assert_eq!(fixture.append().expect("written"), Seq(1));
    assert_eq!(fixture.seqs(), [1]);
}

#[test]
fn a_panic_in_the_middle_of_a_line_is_recovered_from() {
    let fixture = Fixture::new(&[]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    fixture.disk.lock().expect("unpoisoned").faults.push_back(WriteFault::Panic);
    let panicked = std::thread::scope(|scope| scope.spawn(|| fixture.append()).join().is_err());
    assert!(panicked && fixture.log.state.is_poisoned());
    assert_eq!(fixture.append().expect("written"), Seq(2));
    assert!(!fixture.log.state.is_poisoned());
    assert_eq!(fixture.seqs(), [1, 2]);
}

#[test]
fn appends_after_the_last_line_are_rejected() {
    let fixture = Fixture::new(&[]);
    assert_eq!(fixture.append().expect("written"), Seq(1));
    let event = Event::from(RolloutEnded { status: RolloutStatus::Aborted });
    let (rollout, context) = (RolloutId::from("r"), EventContext::default());
    let last = RecordBody::new(UnixMillis(7).into(), &rollout, &context, &event);
    assert_eq!(fixture.log.append_last(&last).expect("written"), Seq(2));
    assert!(matches!(fixture.append(), Err(AppendError::Closed)));
    assert_eq!(fixture.seqs(), [1, 2]);
}

#[test]
fn headroom_fits_the_largest_seq() {
    let mut line = LineBuf(vec![b'x'; 80]);
    let bytes = line.with_seq(Seq(u64::MAX));
    assert!(bytes.starts_with(br#"{"schema_version":1,"seq":18446744073709551615,x"#));
}
