//! The reports that a child process prints before it dies.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStdout;

use crate::workload::REPORT_PREFIX;

/// A reader of the stdout of a child process that collects its reports: pairs of an event type and a text.
pub(crate) struct ReportReader {
    stdout: BufReader<ChildStdout>,
    pub(crate) reports: Vec<(String, String)>,
}

impl ReportReader {
    pub(crate) fn new(stdout: ChildStdout) -> Self {
        Self { stdout: BufReader::new(stdout), reports: Vec::new() }
    }

    /// Reads until `count` reports were collected or the child process died.
    pub(crate) fn read_until(&mut self, count: usize) {
        while self.reports.len() < count && self.read_line() {}
    }

    /// Reads to the end of the output and returns all reports.
    pub(crate) fn rest(mut self) -> Vec<(String, String)> {
        while self.read_line() {}
        let _ = self.stdout.read_to_end(&mut Vec::new());
        self.reports
    }

    /// Reads a line. Returns `false` at the end of the output.
    fn read_line(&mut self) -> bool {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        // A truncated line is not a report.
        if read.is_err() || !line.ends_with('\n') {
            return false;
        }
        // The test harness may have left an unfinished line before the report.
        if let Some((_, report)) = line.trim_end().split_once(REPORT_PREFIX) {
            let (event, text) = report.split_once(' ').unwrap();
            self.reports.push((event.to_owned(), text.to_owned()));
        }
        true
    }
}
