//! The notes of the model: facts from tool outputs and messages, in the order in which they arrived.

use serde::{Deserialize, Serialize};

use super::Unexpected;
use super::explain::DIFF;
use super::fix::{CLEAN_TEST, CONFIRM, READ_SCRIPT, SET_PRICE, TEST, TEST_SCRIPT};
use super::review::{CONFIRMED, OPINION, READ_BOTH, READ_TESTS};
use super::tool_output::{ExpectedTotals, PRICE, Source, TestRun, exit_code, number_after, running_cell, session};
use super::transcript::{Event, ToolCall, Transcript};

/// The beginning of the summary of a compacted conversation.
pub(crate) const SUMMARY: &str = "Summary of the conversation so far, for whoever goes on from here: ";
/// The prompt of the program that sets the price.
const QUESTION: &str = "in cents: ";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    pub(super) source: Option<Source>,
    /// The path of the reviewing agent.
    pub(super) reviewer: Option<String>,
    /// The price of a crate according to the reviewer.
    pub(super) second_opinion: Option<u64>,
    /// The cell id of the script that runs the tests, while it is running.
    pub(super) test_cell: Option<String>,
    pub(super) first_run: Option<TestRun>,
    /// The session id of the program that sets the price, while it is running.
    pub(super) price_session: Option<u64>,
    /// `true` if the program has prompted for the price.
    pub(super) is_asked: bool,
    /// The price that the program has set.
    pub(super) price_set: Option<u64>,
    /// The reason for which the hook blocked the clean build.
    pub(super) clean_build_refused: Option<String>,
    pub(super) test_session: Option<u64>,
    pub(super) second_run: Option<TestRun>,
    pub(super) confirmed: Option<String>,
    pub(super) is_closed: bool,
    /// The changed lines: old, then new.
    pub(super) changed: Option<(Vec<String>, Vec<String>)>,
    /// The numbers that the reviewer found in the tests.
    pub(super) wanted: Option<ExpectedTotals>,
    /// `true` if the reviewer was asked for the second time.
    pub(super) is_asked_again: bool,
    /// The price that the reviewer then found in the source.
    pub(super) reviewed_price: Option<u64>,
}

impl Notes {
    pub(super) fn read(transcript: &Transcript) -> Result<Self, Unexpected> {
        let mut notes = Self::default();
        for event in &transcript.events {
            match event {
                Event::Summary(text) => {
                    let invalid = |error| Unexpected(format!("that summary is not mine ({error}): {text}"));
                    notes = serde_json::from_str(text).map_err(invalid)?;
                }
                Event::Message(message) => notes.add_message(&message.content, transcript.task.is_some())?,
                Event::Answered { call, output } => notes.add_output(call, output)?,
            }
        }
        Ok(notes)
    }

    pub(super) fn summary(&self) -> String {
        format!("{SUMMARY}{}", serde_json::to_string(self).unwrap_or_default())
    }

    fn add_message(&mut self, content: &str, is_reviewer: bool) -> Result<(), Unexpected> {
        if is_reviewer {
            self.is_asked_again |= content.starts_with(CONFIRM);
        } else if let Some(price) = number_after(content, OPINION) {
            self.second_opinion = Some(price);
        } else if content.starts_with(CONFIRMED) {
            self.confirmed = Some(content.to_owned());
        } else {
            return Err(Unexpected(format!("the reviewer says: {content}")));
        }
        Ok(())
    }

    fn add_output(&mut self, call: &ToolCall, output: &str) -> Result<(), Unexpected> {
        match call.name.as_str() {
            "exec" if call.script == READ_SCRIPT => self.source = Some(Source::read(output)?),
            "exec" if call.script == TEST_SCRIPT => self.update_first_run(output)?,
            "wait" => self.update_first_run(output)?,
            "exec_command" => self.add_command_output(call.cmd(), output)?,
            "write_stdin" => self.add_session_output(&call.arguments, output)?,
            "spawn_agent" => match output.split('"').find(|word| word.starts_with('/')) {
                Some(path) => self.reviewer = Some(path.to_owned()),
                None => return Err(Unexpected(format!("no agent could be spawned: {output}"))),
            },
            "close_agent" => self.is_closed = true,
            _ => {}
        }
        Ok(())
    }

    /// Updates the first test run from the output of its script: the script is still running, or returned the test
    /// output.
    fn update_first_run(&mut self, output: &str) -> Result<(), Unexpected> {
        self.test_cell = running_cell(output);
        if self.test_cell.is_none() {
            self.first_run = Some(TestRun::read(output)?);
        }
        Ok(())
    }

    fn add_command_output(&mut self, cmd: &str, output: &str) -> Result<(), Unexpected> {
        match cmd {
            SET_PRICE => {
                self.price_session = session(output);
                self.update_price(output)?;
            }
            CLEAN_TEST if output.starts_with("error: ") => {
                self.clean_build_refused = output.lines().next().map(str::to_owned);
            }
            TEST | CLEAN_TEST => self.update_second_run(output)?,
            DIFF => self.changed = Some(changes(output)?),
            READ_TESTS => self.wanted = Some(ExpectedTotals::read(output)?),
            READ_BOTH => self.reviewed_price = Some(Source::read(output)?.price),
            _ => {}
        }
        Ok(())
    }

    fn add_session_output(&mut self, arguments: &serde_json::Value, output: &str) -> Result<(), Unexpected> {
        let number = arguments["session_id"].as_u64();
        if number.is_some() && number == self.price_session {
            self.price_session = session(output);
            self.update_price(output)
        } else {
            self.update_second_run(output)
        }
    }

    fn update_price(&mut self, output: &str) -> Result<(), Unexpected> {
        self.is_asked |= output.contains(QUESTION);
        if self.price_session.is_none() {
            match (exit_code(output)?, number_after(output, PRICE)) {
                (0, Some(price)) => self.price_set = Some(price),
                _ => return Err(Unexpected(format!("the price was not set:\n{output}"))),
            }
        }
        Ok(())
    }

    fn update_second_run(&mut self, output: &str) -> Result<(), Unexpected> {
        self.test_session = session(output);
        if self.test_session.is_none() {
            self.second_run = Some(TestRun::read(output)?);
        }
        Ok(())
    }
}

/// Parses the changed lines from the output of `diff`.
fn changes(output: &str) -> Result<(Vec<String>, Vec<String>), Unexpected> {
    if exit_code(output)? != 1 {
        return Err(Unexpected(format!("I expected one difference, and `diff` printed:\n{output}")));
    }
    let lines = |sign: char, header: &str| {
        let lines = output.lines().filter(|line| line.starts_with(sign) && !line.starts_with(header));
        lines.map(|line| line[1..].trim().to_owned()).collect()
    };
    Ok((lines('-', "---"), lines('+', "+++")))
}
