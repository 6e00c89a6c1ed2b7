//! The second turn of the root agent: explain the change.

use serde_json::json;

use super::notes::Notes;
use super::tool_output::TestRun;
use super::{StepResult, call, exec_command, message, reasoning};

pub(super) const DIFF: &str = "diff -u src/lib.rs.orig src/lib.rs";

pub(super) fn next(notes: &Notes) -> StepResult {
    let Some((old, new)) = &notes.changed else {
        let mut items = vec![
            reasoning(
                "I should not answer that from memory. The old file is still there, so a diff shows every change.",
            ),
            exec_command(DIFF),
        ];
        if let Some(reviewer) = notes.reviewer.as_ref().filter(|_| !notes.is_closed) {
            items.push(call("close_agent", json!({"target": reviewer})));
        }
        return Ok(items);
    };
    let state = match notes.second_run {
        Some(TestRun::Passed { count }) => format!("All tests passed with it, {count} of them"),
        Some(TestRun::Failed { .. }) | None => "The tests did not pass with it".to_owned(),
    };
    message(format!(
        "Lines changed in src/lib.rs: {}. `{}` is now `{}`. {state}. One thing no test covers: an order large enough \
         overflows the multiplication, which panics in a debug build and wraps in a release build. I left that as it is.",
        new.len(),
        old.join(" "),
        new.join(" ")
    ))
}
