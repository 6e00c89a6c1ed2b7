//! Runs each job in a separate process, so that its peak memory can be measured.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use otel_trace::bundle::Reader;
use otel_trace::graph::{Snapshots, write_state_file};
use otel_trace::reduce::{Options, reduce};
use serde_json::Value;

use crate::Failure;

/// The job of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Reduces the bundle and writes `state.json` with shared snapshots.
    Reduce,
    /// Parses the log and all payloads of the bundle to `serde_json::Value`, on all cores.
    Parse,
}

/// Time and memory of a job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// Peak memory of the process, in bytes.
    pub(crate) peak: u64,
}

const FLAG: &str = "--child";

/// Runs a job in a separate process.
pub(crate) fn run(job: Job, bundle: &Path) -> Result<Cost, Failure> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.args([FLAG, &format!("{job:?}")]).arg(bundle).stderr(Stdio::inherit()).output()?;
    let stdout = String::from_utf8(output.stdout)?;
    let (nanos, peak) = stdout.trim().split_once(' ').ok_or_else(|| format!("{job:?} failed: {stdout:?}"))?;
    Ok(Cost { time: Duration::from_nanos(nanos.parse()?), peak: peak.parse()? })
}

/// Runs the job if this process is a child. Returns `false` otherwise.
#[expect(clippy::print_stdout, reason = "the child reports its cost on stdout")]
pub(crate) fn main() -> Result<bool, Failure> {
    let mut args = std::env::args().skip_while(|arg| arg != FLAG).skip(1);
    let (Some(job), Some(bundle)) = (args.next(), args.next()) else { return Ok(false) };
    let bundle = PathBuf::from(bundle);
    let started = Instant::now();
    match job.as_str() {
        "Reduce" => {
            let graph = reduce(&Reader::open(&bundle)?, &Options::default())?.graph;
            if let Some(found) = graph.diagnostics.first() {
                return Err(found.to_string().into());
            }
            write_state_file(&graph, &bundle.join("state.json"), Snapshots::Shared)?;
        }
        "Parse" => parse(&bundle)?,
        other => return Err(other.into()),
    }
    println!("{} {}", started.elapsed().as_nanos(), peak()?);
    Ok(true)
}

fn parse(bundle: &Path) -> io::Result<()> {
    let paths: Vec<PathBuf> = fs::read_dir(bundle.join("payloads"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let worker = || -> io::Result<()> {
            while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                drop(serde_json::from_slice::<Value>(&fs::read(path)?)?);
            }
            Ok(())
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (1..cores).map(|_| scope.spawn(worker)).collect();
        for line in fs::read_to_string(bundle.join("trace.jsonl"))?.lines() {
            drop(serde_json::from_str::<Value>(line)?);
        }
        worker()?;
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| io::Error::other("a worker panicked"))?)
    })
}

/// Returns the peak memory of this process, in bytes, or 0 if the system does not report it.
fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.unwrap_or(0) * 1024)
}
