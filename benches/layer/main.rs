//! Measures recording, as ratios to peers that are measured in the same run: `cargo bench --bench layer`.
//!
//! No ratio is asserted. A bare peer repeats the writes of one recorded operation, byte for byte, by the same system
//! calls, into the same directory. The OpenTelemetry peer has an exporter that discards spans, and its background
//! thread works while nothing is measured.

mod bodies;
mod disabled;
mod measure;
mod peers;
mod spans;
mod table;

use std::error::Error;
use std::path::Path;

use measure::Plan;
use otel_trace::Recorder;
use table::Table;
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

type Failure = Box<dyn Error>;

#[expect(clippy::print_stdout, reason = "the table is the output of this program")]
fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this program without the flag, as a smoke test.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let plan = if is_bench { Plan::FULL } else { Plan::SMOKE };
    // In the target directory, since the temporary directory may be in memory.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut table = Table::default();
    // Measured first: the first subscriber that is created changes the cached interest of callsites.
    disabled::compare_without_subscriber(plan, &mut table);
    disabled::compare_off(plan, &mut table);
    disabled::compare_other_spans(plan, scratch.path(), &mut table)?;
    spans::compare_spans(plan, scratch.path(), &mut table)?;
    spans::compare_buffered(plan, scratch.path(), &mut table)?;
    bodies::compare_bodies(plan, scratch.path(), &mut table)?;
    if is_bench {
        println!("{}\n\n{plan}\n\n{table}", machine(scratch.path()));
    } else {
        println!("Each operation was done once; `cargo bench --bench layer` measures them.");
    }
    Ok(())
}

/// Creates a subscriber that records, as documented.
fn recording(recorder: &Recorder) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())))
}

fn machine(directory: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cores} cores, {os} on {architecture}, bundles on {}.", file_system(directory))
}

/// Returns the type of the file system of a directory, from `/proc/mounts`.
fn file_system(directory: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    let over = mounts.filter(|(point, _)| directory.starts_with(point));
    over.max_by_key(|(point, _)| point.len()).map_or("an unknown file system", |(_, kind)| kind).to_owned()
}
