//! What the user sees while it happens.

use std::io::{self, IsTerminal, Write};

use crate::process::Finished;
use crate::stream::Delta;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// How much of a command and its output the user is shown once it ended.
const CMD_SHOWN: usize = 60;
const STDOUT_LINES: usize = 12;
const STDERR_LINES: usize = 3;

/// The terminal, or the file the output goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    color: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: io::stdout().is_terminal() && !no_color }
    }

    pub(crate) fn line(&self, text: &str) {
        write(&format!("{text}\n"));
    }

    pub(crate) fn note(&self, text: &str) {
        self.styled(DIM, &format!("{text}\n"));
    }

    pub(crate) fn warning(&self, text: &str) {
        self.styled(YELLOW, &format!("! {}\n", printable(text)));
    }

    pub(crate) fn heading(&self, text: &str) {
        self.styled(BOLD, &format!("\n── {}\n", printable(text)));
    }

    /// A command that is about to run.
    pub(crate) fn command(&self, cmd: &str) {
        self.styled(BOLD, &format!("$ {}\n", printable(cmd)));
    }

    /// How a command ended, and a few lines of what it printed.
    pub(crate) fn finished(&self, cmd: &str, finished: &Finished) {
        let (code, seconds) = (finished.exit_code, finished.elapsed.as_secs_f64());
        // Several may have run at once, so it has to say which one it was.
        let cmd: String = printable(cmd).chars().take(CMD_SHOWN).collect();
        self.note(&format!("  exit {code} after {seconds:.2} s: {cmd}"));
        self.few_lines(&finished.stdout, STDOUT_LINES);
        self.few_lines(&finished.stderr, STDERR_LINES);
    }

    /// The beginning of a text, and more of its end, where errors are.
    fn few_lines(&self, text: &str, limit: usize) {
        let text = printable(text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        // A line to say that one is missing would be no shorter.
        let hidden = match lines.len().saturating_sub(limit) {
            1 => 0,
            more => more,
        };
        let head = if hidden == 0 { lines.len() } else { limit / 3 };
        for line in &lines[..head] {
            self.note(&format!("  │ {line}"));
        }
        if hidden > 0 {
            self.note(&format!("  │ … {hidden} more lines"));
        }
        for line in &lines[head + hidden..] {
            self.note(&format!("  │ {line}"));
        }
    }

    /// A piece of a response, as it arrives.
    pub(crate) fn delta(&self, delta: Delta<'_>) {
        match delta {
            Delta::Reasoning(text) => self.styled(DIM, &printable(text)),
            Delta::Text(text) => write(&printable(text)),
            // The whole command is shown when it runs.
            Delta::Arguments => {}
            Delta::End => write("\n"),
        }
    }

    fn styled(&self, style: &str, text: &str) {
        if self.color {
            write(&format!("{style}{text}{RESET}"));
        } else {
            write(text);
        }
    }
}

/// A closed pipe (`example-agent | head`) must not end the run in its middle.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Models and programs may print anything, escape sequences too: the terminal gets none of them.
fn printable(text: &str) -> String {
    text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\tc\u{9b}"), "a[2Jb\n\tc");
    }
}
