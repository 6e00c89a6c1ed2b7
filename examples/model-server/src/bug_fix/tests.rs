//! Whole sessions, with tools that print what the real ones would.

use super::*;

/// An agent whose tools are made up.
struct Stage {
    input: Vec<Value>,
    /// What a crate costs, and has to cost.
    price: u64,
    right: u64,
    /// What the reviewer says it has to cost, where that is something else.
    opinion: Option<u64>,
    /// A tool that prints something else, by a piece of what it is asked for.
    surprise: Option<(&'static str, &'static str)>,
    answers: usize,
}

impl Stage {
    fn new(first: Value) -> Self {
        Self { input: vec![first], price: 30, right: 25, opinion: None, surprise: None, answers: 0 }
    }

    /// Plays until the model has nothing more to call for, and gives its last word.
    fn play(&mut self, each: impl Fn(&[Value])) -> String {
        for _ in 0..40 {
            each(&self.input);
            let (mut said, mut calls) = (String::new(), 0);
            for output in reply(&self.input) {
                match output {
                    Output::Reasoning(_) => {}
                    Output::Message(text) => said = text,
                    Output::Call { name, arguments } => {
                        calls += 1;
                        self.answer("function_call", name, &arguments.to_string());
                    }
                    Output::Script(source) => {
                        calls += 1;
                        self.answer("custom_tool_call", "exec", &source);
                    }
                }
            }
            if calls == 0 {
                return said;
            }
        }
        panic!("it never ends: {:#?}", self.input);
    }

    fn answer(&mut self, kind: &str, name: &str, given: &str) {
        self.answers += 1;
        let id = format!("call_{}", self.answers);
        let key = if kind == "function_call" { "arguments" } else { "input" };
        self.input.push(json!({"type": kind, "call_id": id, "name": name, key: given}));
        let surprise = self.surprise.filter(|(piece, _)| given.contains(piece)).map(|(_, print)| print.to_owned());
        let output = surprise.unwrap_or_else(|| self.print(name, given));
        self.input.push(json!({"type": format!("{kind}_output"), "call_id": id, "output": output}));
        if name == "spawn_agent" {
            self.tell(&format!("One crate has to cost {} cents: it follows.", self.opinion.unwrap_or(self.right)));
        } else if name == "followup_task" {
            self.tell("src/lib.rs agrees with the tests: it does.");
        }
    }

    fn print(&mut self, name: &str, given: &str) -> String {
        let arguments: Value = serde_json::from_str(given).unwrap_or_default();
        let cmd = arguments["cmd"].as_str().unwrap_or_default();
        let (price, total) = (self.price, 4 * self.right + 5);
        let source = format!("const CRATE_CENTS: u64 = {price};\nconst DELIVERY_CENTS: u64 = 5;\n");
        match (name, cmd) {
            ("exec", _) if given.contains("cargo test") => "script running with cell ID 2\noutput:\n".to_owned(),
            ("exec", _) => format!("script completed\noutput:\n{source}"),
            ("wait", _) => format!("script completed\noutput:\nexit code: 101\n{}", failing(4 * price + 5, total)),
            ("spawn_agent", _) => r#"{"task_name":"/root/reviewer"}"#.to_owned(),
            ("exec_command", "sh ./set-price.sh") => {
                "still running, session_id: 5\noutput:\nNew price of a crate, in cents: ".to_owned()
            }
            ("write_stdin", _) => {
                self.price = arguments["chars"].as_str().unwrap_or_default().trim().parse().expect("a price");
                format!("exit code: 0\noutput:\n4:const CRATE_CENTS: u64 = {};\n", self.price)
            }
            ("exec_command", cmd) if cmd.starts_with("rm ") => "error: blocked by the approval hook: no".to_owned(),
            ("exec_command", "cargo test") => "exit code: 0\noutput:\ntest result: ok. 2 passed;\n".to_owned(),
            ("exec_command", cmd) if cmd.starts_with("diff") => {
                "exit code: 1\noutput:\n--- a\n+++ b\n-const A;\n+const B;\n".to_owned()
            }
            ("exec_command", cmd) if cmd.starts_with("cat ") => format!(
                "exit code: 0\noutput:\n{source}assert_eq!(order_total(0), 5);\n\
                 assert_eq!(order_total(4), {total}, \"an order of 4 crates\");\n"
            ),
            _ => r#"{"ok":true}"#.to_owned(),
        }
    }

