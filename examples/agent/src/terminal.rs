//! A command of the model in a live pseudo-terminal, which prints output, reads input, and ends.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use rustix::process::Pid;
use tokio::sync::watch;

use crate::bounded_output::BoundedOutput;
use crate::process::Process;

/// Size of the terminal: wide enough that programs do not wrap their lines.
const SIZE: PtySize = PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 };
/// Maximum time to wait for remaining output after all processes of the command have ended.
const READER_GRACE: Duration = Duration::from_secs(1);

/// A running command that no thread waits for yet.
pub(crate) struct StartedCommand {
    pub(crate) command: Vec<String>,
    cmd: String,
    pub(crate) cwd: PathBuf,
    child: Box<dyn Child + Send + Sync>,
    process: Arc<Process>,
    output: Arc<Mutex<TerminalOutput>>,
    /// A channel that disconnects when all output of the command was read.
    reader_done: mpsc::Receiver<()>,
    input: mpsc::Sender<String>,
    started: Instant,
}

/// A command in its terminal. The command is killed when the last handle is dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The command line that was passed to the shell.
    pub(crate) cmd: String,
    process: Arc<Process>,
    output: Arc<Mutex<TerminalOutput>>,
    input: mpsc::Sender<String>,
    result: watch::Receiver<Option<CommandResult>>,
    started: Instant,
}

/// The output of a terminal.
#[derive(Debug, Default)]
struct TerminalOutput {
    all: BoundedOutput,
    /// Output of the command that no call has returned yet.
    unread: BoundedOutput,
}

/// The result of a command that has ended.
#[derive(Debug, Clone)]
pub(crate) struct CommandResult {
    /// Combined stdout and stderr: a terminal does not separate them.
    pub(crate) output: String,
    /// The exit code by the convention of shells: 128 + n for signal n.
    pub(crate) exit_code: i32,
    /// `true` if this program killed the command.
    pub(crate) was_killed: bool,
    pub(crate) elapsed: Duration,
}

/// Output of a command since the last read.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) output: String,
    /// The exit code; `None` while the command is running.
    pub(crate) exit_code: Option<i32>,
    /// Time that the read took.
    pub(crate) elapsed: Duration,
}

impl StartedCommand {
    pub(crate) fn spawn(builder: CommandBuilder, command: Vec<String>, cmd: &str, cwd: PathBuf) -> Result<Self> {
        let pty = native_pty_system().openpty(SIZE)?;
        let child = pty.slave.spawn_command(builder)?;
        // The child has its own copy of the slave; the reader and writer threads get copies of the master.
        drop(pty.slave);
        let pid = child.process_id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let process = Arc::new(Process::new(pid.context("the command ended before its process id was read")?));
        let output = Arc::default();
        let reader_done = read_in_background(pty.master.try_clone_reader()?, Arc::clone(&output))?;
        let input = write_in_background(pty.master.take_writer()?)?;
        Ok(Self {
            command,
            cmd: cmd.to_owned(),
            cwd,
            child,
            process,
            output,
            reader_done,
            input,
            started: Instant::now(),
        })
    }

    /// Waits for the command on a separate thread. `on_end` is called before any other code can observe the end.
    pub(crate) fn watch(self, on_end: impl FnOnce(&CommandResult) + Send + 'static) -> Result<Terminal> {
        let Self { cmd, mut child, process, output, reader_done, input, started, command: _, cwd: _ } = self;
        let (result_sender, result) = watch::channel(None);
        let terminal =
            Terminal { cmd, process: Arc::clone(&process), output: Arc::clone(&output), input, result, started };
        let wait = move || {
            let exit_code = process.wait(&mut *child);
            // A process that left the session may keep the terminal open indefinitely.
            let _ = reader_done.recv_timeout(READER_GRACE);
            let output = lock(&output).all.text();
            let result =
                CommandResult { output, exit_code, was_killed: process.was_killed(), elapsed: started.elapsed() };
            on_end(&result);
            let _ = result_sender.send(Some(result));
        };
        thread::Builder::new().name("terminal-wait".to_owned()).spawn(wait)?;
        Ok(terminal)
    }
}

impl Terminal {
    /// Waits until the command ends or `timeout` has passed. Returns the output since the last read.
    pub(crate) async fn read(&self, timeout: Duration) -> Chunk {
        let started_reading = Instant::now();
        let exit_code = tokio::time::timeout(timeout, self.wait()).await.ok().map(|result| result.exit_code);
        let unread = std::mem::take(&mut lock(&self.output).unread);
        Chunk { output: unread.text(), exit_code, elapsed: started_reading.elapsed() }
    }

