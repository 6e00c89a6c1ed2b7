//! What a child said before it died.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStdout;

use crate::work::SAID;

/// Reads what the child says, and keeps what it says of the recording: event types with a text.
pub(crate) struct Said {
    stdout: BufReader<ChildStdout>,
    pub(crate) recorded: Vec<(String, String)>,
}

impl Said {
    pub(crate) fn new(stdout: ChildStdout) -> Self {
        Self { stdout: BufReader::new(stdout), recorded: Vec::new() }
    }

    /// Reads until so much was recorded. Less where the child died before.
    pub(crate) fn until(&mut self, count: usize) {
        while self.recorded.len() < count && self.line() {}
    }

    /// Reads what is left.
    pub(crate) fn rest(mut self) -> Vec<(String, String)> {
        while self.line() {}
        let _ = self.stdout.read_to_end(&mut Vec::new());
        self.recorded
    }

    fn line(&mut self) -> bool {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        // What is cut short is not said.
        if read.is_err() || !line.ends_with('\n') {
            return false;
        }
        // The test harness may have left a line of its own open.
        if let Some((_, said)) = line.trim_end().split_once(SAID) {
            let (event, text) = said.split_once(' ').unwrap();
            self.recorded.push((event.to_owned(), text.to_owned()));
        }
        true
    }
}