    fn tell(&mut self, content: &str) {
        self.input.push(message("/root/reviewer", "/root", content));
    }
}

fn failing(left: u64, right: u64) -> String {
    format!("assertion `left == right` failed: an order of 4 crates\n  left: {left}\n right: {right}\n")
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

fn message(author: &str, recipient: &str, content: &str) -> Value {
    let text = json!({"author": author, "recipient": recipient, "other_recipients": [], "content": content,
        "trigger_turn": true});
    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text.to_string()}]})
}

#[test]
fn the_fix_follows_from_what_the_tests_printed() {
    for right in [20, 27] {
        let mut stage = Stage { right, ..Stage::new(user("fix it")) };
        let said = stage.play(|_| {});
        assert!(said.starts_with(&format!("Fixed. `CRATE_CENTS` was 30 and has to be {right}:")), "{said}");
        assert_eq!(stage.price, right);
        stage.input.push(user("what did you change?"));
        let said = stage.play(|_| {});
        assert!(said.contains("`const A;` is now `const B;`"), "{said}");
    }
}

/// Says the same to a conversation and to what stands for it.
fn same_when_compacted(input: &[Value]) {
    let compacted = compact(input);
    assert!(compacted.len() <= 3, "{compacted:?}");
    assert_eq!(reply(&compacted), reply(input), "{input:#?}");
}

#[test]
fn a_conversation_that_was_compacted_goes_on_in_the_same_way() {
    let mut stage = Stage::new(user("fix it"));
    stage.play(same_when_compacted);
    stage.input.push(user("what did you change?"));
    stage.play(same_when_compacted);
}

#[test]
fn the_reviewer_reads_for_itself() {
    let task = message("/root", "/root/reviewer", "Work out what one crate has to cost.");
    let mut stage = Stage::new(task);
    assert!(stage.play(same_when_compacted).starts_with("One crate has to cost 25 cents"));
    // Said while it was at work, and nothing to act on.
    stage.input.push(message("/root", "/root/reviewer", "The formula is simple."));
    stage.input.push(message("/root", "/root/reviewer", "The price is set to 25. Look again."));
    let wrong = stage.play(same_when_compacted);
    assert_eq!(wrong, "src/lib.rs has 30 cents a crate, and the tests want 25.");
}

#[test]
fn what_it_did_not_expect_it_says() {
    let cases = [
        ("cat src/lib.rs", "script failed\noutput:\nerror: cat: src/lib.rs: No such file", "not the source I know"),
        ("cell_id", "script completed\noutput:\nexit code: 101\nerror: no linker", "no linker"),
        ("cell_id", "error: there is no cell 2", "did not end"),
        // Not what this source computes.
        (
            "cell_id",
            "script completed\noutput:\nexit code: 101\nan order of 4 crates\nleft: 999\nright: 105",
            "not as I expected",
        ),
        ("set-price", "exit code: 1\noutput:\nnot a number", "the price was not set"),
        ("chars", "exit code: 0\noutput:\n4:const CRATE_CENTS: u64 = 24;", "I typed 25"),
        ("\"cargo test\"", "exit code: 101\nan order of 4 crates\nleft: 125\nright: 105", "still fail"),
        ("task_name", "error: there are 8 agents already", "no agent could be spawned"),
    ];
    for (piece, print, expected) in cases {
        let mut stage = Stage { surprise: Some((piece, print)), ..Stage::new(user("fix it")) };
        let said = stage.play(|_| {});
        assert!(said.starts_with("I stop here: ") && said.contains(expected), "{piece}: {said}");
    }
}

#[test]
fn two_who_disagree_change_nothing() {
    let mut stage = Stage { opinion: Some(24), ..Stage::new(user("fix it")) };
    let said = stage.play(|_| {});
    assert!(said.contains("the reviewer says 24 cents a crate, and I say 25"), "{said}");
    assert_eq!(stage.price, 30);
}
