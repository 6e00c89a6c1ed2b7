//! What the embedded model says: how to find and fix the one bug of the scratch project, decided
//! anew for each request from what its commands printed so far.

use serde_json::Value;

/// One item of a response.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    Reasoning(String),
    Message(String),
    /// A call of `exec_command`.
    Exec(String),
}
use Output::{Exec, Message, Reasoning};

const LIST: &str = "find . -type f | sort";
const READ: &str = "cat src/lib.rs";
const TEST: &str = "cargo test";
const DIFF: &str = "diff -u src/lib.rs.orig src/lib.rs";
const PRICE: &str = "const CRATE_CENTS: u64 = ";
const DELIVERY: &str = "const DELIVERY_CENTS: u64 = ";

pub(super) fn reply(input: &[Value]) -> Vec<Output> {
    let story = Story::read(input);
    let next = match story.users {
        1 => fix(&story),
        2 => explain(&story),
        _ => say("I know this one bug only. For anything else, point OPENAI_BASE_URL at a model."),
    };
    next.unwrap_or_else(|Surprise(what)| vec![Message(format!("I stop here: {what}"))])
}

/// A command printed what the model cannot go on from.
#[derive(Debug)]
struct Surprise(String);

type Next = Result<Vec<Output>, Surprise>;

fn say(text: impl Into<String>) -> Next {
    Ok(vec![Message(text.into())])
}

/// The first turn, one response at a time.
fn fix(story: &Story) -> Next {
    if story.calls.is_empty() {
        return Ok(vec![
            Reasoning(
                "Before I change anything I want to know what there is. The list of files and \
                 the source do not depend on each other, so I can ask for both at once."
                    .to_owned(),
            ),
            Message("I'll look at the project first.".to_owned()),
            Exec(LIST.to_owned()),
            Exec(READ.to_owned()),
        ]);
    }
    let source = Source::read(story.printed(READ, 0)?)?;
    if story.count(TEST) == 0 {
        return Ok(vec![
            Reasoning(format!(
                "An order is its crates at {} cents each, and {} cents for delivery. The formula \
                 looks right, so one of the two numbers may not be. Only the tests can tell which.",
                source.price, source.delivery
            )),
            Message("The formula looks right. Let me see what the tests say.".to_owned()),
            Exec(TEST.to_owned()),
        ]);
    }
    let first_run = story.printed(TEST, 0)?;
    if exit_code(first_run)? == 0 {
        return say("The tests pass already: there is nothing to fix.");
    }
    let finding = Finding::read(first_run, &source)?;
    let edit = finding.edit();
    if story.count(&edit) == 0 {
        return Ok(vec![
            Reasoning(format!(
                "The empty order passes, so the {} cents for delivery are right. For {} crates \
                 the code says {} and the test wants {}. Without delivery that is {} / {} = {} \
                 cents a crate, where the source has {}.",
                source.delivery,
                finding.crates,
                finding.left,
                finding.right,
                finding.right - source.delivery,
                finding.crates,
                finding.price,
                source.price
            )),
            Message(format!(
                "A crate costs {} cents, not {}. I'll correct the constant and keep the old file.",
                finding.price, source.price
            )),
            Exec(edit),
        ]);
    }
    if story.count(TEST) == 1 {
        let edited = story.printed(&edit, 0)?;
        if exit_code(edited)? != 0 || !edited.contains(&format!("{PRICE}{};", finding.price)) {
            return Err(Surprise(format!("the edit did not take:\n{edited}")));
        }
        return Ok(vec![
            Reasoning("The file has the new constant. Now the same tests again.".to_owned()),
            Exec(TEST.to_owned()),
        ]);
    }
    let second_run = story.printed(TEST, 1)?;
    if exit_code(second_run)? != 0 {
        return Err(Surprise(format!("the fix is in, and the tests still fail:\n{second_run}")));
    }
    say(format!(
        "Fixed. `CRATE_CENTS` was {} and has to be {}: the test expects {} for an order of {} \
         crates and got {}. With the new constant `cargo test` exits with 0 and {} tests pass.",
        source.price,
        finding.price,
        finding.right,
        finding.crates,
        finding.left,
        tests_passed(second_run)
    ))
}

