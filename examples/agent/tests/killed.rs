//! A killed run leaves either no bundle, or a bundle whose graph has notices only.

#![expect(clippy::print_stdout, reason = "the seed reproduces a failure")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use otel_trace::bundle::Reader;
use otel_trace::event::RolloutStatus;
use otel_trace::graph::Severity;
use otel_trace::reduce::{Options, reduce};

/// Number of runs that are killed, and the number of those that are killed in their first milliseconds.
const KILLS: u32 = 20;
const EARLY: u32 = 6;
const EARLY_MILLIS: f64 = 25.0;

#[test]
fn killed_run_leaves_no_bundle_or_one_with_notices_only() -> Result<()> {
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let whole = {
        let scratch = tempfile::tempdir()?;
        let started = Instant::now();
        let status = agent(scratch.path()).status()?;
        assert!(status.success(), "a run that is not killed fails");
        started.elapsed()
    };

    let mut cut_short = 0;
    for number in 0..KILLS {
        let longest = if number < EARLY { Duration::from_secs_f64(EARLY_MILLIS / 1000.0) } else { whole };
        let moment = longest.mul_f64(random.f64());
        let scratch = tempfile::tempdir()?;
        let mut child = agent(scratch.path()).spawn()?;
        // A sleep is intended: the test kills the run at a random time.
        thread::sleep(moment);
        child.kill()?;
        child.wait()?;
        for bundle in bundles(&scratch.path().join("traces"))? {
            let status = check(&bundle).map_err(|error| error.context(format!("seed {seed}, {moment:?}")))?;
            cut_short += u32::from(status == RolloutStatus::Running);
        }
    }
    // Otherwise the test has not tested anything.
    assert!(cut_short >= KILLS / 4, "only {cut_short} of {KILLS} runs were cut short: KILL_SEED={seed}");
    Ok(())
}

/// Creates a command that runs the agent with all its files under one directory.
fn agent(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-agent"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_REASONING", "OPENAI_SCRIPTS"] {
        command.env_remove(name);
    }
    command.env("OTEL_TRACE_ROOT", scratch.join("traces")).env("TMPDIR", scratch);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Returns the bundles under a root. A hidden name marks a bundle whose creation has not finished.
fn bundles(root: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = root.read_dir() else { return Ok(Vec::new()) };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    Ok(paths.into_iter().filter(|path| !is_hidden(path)).collect())
}

/// Reduces a bundle and checks its diagnostics. Returns the status of the run.
fn check(bundle: &Path) -> Result<RolloutStatus> {
    let graph = reduce(&Reader::open(bundle)?, &Options::default())?.graph;
    for diagnostic in &graph.diagnostics {
        assert_eq!(diagnostic.severity, Severity::Notice, "{}: {diagnostic}", bundle.display());
    }
    Ok(graph.status)
}
