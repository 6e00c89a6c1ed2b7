//! The first turn of the root agent: find the bug, fix it, run the tests again.

use serde_json::json;

use super::notes::Notes;
use super::tool_output::{Source, TestRun};
use super::{Output, StepResult, Unexpected, call, exec_command, message, reasoning};
use Output::{Message, Script};

pub(super) const READ_SCRIPT: &str = "\
const [files, source] = await Promise.all([
  tools.exec_command({cmd: 'find . -type f | sort'}),
  tools.exec_command({cmd: 'cat src/lib.rs'}),
]);
text(files.output);
text(source.output);";
pub(super) const TEST_SCRIPT: &str = "\
const tests = tools.exec_command({cmd: 'cargo test', yield_time_ms: 60000});
await yield_control();
const {exit_code, output} = await tests;
text(`exit code: ${exit_code}`);
text(output);";
pub(super) const SET_PRICE: &str = "sh ./set-price.sh";
pub(super) const TEST: &str = "cargo test";
pub(super) const CLEAN_TEST: &str = "rm -rf \"$CARGO_TARGET_DIR\" && cargo test";
const REVIEWER: &str = "reviewer";
/// The beginning of the message that asks the reviewer for the second time.
pub(super) const CONFIRM: &str = "The price is set to ";

/// Returns the next response, according to the progress in the notes.
pub(super) fn next(notes: &Notes) -> StepResult {
    let (Some(source), Some(reviewer)) = (notes.source, notes.reviewer.as_deref()) else { return look() };
    let Some(first_run) = notes.first_run else { return run_tests(notes, source, reviewer) };
    let TestRun::Failed { crates, left, right } = first_run else {
        return message("The tests pass already: there is nothing to fix.");
    };
    let Some(second_opinion) = notes.second_opinion else { return Ok(vec![wait_agent(reviewer)]) };
    let finding = Finding::new(source, crates, left, right)?;
    if second_opinion != finding.price {
        let mine = finding.price;
        return Err(Unexpected(format!("the reviewer says {second_opinion} cents a crate, and I say {mine}")));
    }
    match notes.price_set {
        None => return set_price(notes, &finding),
        Some(price) if price != finding.price => {
            return Err(Unexpected(format!("I typed {}, and the price is now {price}", finding.price)));
        }
        Some(_) => {}
    }
    let Some(second_run) = notes.second_run else { return run_tests_again(notes, &finding, reviewer) };
    let TestRun::Passed { count } = second_run else {
        return Err(Unexpected(format!("the fix is in, and the tests still fail: {second_run:?}")));
    };
    let Some(confirmed) = &notes.confirmed else { return Ok(vec![wait_agent(reviewer)]) };
    message(format!(
        "Fixed. `CRATE_CENTS` was {} and has to be {}: the test expects {right} for an order of {crates} crates and got \
         {left}. With the new constant `cargo test` exits with 0 and {count} tests pass. The reviewer looked for itself: \
         {confirmed}",
        source.price, finding.price
    ))
}

fn look() -> StepResult {
    Ok(vec![
        reasoning(
            "Before I change anything I want to know what there is. One script can list the files and read the source. \
             Meanwhile somebody else can work out from the tests alone what a crate has to cost: two who do not talk \
             to each other seldom make the same mistake.",
        ),
        Message("I'll look at the project, and have the tests read by somebody else.".to_owned()),
        call(
            "spawn_agent",
            json!({
                "task_name": REVIEWER,
                "message": "Work out from tests/order.rs alone what one crate has to cost, and show how you got there. \
                            Change nothing.",
            }),
        ),
        Script(READ_SCRIPT.to_owned()),
    ])
}