/// The second turn.
fn explain(story: &Story) -> Next {
    if story.calls.len() == story.calls_before_last_user {
        return Ok(vec![
            Reasoning(
                "I should not answer that from memory. The old file is still there, so a diff \
                 shows every change, and the tests show whether they still pass."
                    .to_owned(),
            ),
            Exec(DIFF.to_owned()),
            Exec(TEST.to_owned()),
        ]);
    }
    let runs = story.count(TEST);
    let (diff, tests) = (story.printed(DIFF, 0)?, story.printed(TEST, runs.saturating_sub(1))?);
    if exit_code(diff)? != 1 {
        return Err(Surprise(format!("I expected one difference, and `diff` printed:\n{diff}")));
    }
    let changed = |sign: char, header: &str| -> Vec<&str> {
        let lines = diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(header));
        lines.map(|line| line[1..].trim()).collect()
    };
    let (old, new) = (changed('-', "---"), changed('+', "+++"));
    let state = match exit_code(tests)? {
        0 => format!("All tests pass, {} of them", tests_passed(tests)),
        code => format!("The tests fail again, with exit code {code}"),
    };
    say(format!(
        "Lines changed in src/lib.rs: {}. `{}` is now `{}`. {state}. One thing no test covers: an order \
         large enough overflows the multiplication, which panics in a debug build and wraps in a \
         release build. I left that as it is.",
        new.len(),
        old.join(" "),
        new.join(" ")
    ))
}

/// The conversation so far.
struct Story {
    users: usize,
    calls: Vec<Call>,
    calls_before_last_user: usize,
}

struct Call {
    id: String,
    cmd: String,
    output: Option<String>,
}

impl Story {
    fn read(input: &[Value]) -> Self {
        let mut story = Self { users: 0, calls: Vec::new(), calls_before_last_user: 0 };
        for item in input {
            let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
            match text("type").as_str() {
                "message" if item["role"] == "user" => {
                    story.users += 1;
                    story.calls_before_last_user = story.calls.len();
                }
                "function_call" => {
                    let arguments: Value = serde_json::from_str(&text("arguments")).unwrap_or_default();
                    story.calls.push(Call {
                        id: text("call_id"),
                        cmd: arguments["cmd"].as_str().unwrap_or_default().to_owned(),
                        output: None,
                    });
                }
                "function_call_output" => {
                    let id = text("call_id");
                    if let Some(call) = story.calls.iter_mut().find(|call| call.id == id) {
                        call.output = Some(text("output"));
                    }
                }
                _ => {}
            }
        }
        story
    }

    fn count(&self, cmd: &str) -> usize {
        self.calls.iter().filter(|call| call.cmd == cmd).count()
    }

    /// What a command printed the `nth` time it ran.
    fn printed(&self, cmd: &str, nth: usize) -> Result<&str, Surprise> {
        let call = self.calls.iter().filter(|call| call.cmd == cmd).nth(nth);
        let output = call.and_then(|call| call.output.as_deref());
        output.ok_or_else(|| Surprise(format!("`{cmd}` brought no output")))
    }
}

/// The numbers in the source.
struct Source {
    price: u64,
    delivery: u64,
}

impl Source {
    fn read(printed: &str) -> Result<Self, Surprise> {
        match (number_after(printed, PRICE), number_after(printed, DELIVERY)) {
            (Some(price), Some(delivery)) => Ok(Self { price, delivery }),
            _ => Err(Surprise(format!("that is not the source I know:\n{printed}"))),
        }
    }
}

/// What the failing test gives away.
struct Finding {
    crates: u64,
    left: u64,
    right: u64,
    /// What a crate must cost.
    price: u64,
    wrong_price: u64,
}

