//! A process together with the processes that it starts: they form a separate session, which is killed when its leader
//! ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use portable_pty::Child;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

/// Maximum number of passes over a session to find processes that it started meanwhile.
const SWEEPS: usize = 5;

/// A session, identified by the process id of its leader for as long as that id is valid.
#[derive(Debug)]
pub(crate) struct Process {
    /// Process id of the leader; `None` once the leader was reaped, because the system may then reuse the id.
    leader: Mutex<Option<Pid>>,
    was_killed: AtomicBool,
}

impl Process {
    pub(crate) fn new(leader: Pid) -> Self {
        Self { leader: Mutex::new(Some(leader)), was_killed: AtomicBool::new(false) }
    }

    /// Kills the session, unless its leader has ended.
    pub(crate) fn kill(&self) {
        let leader = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leader) = *leader {
            self.was_killed.store(true, Ordering::Relaxed);
            kill_session(leader);
        }
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.was_killed.load(Ordering::Relaxed)
    }

    /// Waits for the leader to end and kills the processes that it leaves behind. Returns the exit code by the
    /// convention of shells: 128 + n for signal n.
    pub(crate) fn wait(&self, child: &mut dyn Child) -> i32 {
        let Some(leader) = *self.leader.lock().unwrap_or_else(PoisonError::into_inner) else { return -1 };
        let code = exit_code(leader);
        let mut reaped = self.leader.lock().unwrap_or_else(PoisonError::into_inner);
        kill_session(leader);
        *reaped = None;
        let _ = child.wait();
        drop(reaped);
        code.unwrap_or(-1)
    }
}

/// Waits until the leader has ended, without reaping it: the process id of the leader names the session until all
/// members were killed.
fn exit_code(leader: Pid) -> io::Result<i32> {
    loop {
        match waitid(WaitId::Pid(leader), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let signal = || 128 + status.terminating_signal().unwrap_or(0);
                return Ok(status.exit_status().unwrap_or_else(signal));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn kill_session(leader: Pid) {
    // Fails only if the group has no process left.
    let _ = kill_process_group(leader, Signal::KILL);
    // An interactive shell runs each job in a separate process group.
    for _ in 0..SWEEPS {
        let members = session_members(leader);
        if members.is_empty() {
            return;
        }
        for member in members {
            let _ = kill_process(member, Signal::KILL);
        }
    }
}

/// Returns the other processes of a session, on systems that list processes in `/proc`.
fn session_members(leader: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?));
    pids.filter(|&pid| pid != leader && session_of(pid) == Some(leader)).collect()
}

/// Parses the session id from `/proc/<pid>/stat`: pid, name in parentheses, state, parent, group, session.
fn session_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name may contain parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    Pid::from_raw(after_name.split_whitespace().nth(3)?.parse().ok()?)
}
