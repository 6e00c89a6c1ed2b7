//! A command of the model's as a child process: bounded in time, in output, and in what it leaves
//! behind.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// What `timeout(1)` exits with.
const TIMED_OUT: i32 = 124;
/// How long a pipe may stay open once its process group is dead.
const GRACE: Duration = Duration::from_secs(1);
/// As much of each stream as is kept: a command can print gigabytes.
const KEPT_BYTES: usize = 512 * 1024;

/// Where the model's commands run.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    dir: PathBuf,
    env: Vec<(&'static str, OsString)>,
}

/// A command that is running.
#[derive(Debug)]
pub(crate) struct Running {
    /// The text the shell was given.
    pub(crate) cmd: String,
    /// The whole command line.
    pub(crate) command: Vec<String>,
    pub(crate) cwd: PathBuf,
    pub(crate) process_id: u32,
    child: Child,
    group: Group,
    timeout: Duration,
    started: Instant,
}

/// A command that ran.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// As a shell counts: 128 + n for signal n, 124 for a timeout.
    pub(crate) exit_code: i32,
    pub(crate) timed_out: bool,
    pub(crate) elapsed: Duration,
}

impl Workspace {
    pub(crate) fn new(dir: &Path, env: Vec<(&'static str, OsString)>) -> Self {
        Self { dir: dir.to_owned(), env }
    }

    /// Starts `cmd` in the shell; `workdir` is relative to the workspace.
    pub(crate) fn start(&self, cmd: &str, workdir: &Path, timeout: Duration) -> Result<Running> {
        let cwd = self.dir.join(workdir);
        if !cwd.is_dir() {
            bail!("workdir {} is not a directory", workdir.display());
        }
        let started = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", cmd]).current_dir(&cwd).envs(self.env.iter().cloned());
        for name in std::env::vars_os().map(|(name, _)| name).filter(is_ours) {
            if !self.env.iter().any(|(set, _)| name == *set) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its own group, so that the timeout ends what the shell started as well.
        let child = command.process_group(0).spawn().context("could not start the command")?;
        let process_id = child.id().context("the command ended before it began")?;
        Ok(Running {
            cmd: cmd.to_owned(),
            command: ["sh", "-c", cmd].map(str::to_owned).to_vec(),
            cwd,
            process_id,
            child,
            group: Group(i32::try_from(process_id).ok().and_then(Pid::from_raw)),
            timeout,
            started,
        })
    }
}

/// What `cargo run` sets for us would mislead a cargo the model runs, and the key is not its
/// business.
fn is_ours(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let cargo = name == "CARGO" || name.starts_with("CARGO_") && name != "CARGO_HOME";
    cargo || name.starts_with("OPENAI_") || name.starts_with("RUSTFLAGS") || name == "RUSTC_WRAPPER"
}

impl Running {
    /// Waits until the command ends or its time is up.
    pub(crate) async fn finish(mut self) -> Finished {
        let mut stdout = Kept::default();
        let mut stderr = Kept::default();
        let pipes = (self.child.stdout.take(), self.child.stderr.take());
        let status = {
            let read = async { tokio::join!(stdout.fill(pipes.0), stderr.fill(pipes.1)) };
            tokio::pin!(read);
            let mut read_all = false;
            let status = tokio::time::timeout(self.timeout, async {
                loop {
                    tokio::select! {
                        _ = &mut read, if !read_all => read_all = true,
                        status = self.child.wait() => break status,
                    }
                }
            })
            .await;
            // Also after a normal end: a child of the shell's may hold the pipes open forever.
            self.group.kill();
            if !read_all {
                let _ = tokio::time::timeout(GRACE, read).await;
            }
            status
        };
        let timed_out = status.is_err();
        if timed_out {
            // It is dead with its group; this clears it away.
            let _ = self.child.kill().await;
        }
        self.group.0 = None;
        Finished {
            stdout: stdout.text(),
            stderr: stderr.text(),
            exit_code: status.map_or(TIMED_OUT, exit_code),
            timed_out,
            elapsed: self.started.elapsed(),
        }
    }
}

fn exit_code(status: io::Result<ExitStatus>) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        Err(_) => -1,
    }
}