impl Finding {
    fn read(printed: &str, source: &Source) -> Result<Self, Surprise> {
        let surprise = || Surprise(format!("the tests fail, but not as I expected:\n{printed}"));
        let number = |marker| number_after(printed, marker).ok_or_else(surprise);
        let (crates, left, right) = (number("an order of ")?, number("left: ")?, number("right: ")?);
        // The run must agree with the source, and the answer be a whole number of cents.
        let computed = crates.checked_mul(source.price).and_then(|it| it.checked_add(source.delivery));
        let goods = right.checked_sub(source.delivery).ok_or_else(surprise)?;
        if computed != Some(left) || crates == 0 || goods % crates != 0 {
            return Err(surprise());
        }
        Ok(Self { crates, left, right, price: goods / crates, wrong_price: source.price })
    }

    /// `-i.orig` is the spelling that both GNU and BSD know, and keeps the old file.
    fn edit(&self) -> String {
        let (wrong, right) = (self.wrong_price, self.price);
        format!(
            "sed -i.orig 's/{PRICE}{wrong};/{PRICE}{right};/' src/lib.rs && \
             grep -n 'CENTS: u64' src/lib.rs"
        )
    }
}

fn exit_code(printed: &str) -> Result<i64, Surprise> {
    let code = printed.strip_prefix("exit code: ").and_then(|rest| rest.lines().next()?.parse().ok());
    code.ok_or_else(|| Surprise(format!("the command did not run:\n{printed}")))
}

fn tests_passed(printed: &str) -> u64 {
    let results = printed.lines().filter(|line| line.starts_with("test result:"));
    results.filter_map(|line| number_after(line, "ok. ")).sum()
}

fn number_after(text: &str, marker: &str) -> Option<u64> {
    let rest = &text[text.find(marker)? + marker.len()..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOURCE: &str = "exit code: 0\nstdout:\nconst CRATE_CENTS: u64 = 30;\n\
                          const DELIVERY_CENTS: u64 = 5;\n";

    /// The reply after the user's message and these commands.
    fn after(calls: &[(&str, &str)]) -> Vec<Output> {
        let mut input = vec![json!({"type": "message", "role": "user", "content": "fix it"})];
        for (number, (cmd, output)) in calls.iter().enumerate() {
            let arguments = json!({"cmd": cmd}).to_string();
            let id = format!("call_{number}");
            input.push(json!({"type": "function_call", "call_id": id, "arguments": arguments}));
            input.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
        }
        reply(&input)
    }

    fn failing(left: u64, right: u64) -> String {
        format!(
            "exit code: 101\nstdout:\nassertion `left == right` failed: an order of 4 crates\n  \
             left: {left}\n right: {right}\n"
        )
    }

    fn edit(price: u64) -> String {
        format!("sed -i.orig 's/{PRICE}30;/{PRICE}{price};/' src/lib.rs && grep -n 'CENTS: u64' src/lib.rs")
    }

    #[test]
    fn the_fix_follows_from_what_the_test_printed() {
        for price in [20, 27] {
            let printed = failing(125, 4 * price + 5);
            let reply = after(&[(READ, SOURCE), (TEST, &printed)]);
            assert_eq!(reply.last(), Some(&Exec(edit(price))));
        }
    }

    #[test]
    fn what_it_did_not_expect_it_says() {
        let failing = failing(125, 105);
        let edit = edit(25);
        let edited = "exit code: 0\nstdout:\n4:const CRATE_CENTS: u64 = 25;\n";
        let cases: [&[(&str, &str)]; 6] = [
            &[(READ, "exit code: 1\nstderr:\ncat: src/lib.rs: No such file\n")],
            &[(READ, SOURCE), (TEST, "exit code: 101\nstderr:\nerror: no linker\n")],
            &[(READ, SOURCE), (TEST, "error: the arguments are wrong")],
            // Not what this source computes.
            &[(READ, SOURCE), (TEST, &self::failing(999, 105))],
            &[(READ, SOURCE), (TEST, &failing), (&edit, "exit code: 1\n")],
            &[(READ, SOURCE), (TEST, &failing), (&edit, edited), (TEST, &failing)],
        ];
        for calls in cases {
            match after(calls).as_slice() {
                [Message(text)] => assert!(text.starts_with("I stop here"), "{calls:?}: {text}"),
                other => panic!("{calls:?}: {other:?}"),
            }
        }
    }
}
