//! A run that is killed leaves nothing, or a bundle that still explains itself.

#![expect(clippy::print_stdout, reason = "a failure can be had again with the seed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use otel_trace::bundle::Reader;
use otel_trace::event::RolloutStatus;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};

/// How often a run is killed, and how often of that in its first milliseconds.
const KILLS: u32 = 20;
const EARLY: u32 = 6;
const EARLY_MILLIS: f64 = 25.0;

#[test]
fn a_killed_run_leaves_nothing_or_a_bundle_with_notices_only() -> Result<()> {
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let whole = {
        let scratch = tempfile::tempdir()?;
        let started = Instant::now();
        let status = agent(scratch.path()).status()?;
        assert!(status.success(), "the run that is not killed fails");
        started.elapsed()
    };

    let mut cut_short = 0;
    for number in 0..KILLS {
        let longest = if number < EARLY { Duration::from_secs_f64(EARLY_MILLIS / 1000.0) } else { whole };
        let moment = longest.mul_f64(random.f64());
        let scratch = tempfile::tempdir()?;
        let mut child = agent(scratch.path()).spawn()?;
        // Not to wait for something: the moment is the point.
        thread::sleep(moment);
        child.kill()?;
        child.wait()?;
        for bundle in bundles(&scratch.path().join("traces"))? {
            let status = check(&bundle).map_err(|error| error.context(format!("seed {seed}, {moment:?}")))?;
            cut_short += u32::from(status == RolloutStatus::Running);
        }
    }
    // Else nothing was put to the test.
    assert!(cut_short >= KILLS / 4, "only {cut_short} of {KILLS} runs were cut short: KILL_SEED={seed}");
    Ok(())
}

/// The agent, with everything it makes under one directory.
fn agent(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING", "OPENAI_SCRIPTS"] {
        command.env_remove(name);
    }
    command.env("OTEL_TRACE_ROOT", scratch.join("traces")).env("TMPDIR", scratch);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The bundles under a root. One that was being made has a hidden name and is none yet.
fn bundles(root: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = root.read_dir() else { return Ok(Vec::new()) };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    Ok(paths.into_iter().filter(|path| !is_hidden(path)).collect())
}

/// Reduces what was left, and says how far the run had come.
fn check(bundle: &Path) -> Result<RolloutStatus> {
    let graph = reduce(&Reader::open(bundle)?, &Options::default())?.graph;
    for diagnostic in &graph.diagnostics {
        assert_eq!(diagnostic.severity, Severity::Notice, "{}: {diagnostic}", bundle.display());
    }
    Ok(graph.status)
}