/// A process group that does not outlive its owner.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(pid) = self.0 {
            // It fails only when nobody is left to kill.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The beginning and the end of a stream.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: usize,
}

impl Kept {
    async fn fill(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut buffer = vec![0; 16 * 1024];
        // A pipe that cannot be read any more has ended for us.
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            self.push(&buffer[..count]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = (KEPT_BYTES / 2).saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        self.tail.extend_from_slice(&bytes[room..]);
        if self.tail.len() > KEPT_BYTES {
            let excess = self.tail.len() - KEPT_BYTES / 2;
            self.tail.drain(..excess);
            self.dropped += excess;
        }
    }

    fn text(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        if self.dropped == 0 {
            // In one piece: a character may lie across the two.
            return String::from_utf8_lossy(&[&self.head[..], &self.tail].concat()).into_owned();
        }
        let tail = String::from_utf8_lossy(&self.tail);
        format!("{head}\n[… {} bytes dropped …]\n{tail}", self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(cmd: &str, timeout: Duration) -> Result<Finished> {
        let dir = tempfile::tempdir()?;
        let workspace = Workspace::new(dir.path(), Vec::new());
        Ok(workspace.start(cmd, Path::new(""), timeout)?.finish().await)
    }

    /// Whether a process is there and not merely waiting to be reaped by a parent that is gone.
    fn is_alive(pid: &str) -> bool {
        let ps = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
        let state = ps.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
        state.is_ok_and(|state| !state.is_empty() && !state.starts_with('Z'))
    }

    #[tokio::test]
    async fn the_timeout_ends_the_whole_group() -> Result<()> {
        let cmd = "sleep 600 & echo $!; wait";
        let finished = run(cmd, Duration::from_millis(300)).await?;
        assert!(finished.timed_out);
        assert_eq!(finished.exit_code, TIMED_OUT);
        assert!(finished.elapsed < Duration::from_secs(60), "{:?}", finished.elapsed);
        let sleeper = finished.stdout.trim();
        assert!(sleeper.parse::<u32>().is_ok(), "{sleeper:?}");
        assert!(is_alive(&std::process::id().to_string()), "the test cannot see processes");
        // The signal is sent; when the system is done with it is its own affair.
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_alive(sleeper) {
            assert!(Instant::now() < deadline, "{sleeper} survived");
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_does_not_hold_it_up() -> Result<()> {
        let finished = run("sleep 600 & echo done", Duration::from_secs(60)).await?;
        assert_eq!((finished.stdout.as_str(), finished.exit_code), ("done\n", 0));
        assert!(!finished.timed_out);
        Ok(())
    }

    #[tokio::test]
    async fn a_signal_counts_as_in_a_shell() -> Result<()> {
        let finished = run("kill -TERM $$", Duration::from_secs(60)).await?;
        assert_eq!(finished.exit_code, 128 + 15);
        Ok(())
    }

    #[tokio::test]
    async fn endless_output_stays_bounded() -> Result<()> {
        let finished = run("echo first; yes | head -c 5000000; echo last", GRACE * 60).await?;
        assert!(finished.stdout.len() < 2 * KEPT_BYTES, "{}", finished.stdout.len());
        assert!(finished.stdout.starts_with("first\n") && finished.stdout.ends_with("last\n"));
        assert!(finished.stdout.contains("bytes dropped"));
        Ok(())
    }

    #[test]
    fn the_key_and_our_own_cargo_stay_here() {
        for name in ["OPENAI_API_KEY", "CARGO", "CARGO_PKG_NAME", "RUSTFLAGS"] {
            assert!(is_ours(&name.into()), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "HOME", "RUSTUP_HOME"] {
            assert!(!is_ours(&name.into()), "{name}");
        }
    }
}
