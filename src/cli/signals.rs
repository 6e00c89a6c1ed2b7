//! Signals that end the process: Ctrl-C, SIGTERM and SIGHUP run a clean-up first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future, io, process, thread};

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell adds to the number of the signal that ended a process.
const SHELL_STATUS: i32 = 128;

/// `true` once a signal ends the process.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Runs `clean_up` in a thread of its own when the first signal arrives, and then exits with the status that shells give a
/// process which the signal ended: 130 after Ctrl-C, 143 after SIGTERM. A second signal exits at once. Signals that the process
/// ignores from its start stay ignored. Returns when signals are watched.
pub(super) fn watch(clean_up: fn()) {
    let (started, is_started) = mpsc::sync_channel(1);
    let watcher = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // Without a watcher, signals end the process as they do by default.
        let _ = run_watcher(clean_up, &started);
    });
    if watcher.is_ok() {
        // The sender is dropped if the watcher cannot start.
        let _ = is_started.recv();
    }
}

fn run_watcher(clean_up: fn(), started: &SyncSender<()>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let watched = kinds.into_iter().filter(|kind| !is_ignored(*kind));
        let mut signals: Vec<_> = watched.map(|kind| Ok((kind, signal(kind)?))).collect::<io::Result<_>>()?;
        let _ = started.send(());
        let first = next(&mut signals).await;
        IS_ENDING.store(true, Ordering::SeqCst);
        let status = SHELL_STATUS + first.as_raw_value();
        let cleaner = thread::Builder::new().name("clean up".to_owned()).spawn(move || {
            clean_up();
            process::exit(status);
        });
        if cleaner.is_err() {
            process::exit(status);
        }
        let second = next(&mut signals).await;
        process::exit(SHELL_STATUS + second.as_raw_value());
    })
}

/// Waits for the next signal of any kind.
async fn next(signals: &mut [(SignalKind, Signal)]) -> SignalKind {
    let mut poll = |context: &mut Context<'_>| {
        let mut arrived =
            signals.iter_mut().filter_map(|(kind, signal)| signal.poll_recv(context).is_ready().then_some(*kind));
        arrived.next().map_or(Poll::Pending, Poll::Ready)
    };
    future::poll_fn(&mut poll).await
}

/// Returns `true` if the process ignores the signal, as one does that `nohup` or a script starts in the background.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    u32::try_from(kind.as_raw_value() - 1).is_ok_and(|bit| mask >> bit & 1 == 1)
}

/// Blocks forever if a signal ends the process, so that the process neither writes more nor exits with another status.
pub(super) fn wait_if_ending() {
    while IS_ENDING.load(Ordering::SeqCst) {
        thread::park_timeout(Duration::from_secs(60));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, Signal as Sent, kill_process};

    use super::*;
    use crate::cli::output;

    const ROLE: &str = "OTEL_TRACE_TEST_SIGNALS";

    /// A clean-up that never ends.
    fn hang() {
        output::print("cleaning").unwrap();
        loop {
            thread::park();
        }
    }

    #[test]
    fn second_signal_ends_a_clean_up_that_hangs() {
        if std::env::var_os(ROLE).is_some() {
            watch(hang);
            output::print("watching").unwrap();
            loop {
                wait_if_ending();
                thread::yield_now();
            }
        }
        let test = "cli::signals::tests::second_signal_ends_a_clean_up_that_hangs";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(ROLE, "1").stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        for (line, signal) in [("watching", Sent::TERM), ("cleaning", Sent::INT)] {
            assert!(lines.any(|it| it.ends_with(line)));
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
