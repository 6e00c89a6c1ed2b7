//! What is measured, each in a process of its own, so that its peak memory is its own too.

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

/// What a process does with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Reduces it and writes `state.json` with shared snapshots.
    Reduce,
    /// Parses its log and all its payloads to `serde_json::Value`, on all cores.
    Parse,
}

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// The most memory that the process ever had, in bytes.
    pub(crate) peak: u64,
}

const FLAG: &str = "--child";

/// Does the job in a process of its own.
pub(crate) fn run(job: Job, bundle: &Path) -> Result<Cost, Failure> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.args([FLAG, &format!("{job:?}")]).arg(bundle).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8(output.stdout)?;
    let (nanos, peak) = said.trim().split_once(' ').ok_or_else(|| format!("{job:?} failed: {said:?}"))?;
    Ok(Cost { time: Duration::from_nanos(nanos.parse()?), peak: peak.parse()? })
}

/// Does the job that this process is for, if it is for one.
#[expect(clippy::print_stdout, reason = "this is how a child answers")]
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

/// The most memory that this process ever had, in bytes; 0 where the system does not tell.
fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.unwrap_or(0) * 1024)
}
