//! What recording costs, as ratios to something else measured in the same run: `cargo bench --bench layer`.
//!
//! Nothing is asserted. A bare peer writes, byte for byte, what a recording of one operation was seen to write, by the
//! same system calls, into the same directory. OpenTelemetry's peer has the exporter that costs nothing, and its
//! background thread works while nothing is measured.

mod bodies;
mod measure;
mod off;
mod on;
mod peers;
mod table;

use std::error::Error;
use std::path::Path;

use measure::Plan;
use otel_trace::Recorder;
use table::Table;
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

type Failure = Box<dyn Error>;

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this too, without the flag: it wants to know whether it works.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let plan = if is_bench { Plan::FULL } else { Plan::SMOKE };
    // Beside the build, and not where the temporary directory may be in memory.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut table = Table::default();
    // First what runs without a subscriber: the first one that is made changes how callsites answer.
    off::compare_without_subscriber(plan, &mut table);
    off::compare_off(plan, &mut table);
    off::compare_other_spans(plan, scratch.path(), &mut table)?;
    on::compare_spans(plan, scratch.path(), &mut table)?;
    on::compare_buffered(plan, scratch.path(), &mut table)?;
    bodies::compare_bodies(plan, scratch.path(), &mut table)?;
    if is_bench {
        println!("{}\n\n{plan}\n\n{table}", machine(scratch.path()));
    } else {
        println!("Each operation was done once; `cargo bench --bench layer` measures them.");
    }
    Ok(())
}

/// A subscriber that records, as the documentation says to make one.
fn recording(recorder: &Recorder) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())))
}

fn machine(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cores} cores, {os} on {architecture}, bundles on {}.", file_system(directory))
}

/// The type of file system that a directory is on, where the system tells.
fn file_system(directory: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let over = mounts.filter(|(point, _)| directory.starts_with(point));
    over.max_by_key(|(point, _)| point.len()).map_or("an unknown file system", |(_, kind)| kind).to_owned()
}