    /// Waits until the command ends. Returns its result.
    pub(crate) async fn wait(&self) -> CommandResult {
        let mut result = self.result.clone();
        let result = result.wait_for(Option::is_some).await.ok().and_then(|result| result.clone());
        // The waiting thread drops the sender without a result only if it panics.
        result.unwrap_or_else(|| CommandResult {
            output: String::new(),
            exit_code: -1,
            was_killed: false,
            elapsed: self.started.elapsed(),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.result.borrow().is_none()
    }

    /// Sends input to the command.
    pub(crate) fn send(&self, chars: &str) {
        // Fails if the terminal is closed: the result of the command explains more than an error would.
        let _ = self.input.send(chars.to_owned());
    }

    /// Kills the command and all processes that it started.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_in_background(
    mut reader: Box<dyn Read + Send>,
    output: Arc<Mutex<TerminalOutput>>,
) -> std::io::Result<mpsc::Receiver<()>> {
    let (done, reader_done) = mpsc::channel::<()>();
    let read = move || {
        let mut buffer = vec![0; 16 * 1024];
        // A read error means that the terminal is closed.
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let mut output = lock(&output);
            output.all.push(&buffer[..count]);
            output.unread.push(&buffer[..count]);
        }
        drop(done);
    };
    thread::Builder::new().name("terminal-read".to_owned()).spawn(read)?;
    Ok(reader_done)
}

/// Writes input on a thread: writing blocks if no program reads from the terminal, after a few thousand characters.
fn write_in_background(mut writer: Box<dyn Write + Send>) -> std::io::Result<mpsc::Sender<String>> {
    let (input, received) = mpsc::channel::<String>();
    let write = move || {
        for chars in received {
            if writer.write_all(chars.as_bytes()).and_then(|()| writer.flush()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("terminal-write".to_owned()).spawn(write)?;
    Ok(input)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::workspace::Workspace;

    const TEST_TIMEOUT: Duration = Duration::from_secs(60);

    fn start(cmd: &str) -> Result<(tempfile::TempDir, Terminal)> {
        let dir = tempfile::tempdir()?;
        let terminal = Workspace::new(dir.path(), Vec::new()).start(cmd, Path::new(""), false)?.watch(|_| {})?;
        Ok((dir, terminal))
    }

    /// Returns `true` if a process exists and is not a zombie that waits to be reaped.
    fn is_alive(pid: &str) -> bool {
        let ps = std::process::Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
        let state = ps.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
        state.is_ok_and(|state| !state.is_empty() && !state.starts_with('Z'))
    }

    async fn wait_until_dead(pid: &str) {
        assert!(is_alive(&std::process::id().to_string()), "the test cannot see processes");
        // The signal was sent, but the system needs time to end the process.
        let deadline = Instant::now() + TEST_TIMEOUT;
        while is_alive(pid) {
            assert!(Instant::now() < deadline, "{pid} survived");
            tokio::task::yield_now().await;
        }
    }

    /// Reads until the output satisfies `holds`.
    async fn read_until(terminal: &Terminal, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + TEST_TIMEOUT;
        let mut text = String::new();
        while !holds(&text) {
            assert!(Instant::now() < deadline, "{text:?}");
            text.push_str(&terminal.read(Duration::from_millis(10)).await.output);
        }
        text
    }

    #[tokio::test]
    async fn standard_streams_are_a_terminal() -> Result<()> {
        let (_dir, terminal) = start("test -t 0 && test -t 1 && test -t 2 && echo yes; exit 3")?;
        let result = terminal.wait().await;
        assert_eq!((result.output.as_str(), result.exit_code, result.was_killed), ("yes\n", 3, false));
        Ok(())
    }

    #[tokio::test]
    async fn input_reaches_the_command_and_reads_are_incremental() -> Result<()> {
        let (_dir, terminal) = start("printf 'name? '; read -r name; echo \"hello $name\"; read -r end; exit 5")?;
        assert_eq!(read_until(&terminal, |text| text.contains("name? ")).await, "name? ");
        terminal.send("Ada\n");
        let text = read_until(&terminal, |text| text.contains("hello Ada\n")).await;
        assert!(!text.contains("name?"), "{text}");
        assert!(terminal.is_running());
        terminal.send("\n");
        let last = terminal.read(TEST_TIMEOUT).await;
        assert_eq!(last.exit_code, Some(5));
        assert!(!last.output.contains("hello"), "{}", last.output);
        Ok(())
    }

    #[tokio::test]
    async fn background_processes_are_killed_with_their_command() -> Result<()> {
        let (_dir, terminal) = start("sleep 600 & echo $!")?;
        let result = terminal.wait().await;
        assert_eq!(result.exit_code, 0);
        wait_until_dead(result.output.trim()).await;
        Ok(())
    }

    #[tokio::test]
    async fn jobs_of_an_interactive_shell_are_killed_with_it() -> Result<()> {
        let (_dir, terminal) = start("set -m; sleep 600 & echo pid $!; wait")?;
        let text = read_until(&terminal, |text| text.contains("pid ") && text.ends_with('\n')).await;
        let pid = text.split("pid ").nth(1).unwrap_or_default().trim().to_owned();
        assert!(is_alive(&pid), "{text}");
        terminal.kill();
        let result = terminal.wait().await;
        assert!(result.was_killed);
        assert_eq!(result.exit_code, 128 + 9);
        wait_until_dead(&pid).await;
        Ok(())
    }

    #[tokio::test]
    async fn dropping_a_terminal_kills_its_command() -> Result<()> {
        let (_dir, terminal) = start("echo $$; exec sleep 600")?;
        let pid = read_until(&terminal, |text| text.ends_with('\n')).await;
        drop(terminal);
        wait_until_dead(pid.trim()).await;
        Ok(())
    }

    #[tokio::test]
    async fn signal_exit_codes_follow_the_shell_convention() -> Result<()> {
        let (_dir, terminal) = start("kill -TERM $$")?;
        assert_eq!(terminal.wait().await.exit_code, 128 + 15);
        Ok(())
    }

    #[tokio::test]
    async fn sending_unread_input_does_not_block() -> Result<()> {
        let (_dir, terminal) = start("exec sleep 600")?;
        terminal.send(&"x\n".repeat(100_000));
        assert_eq!(terminal.read(Duration::from_millis(1)).await.exit_code, None);
        terminal.kill();
        assert_eq!(terminal.wait().await.exit_code, 128 + 9);
        Ok(())
    }
}
