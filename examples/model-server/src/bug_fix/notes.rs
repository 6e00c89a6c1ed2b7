//! What the model knows: what it made of everything that was printed and said, in the order it came.

use serde::{Deserialize, Serialize};

use super::Surprise;
use super::explain::DIFF;
use super::fix::{CLEAN_TEST, CONFIRM, READ_SCRIPT, SET_PRICE, TEST, TEST_SCRIPT};
use super::printed::{PRICE, Source, Tests, Wanted, exit_code, number_after, running_cell, session};
use super::review::{CONFIRMED, READ_BOTH, READ_TESTS, WANTED};
use super::story::{Call, Event, Story};

/// What the summary of a compacted conversation begins with.
pub(crate) const SUMMARY: &str = "Summary of the conversation so far, for whoever goes on from here: ";
/// What the program that sets the price asks.
const QUESTION: &str = "in cents: ";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    pub(super) source: Option<Source>,
    /// The path of the agent that gives a second opinion.
    pub(super) reviewer: Option<String>,
    /// What the reviewer says a crate has to cost.
    pub(super) second_opinion: Option<u64>,
    /// The script that runs the tests, while it runs.
    pub(super) test_cell: Option<String>,
    pub(super) first_run: Option<Tests>,
    /// The program that asks for the price, while it runs.
    pub(super) price_session: Option<u64>,
    /// Whether it has asked.
    pub(super) is_asked: bool,
    /// What the price was set to.
    pub(super) price_set: Option<u64>,
    /// What came of the wish to build everything anew: why not.
    pub(super) clean_build_refused: Option<String>,
    pub(super) test_session: Option<u64>,
    pub(super) second_run: Option<Tests>,
    pub(super) confirmed: Option<String>,
    pub(super) is_closed: bool,
    /// The lines that were changed: old, then new.
    pub(super) changed: Option<(Vec<String>, Vec<String>)>,
    /// What the reviewer read in the tests.
    pub(super) wanted: Option<Wanted>,
    /// Whether the reviewer was asked again.
    pub(super) is_asked_again: bool,
    /// What the reviewer found in the source then.
    pub(super) reviewed_price: Option<u64>,
}

impl Notes {
    pub(super) fn read(story: &Story) -> Result<Self, Surprise> {
        let mut notes = Self::default();
        for event in &story.events {
            match event {
                Event::Summary(text) => {
                    let not_mine = |error| Surprise(format!("that summary is not mine ({error}): {text}"));
                    notes = serde_json::from_str(text).map_err(not_mine)?;
                }
                Event::Message(message) => notes.hear(&message.content, story.task.is_some())?,
                Event::Answered { call, output } => notes.learn(call, output)?,
            }
        }
        Ok(notes)
    }

    pub(super) fn summary(&self) -> String {
        format!("{SUMMARY}{}", serde_json::to_string(self).unwrap_or_default())
    }

    fn hear(&mut self, said: &str, i_am_the_reviewer: bool) -> Result<(), Surprise> {
        if i_am_the_reviewer {
            self.is_asked_again |= said.starts_with(CONFIRM);
        } else if let Some(price) = number_after(said, WANTED) {
            self.second_opinion = Some(price);
        } else if said.starts_with(CONFIRMED) {
            self.confirmed = Some(said.to_owned());
        } else {
            return Err(Surprise(format!("the reviewer says: {said}")));
        }
        Ok(())
    }

    fn learn(&mut self, call: &Call, output: &str) -> Result<(), Surprise> {
        match call.name.as_str() {
            "exec" if call.script == READ_SCRIPT => self.source = Some(Source::read(output)?),
            "exec" if call.script == TEST_SCRIPT => self.tests_ran_on(output)?,
            "wait" => self.tests_ran_on(output)?,
            "exec_command" => self.learn_of_command(call.cmd(), output)?,
            "write_stdin" => self.learn_of_session(&call.arguments, output)?,
            "spawn_agent" => match output.split('"').find(|word| word.starts_with('/')) {
                Some(path) => self.reviewer = Some(path.to_owned()),
                None => return Err(Surprise(format!("no agent could be spawned: {output}"))),
            },
            "close_agent" => self.is_closed = true,
            _ => {}
        }
        Ok(())
    }

    /// The script said that it runs on, or what the tests printed.
    fn tests_ran_on(&mut self, output: &str) -> Result<(), Surprise> {
        self.test_cell = running_cell(output);
        if self.test_cell.is_none() {
            self.first_run = Some(Tests::read(output)?);
        }
        Ok(())
    }

    fn learn_of_command(&mut self, cmd: &str, output: &str) -> Result<(), Surprise> {
        match cmd {
            SET_PRICE => {
                self.price_session = session(output);
                self.set_price_printed(output)?;
            }
            CLEAN_TEST if output.starts_with("error: ") => {
                self.clean_build_refused = output.lines().next().map(str::to_owned);
            }
            TEST | CLEAN_TEST => self.second_run_printed(output)?,
            DIFF => self.changed = Some(changes(output)?),
            READ_TESTS => self.wanted = Some(Wanted::read(output)?),
            READ_BOTH => self.reviewed_price = Some(Source::read(output)?.price),
            _ => {}
        }
        Ok(())
    }

    fn learn_of_session(&mut self, arguments: &serde_json::Value, output: &str) -> Result<(), Surprise> {
        let number = arguments["session_id"].as_u64();
        if number.is_some() && number == self.price_session {
            self.price_session = session(output);
            self.set_price_printed(output)
        } else {
            self.second_run_printed(output)
        }
    }

    fn set_price_printed(&mut self, output: &str) -> Result<(), Surprise> {
        self.is_asked |= output.contains(QUESTION);
        if self.price_session.is_none() {
            match (exit_code(output)?, number_after(output, PRICE)) {
                (0, Some(price)) => self.price_set = Some(price),
                _ => return Err(Surprise(format!("the price was not set:\n{output}"))),
            }
        }
        Ok(())
    }

    fn second_run_printed(&mut self, output: &str) -> Result<(), Surprise> {
        self.test_session = session(output);
        if self.test_session.is_none() {
            self.second_run = Some(Tests::read(output)?);
        }
        Ok(())
    }
}

/// The lines that `diff` says were changed.
fn changes(printed: &str) -> Result<(Vec<String>, Vec<String>), Surprise> {
    if exit_code(printed)? != 1 {
        return Err(Surprise(format!("I expected one difference, and `diff` printed:\n{printed}")));
    }
    let lines = |sign: char, header: &str| {
        let lines = printed.lines().filter(|line| line.starts_with(sign) && !line.starts_with(header));
        lines.map(|line| line[1..].trim().to_owned()).collect()
    };
    Ok((lines('-', "---"), lines('+', "+++")))
}
