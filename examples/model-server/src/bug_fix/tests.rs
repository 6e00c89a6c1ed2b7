//! Tests of whole sessions, with simulated tools.

use super::*;

/// A session of an agent with simulated tools.
struct Session {
    items: Vec<Value>,
    /// The price of a crate in the source, and the correct price.
    price: u64,
    right: u64,
    /// The price that the reviewer reports, if it differs from the correct price.
    reviewed_price: Option<u64>,
    /// A different output for calls whose input contains a text: the text, then the output.
    override_output: Option<(&'static str, &'static str)>,
    call_count: usize,
}

impl Session {
    fn new(first: Value) -> Self {
        Self { items: vec![first], price: 30, right: 25, reviewed_price: None, override_output: None, call_count: 0 }
    }

    /// Runs the session until the model calls no more tools. Returns its last message.
    fn run(&mut self, each: impl Fn(&[Value])) -> String {
        for _ in 0..40 {
            each(&self.items);
            let (mut answer, mut calls) = (String::new(), 0);
            for output in reply(&self.items) {
                match output {
                    Output::Reasoning(_) => {}
                    Output::Message(text) => answer = text,
                    Output::Call { name, arguments } => {
                        calls += 1;
                        self.execute("function_call", name, &arguments.to_string());
                    }
                    Output::Script(source) => {
                        calls += 1;
                        self.execute("custom_tool_call", "exec", &source);
                    }
                }
            }
            if calls == 0 {
                return answer;
            }
        }
        panic!("the session does not end: {:#?}", self.items);
    }

    /// Appends a tool call and its output. Agent tools also append the messages of the reviewer.
    fn execute(&mut self, kind: &str, name: &str, input: &str) {
        self.call_count += 1;
        let id = format!("call_{}", self.call_count);
        let key = if kind == "function_call" { "arguments" } else { "input" };
        self.items.push(json!({"type": kind, "call_id": id, "name": name, key: input}));
        let override_output =
            self.override_output.filter(|(piece, _)| input.contains(piece)).map(|(_, print)| print.to_owned());
        let output = override_output.unwrap_or_else(|| self.tool_output(name, input));
        self.items.push(json!({"type": format!("{kind}_output"), "call_id": id, "output": output}));
        if name == "spawn_agent" {
            self.push_reviewer_message(&format!(
                "One crate has to cost {} cents: it follows.",
                self.reviewed_price.unwrap_or(self.right)
            ));
        } else if name == "followup_task" {
            self.push_reviewer_message("src/lib.rs agrees with the tests: it does.");
        }
    }

    /// Returns the output that the real tool would print.
    fn tool_output(&mut self, name: &str, input: &str) -> String {
        let arguments: Value = serde_json::from_str(input).unwrap_or_default();
        let cmd = arguments["cmd"].as_str().unwrap_or_default();
        let (price, total) = (self.price, 4 * self.right + 5);
        let source = format!("const CRATE_CENTS: u64 = {price};\nconst DELIVERY_CENTS: u64 = 5;\n");
        match (name, cmd) {
            ("exec", _) if input.contains("cargo test") => "script running with cell ID 2\noutput:\n".to_owned(),
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

    fn push_reviewer_message(&mut self, content: &str) {
        self.items.push(message("/root/reviewer", "/root", content));
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
fn fix_follows_from_the_test_output() {
    for right in [20, 27] {
        let mut session = Session { right, ..Session::new(user("fix it")) };
        let answer = session.run(|_| {});
        assert!(answer.starts_with(&format!("Fixed. `CRATE_CENTS` was 30 and has to be {right}:")), "{answer}");
        assert_eq!(session.price, right);
        session.items.push(user("what did you change?"));
        let answer = session.run(|_| {});
        assert!(answer.contains("`const A;` is now `const B;`"), "{answer}");
    }
}

/// Asserts that the model replies equally to a conversation and to its compaction.
fn assert_same_reply_when_compacted(input: &[Value]) {
    let compacted = compact(input);
    assert!(compacted.len() <= 3, "{compacted:?}");
    assert_eq!(reply(&compacted), reply(input), "{input:#?}");
}

#[test]
fn compacted_conversation_continues_unchanged() {
    let mut session = Session::new(user("fix it"));
    session.run(assert_same_reply_when_compacted);
    session.items.push(user("what did you change?"));
    session.run(assert_same_reply_when_compacted);
}

#[test]
fn reviewer_reads_the_files_itself() {
    let task = message("/root", "/root/reviewer", "Work out what one crate has to cost.");
    let mut session = Session::new(task);
    assert!(session.run(assert_same_reply_when_compacted).starts_with("One crate has to cost 25 cents"));
    // Sent while the reviewer was busy; requires no action.
    session.items.push(message("/root", "/root/reviewer", "The formula is simple."));
    session.items.push(message("/root", "/root/reviewer", "The price is set to 25. Look again."));
    let wrong = session.run(assert_same_reply_when_compacted);
    assert_eq!(wrong, "src/lib.rs has 30 cents a crate, and the tests want 25.");
}

#[test]
fn unexpected_tool_output_ends_the_conversation() {
    let cases = [
        ("cat src/lib.rs", "script failed\noutput:\nerror: cat: src/lib.rs: No such file", "not the source I know"),
        ("cell_id", "script completed\noutput:\nexit code: 101\nerror: no linker", "no linker"),
        ("cell_id", "error: there is no cell 2", "did not end"),
        // Contradicts the source.
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
        let mut session = Session { override_output: Some((piece, print)), ..Session::new(user("fix it")) };
        let answer = session.run(|_| {});
        assert!(answer.starts_with("I stop here: ") && answer.contains(expected), "{piece}: {answer}");
    }
}

#[test]
fn disagreement_changes_nothing() {
    let mut session = Session { reviewed_price: Some(24), ..Session::new(user("fix it")) };
    let answer = session.run(|_| {});
    assert!(answer.contains("the reviewer says 24 cents a crate, and I say 25"), "{answer}");
    assert_eq!(session.price, 30);
}
