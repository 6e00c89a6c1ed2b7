//! Parsers for the tool outputs that the model understands.

use super::Unexpected;

pub(super) const PRICE: &str = "const CRATE_CENTS: u64 = ";
const DELIVERY: &str = "const DELIVERY_CENTS: u64 = ";

/// The numbers in the source code of the scratch project.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Source {
    pub(super) price: u64,
    pub(super) delivery: u64,
}

impl Source {
    pub(super) fn read(output: &str) -> Result<Self, Unexpected> {
        match (number_after(output, PRICE), number_after(output, DELIVERY)) {
            (Some(price), Some(delivery)) => Ok(Self { price, delivery }),
            _ => Err(Unexpected(format!("that is not the source I know:\n{output}"))),
        }
    }
}

/// The result of a test run.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) enum TestRun {
    Passed {
        count: u64,
    },
    /// For an order of `crates` crates the code returned `left`, and the test expected `right`.
    Failed {
        crates: u64,
        left: u64,
        right: u64,
    },
}

impl TestRun {
    pub(super) fn read(output: &str) -> Result<Self, Unexpected> {
        if exit_code(output)? == 0 {
            let results = output.lines().filter(|line| line.starts_with("test result:"));
            return Ok(Self::Passed { count: results.filter_map(|line| number_after(line, "ok. ")).sum() });
        }
        let numbers = ["an order of ", "left: ", "right: "].map(|marker| number_after(output, marker));
        let [Some(crates), Some(left), Some(right)] = numbers else {
            return Err(Unexpected(format!("the tests fail, but not as I expected:\n{output}")));
        };
        Ok(Self::Failed { crates, left, right })
    }
}

/// The totals that the tests expect.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct ExpectedTotals {
    pub(super) crates: u64,
    /// The total for `crates` crates.
    pub(super) total: u64,
    /// The total for an empty order.
    pub(super) delivery: u64,
}

impl ExpectedTotals {
    pub(super) fn read(output: &str) -> Result<Self, Unexpected> {
        let crates = number_after(output, "an order of ");
        let total = crates.and_then(|crates| number_after(output, &format!("order_total({crates}), ")));
        match (crates, total, number_after(output, "order_total(0), ")) {
            (Some(crates), Some(total), Some(delivery)) => Ok(Self { crates, total, delivery }),
            _ => Err(Unexpected(format!("those are not the tests I know:\n{output}"))),
        }
    }
}

/// Parses the exit code of a command. Returns an error if the command has not ended.
pub(super) fn exit_code(output: &str) -> Result<i64, Unexpected> {
    let line = output.lines().find_map(|line| line.strip_prefix("exit code: "));
    line.and_then(|code| code.parse().ok()).ok_or_else(|| Unexpected(format!("the command did not end:\n{output}")))
}

/// Parses the session id of a command that is still running. Returns `None` if the command has ended.
pub(super) fn session(output: &str) -> Option<u64> {
    let state = output.lines().next()?;
    state.starts_with("still running").then(|| number_after(state, "session_id: ")).flatten()
}

/// Parses the cell id of a script that is still running. Returns `None` if the script has ended.
pub(super) fn running_cell(output: &str) -> Option<String> {
    Some(output.lines().next()?.strip_prefix("script running with cell ID ")?.to_owned())
}

/// Returns the number that follows the first occurrence of `marker`.
pub(super) fn number_after(text: &str, marker: &str) -> Option<u64> {
    let rest = &text[text.find(marker)? + marker.len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}
