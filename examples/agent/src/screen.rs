//! Terminal output of a run.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otel_trace::view::{self, Piece};
use serde_json::Value;

use crate::message::Message;
use crate::stream::Delta;
use crate::terminal::CommandResult;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Maximum number of characters of a command that are printed once it has ended.
const COMMAND_CHARS: usize = 60;
/// Maximum number of lines of an excerpt.
const EXCERPT_LINES: usize = 12;

/// Standard output, shared by all agents. The text of the root agent is streamed; output of other agents is deferred
/// until the current line ends.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    color: bool,
    /// The name of the agent, unless it is the root agent.
    agent: Option<Arc<str>>,
    line: Arc<Mutex<Line>>,
}

/// The line in which the cursor is.
#[derive(Debug, Default)]
struct Line {
    is_open: bool,
    /// Output that is deferred until the line ends.
    deferred: String,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: io::stdout().is_terminal() && !no_color, agent: None, line: Arc::default() }
    }

    /// Returns a handle to this screen whose output is labelled with the name of an agent.
    pub(crate) fn for_agent(&self, name: &str) -> Self {
        Self { agent: Some(name.into()), ..self.clone() }
    }

    pub(crate) fn print(&self, text: &str) {
        self.print_styled("", text);
    }

    /// Prints lines of a view, with their styles on a terminal.
    pub(crate) fn print_lines(&self, lines: &[view::Line]) {
        let styled = |piece: &Piece| {
            let Piece { style, text } = piece;
            if self.color { format!("{style}{text}{style:#}") } else { text.clone() }
        };
        for line in lines {
            self.print(&line.pieces.iter().map(styled).collect::<String>());
        }
    }

    /// Returns the width of the terminal, or one that fits most.
    pub(crate) fn columns() -> usize {
        let variable = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
        variable.or_else(terminal).filter(|columns| *columns >= 20).unwrap_or(120)
    }

    pub(crate) fn print_note(&self, text: &str) {
        self.print_styled(DIM, text);
    }

    pub(crate) fn print_warning(&self, text: &str) {
        self.print_styled(YELLOW, &format!("! {}", printable(text)));
    }

    pub(crate) fn print_heading(&self, text: &str) {
        self.print_styled(BOLD, &format!("\n── {}", printable(text)));
    }

    /// Prints a command that is about to run.
    pub(crate) fn print_command(&self, cmd: &str) {
        self.print_styled(BOLD, &format!("$ {}", printable(cmd)));
    }

    /// Prints input that is sent to a running command.
    pub(crate) fn print_input(&self, cmd: &str, chars: &str) {
        self.print_styled(BOLD, &format!("> {:?}  (to {})", chars, head(cmd)));
    }

    /// Prints a script that is about to run.
    pub(crate) fn print_script(&self, id: &str, source: &str) {
        self.print_styled(BOLD, &format!("script {id}"));
        self.print_excerpt(source, EXCERPT_LINES);
    }

    /// Prints the exit code of a command, and an excerpt of its output.
    pub(crate) fn print_result(&self, cmd: &str, result: &CommandResult) {
        let (code, seconds) = (result.exit_code, result.elapsed.as_secs_f64());
        // Names the command, because several may be running at once.
        self.print_note(&format!("  exit {code} after {seconds:.2} s: {}", head(cmd)));
        self.print_excerpt(&result.output, EXCERPT_LINES);
    }

    /// Prints a message that another agent sent to this one.
    pub(crate) fn print_message(&self, message: &Message) {
        self.print_note(&format!("  {} says: {}", message.author, printable(&message.content)));
    }

    /// Prints the messages of a response, for agents whose text is not streamed.
    pub(crate) fn print_answer(&self, items: &[Value]) {
        if self.agent.is_some() {
            let parts = items.iter().filter(|item| item["type"] == "message").filter_map(|it| it["content"].as_array());
            for text in parts.flatten().filter_map(|part| part["text"].as_str()) {
                self.print(&printable(text));
            }
        }
    }

    /// Prints the first lines of a text, and more of its last lines, where errors are.
    fn print_excerpt(&self, text: &str, limit: usize) {
        let text = printable(text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        // The line that reports one omitted line would be as long as that line.
        let hidden = match lines.len().saturating_sub(limit) {
            1 => 0,
            more => more,
        };
        let head = if hidden == 0 { lines.len() } else { limit / 3 };
        for line in &lines[..head] {
            self.print_note(&format!("  │ {line}"));
        }
        if hidden > 0 {
            self.print_note(&format!("  │ … {hidden} more lines"));
        }
        for line in &lines[head + hidden..] {
            self.print_note(&format!("  │ {line}"));
        }
    }

    /// Prints a piece of a response as it arrives.
    pub(crate) fn print_delta(&self, delta: Delta<'_>) {
        if self.agent.is_some() {
            return;
        }
        let mut line = self.lock();
        match delta {
            Delta::Reasoning(text) => write(&self.styled(DIM, &printable(text))),
            Delta::Text(text) => write(&printable(text)),
            // Commands are printed when they run.
            Delta::Arguments => return,
            Delta::End => write(&format!("\n{}", std::mem::take(&mut line.deferred))),
        }
        line.is_open = !matches!(delta, Delta::End);
    }

    /// Ends the current line after a stream was aborted.
    pub(crate) fn end_line(&self) {
        if self.lock().is_open {
            self.print_delta(Delta::End);
        }
    }

    fn print_styled(&self, style: &str, text: &str) {
        let text = match &self.agent {
            None => format!("{}\n", self.styled(style, text)),
            Some(name) => text.lines().map(|line| format!("{name:>10} ┆ {}\n", self.styled(style, line))).collect(),
        };
        let mut line = self.lock();
        if line.is_open {
            line.deferred.push_str(&text);
        } else {
            write(&text);
        }
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.color && !style.is_empty() { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the first line of a command, truncated.
fn head(cmd: &str) -> String {
    printable(cmd).lines().next().unwrap_or_default().chars().take(COMMAND_CHARS).collect()
}

/// Ignores errors: a closed pipe (`example-agent | head`) must not end the run.
fn write(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Removes control characters: models and programs may print escape sequences, which must not reach the terminal.
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
