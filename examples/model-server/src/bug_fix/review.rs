//! The reviewer: reads the tests, and later the source, independently of the root agent.

use super::notes::Notes;
use super::tool_output::ExpectedTotals;
use super::transcript::AgentMessage;
use super::{StepResult, Unexpected, exec_command, message, reasoning};

pub(super) const READ_TESTS: &str = "cat tests/order.rs";
pub(super) const READ_BOTH: &str = "cat src/lib.rs tests/order.rs";
/// The beginnings of its two answers.
pub(super) const OPINION: &str = "One crate has to cost ";
pub(super) const CONFIRMED: &str = "src/lib.rs agrees with the tests";

pub(super) fn next(task: &AgentMessage, notes: &Notes) -> StepResult {
    let Some(ExpectedTotals { crates, delivery, total }) = notes.wanted else {
        return Ok(vec![
            reasoning(format!("{} wants numbers, and the tests have them.", task.author)),
            exec_command(READ_TESTS),
        ]);
    };
    let goods = total.checked_sub(delivery).filter(|goods| crates > 0 && goods % crates == 0);
    let Some(goods) = goods else {
        return Err(Unexpected(format!("{total} for {crates} crates and {delivery} for delivery is no whole price")));
    };
    let price = goods / crates;
    match (notes.is_asked_again, notes.reviewed_price) {
        (false, _) => message(format!(
            "{OPINION}{price} cents: the test wants {total} for {crates} crates and {delivery} for none, and ({total} - \
             {delivery}) / {crates} = {price}."
        )),
        (true, None) => Ok(vec![reasoning("I read both files again, and compare."), exec_command(READ_BOTH)]),
        (true, Some(found)) if found == price => {
            message(format!("{CONFIRMED}: {crates} * {found} + {delivery} = {total}."))
        }
        (true, Some(found)) => message(format!("src/lib.rs has {found} cents a crate, and the tests want {price}.")),
    }
}