/// Runs the tests in a script that yields, because they take some time to build.
fn run_tests(notes: &Notes, source: Source, reviewer: &str) -> StepResult {
    if let Some(cell) = &notes.test_cell {
        let mut waits = vec![call("wait", json!({"cell_id": cell, "yield_time_ms": 60000}))];
        if notes.second_opinion.is_none() {
            waits.push(wait_agent(reviewer));
        }
        return Ok(waits);
    }
    let Source { price, delivery } = source;
    Ok(vec![
        reasoning(format!(
            "An order is its crates at {price} cents each, and {delivery} cents for delivery. The formula looks right, so \
             one of the two numbers may not be. Only the tests can tell which."
        )),
        Message("The formula looks right. Let me see what the tests say.".to_owned()),
        Script(TEST_SCRIPT.to_owned()),
        call(
            "send_message",
            json!({
                "target": reviewer,
                "message": format!("The formula in src/lib.rs is crates * price + delivery, with {delivery} for delivery."),
            }),
        ),
    ])
}

/// Starts the interactive program that sets the price, then sends the price to it.
fn set_price(notes: &Notes, finding: &Finding) -> StepResult {
    let Finding { source, crates, left, right, price } = *finding;
    match notes.price_session {
        None => Ok(vec![
            reasoning(format!(
                "The empty order passes, so the {} cents for delivery are right. For {crates} crates the code says {left} \
                 and the test wants {right}. Without delivery that is {} / {crates} = {price} cents a crate, where the \
                 source has {}. The reviewer has the same number.",
                source.delivery,
                right - source.delivery,
                source.price
            )),
            Message(format!(
                "A crate costs {price} cents, not {}, and the reviewer agrees. set-price.sh changes it.",
                source.price
            )),
            call("exec_command", json!({"cmd": SET_PRICE, "yield_time_ms": 400})),
        ]),
        Some(session) => {
            let chars = if notes.is_asked { format!("{price}\n") } else { String::new() };
            Ok(vec![call("write_stdin", json!({"session_id": session, "chars": chars, "yield_time_ms": 10000}))])
        }
    }
}

fn run_tests_again(notes: &Notes, finding: &Finding, reviewer: &str) -> StepResult {
    if let Some(session) = notes.test_session {
        return Ok(vec![call("write_stdin", json!({"session_id": session, "yield_time_ms": 60000}))]);
    }
    match &notes.clean_build_refused {
        None => Ok(vec![
            reasoning(
                "The file has the new constant. The same tests again, from a clean build to be sure; and the reviewer may \
                 look at the file meanwhile.",
            ),
            ask_to_confirm(reviewer, finding.price),
            exec_command(CLEAN_TEST),
        ]),
        Some(_) => {
            let mut items = vec![
                reasoning("I may not delete the build. Cargo sees for itself that the file has changed: no need to."),
                call("exec_command", json!({"cmd": TEST, "yield_time_ms": 60000})),
            ];
            items.extend(notes.confirmed.is_none().then(|| wait_agent(reviewer)));
            Ok(items)
        }
    }
}

fn ask_to_confirm(reviewer: &str, price: u64) -> Output {
    let message = format!("{CONFIRM}{price}. Read src/lib.rs and say whether it agrees with the tests now.");
    call("followup_task", json!({"target": reviewer, "message": message}))
}

fn wait_agent(reviewer: &str) -> Output {
    call("wait_agent", json!({"target": reviewer, "timeout_ms": 60000}))
}

/// The numbers of the failing test, and the price that follows from them.
#[derive(Clone, Copy)]
struct Finding {
    source: Source,
    crates: u64,
    left: u64,
    right: u64,
    /// The correct price of a crate.
    price: u64,
}

impl Finding {
    /// Calculates the correct price. Returns an error if the test output contradicts the source, or if the price is not
    /// a whole number of cents.
    fn new(source: Source, crates: u64, left: u64, right: u64) -> Result<Self, Unexpected> {
        let computed = crates.checked_mul(source.price).and_then(|it| it.checked_add(source.delivery));
        let goods = right.checked_sub(source.delivery).filter(|goods| crates > 0 && goods % crates == 0);
        match goods {
            Some(goods) if computed == Some(left) => Ok(Self { source, crates, left, right, price: goods / crates }),
            _ => Err(Unexpected(format!(
                "the tests fail, but not as I expected: {left} instead of {right} for {crates} crates"
            ))),
        }
    }
}
