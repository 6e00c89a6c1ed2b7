//! A running rotel collector.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::rotel::printed;

/// Maximum time of every wait.
const DEADLINE: Duration = Duration::from_secs(60);

/// A rotel process, killed on drop.
pub(crate) struct Collector {
    process: Child,
    http: u16,
    grpc: u16,
    directory: TempDir,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let binary = std::env::var_os("OTEL_TRACE_ROTEL").expect("OTEL_TRACE_ROTEL names the binary of rotel");
        let directory = tempfile::tempdir().unwrap();
        // Both ports are bound at once, so that they differ.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, grpc] = free.map(|listener| listener.local_addr().unwrap().port());
        let process = Command::new(binary)
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .arg("--pid-file")
            .arg(directory.path().join("pid"))
            .stdout(File::create(directory.path().join("spans.log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let collector = Self { process, http, grpc, directory };
        until(|| [http, grpc].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()));
        collector
    }

    pub(crate) fn url(&self, protocol: &str) -> String {
        let port = if protocol == "grpc" { self.grpc } else { self.http };
        format!("http://127.0.0.1:{port}")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("spans.log")
    }

    /// Waits until rotel has printed `spans` spans, stops rotel and returns its output.
    pub(crate) fn log_with(mut self, spans: usize) -> String {
        until(|| printed::count(&fs::read_to_string(self.log()).unwrap()) >= spans);
        // On SIGTERM rotel prints its remaining spans before it exits.
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        until(|| self.process.try_wait().unwrap().is_some());
        fs::read_to_string(self.log()).unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[track_caller]
fn until(mut is_met: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_met() {
        assert!(started.elapsed() < DEADLINE, "the condition is not met in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}
