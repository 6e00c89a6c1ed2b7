//! Tool calls that repeat one another: what `otel-trace show` takes for a loop, and what it does not.

use otel_trace::{AgentThread, Json, Model, Operation, ThreadMeta, ToolCallMeta, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::record;
use crate::show::{run, stdout};

/// A tool call: name, arguments, output.
type Call<'a> = (&'a str, Value, &'a str);

/// Records an agent that makes these tool calls, one after another, each asked for by a call of its own.
fn record_calls(calls: &[Call<'_>]) -> TempDir {
    record(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        let turn = thread.turn(None);
        let mut history = vec![json!({ "type": "message", "role": "user", "content": "Go on." })];
        for (number, (name, arguments, output)) in calls.iter().enumerate() {
            let id = format!("call_{number}");
            let text = arguments.to_string();
            let item = json!({ "type": "function_call", "call_id": id, "name": name, "arguments": text });
            ask(&turn, &mut history, item);
            let tool = turn.tool_call(ToolCallMeta::new(name).id(&id).arguments(&text));
            tool.output(output);
            tool.complete();
            history.push(json!({ "type": "function_call_output", "call_id": id, "output": output }));
        }
        ask(&turn, &mut history, json!({ "type": "message", "role": "assistant", "content": "Done." }));
        turn.complete();
        thread.complete();
    })
}

/// Records a call that sends the history and is answered with one item, which then is history, too.
fn ask(turn: &Turn, history: &mut Vec<Value>, item: Value) {
    let call = turn.inference(Model { name: "gpt-4o-mini", provider: "openai" });
    call.request(Json(&json!({ "model": "gpt-4o-mini", "input": history })));
    let usage = json!({ "input_tokens": 1000, "output_tokens": 100 });
    call.response(Json(&json!({ "id": format!("resp_{}", history.len()), "output": [item], "usage": usage })));
    call.complete();
    history.push(item);
}

/// Returns the line of the summary about loops.
fn loops(calls: &[Call<'_>]) -> Option<String> {
    let root = record_calls(calls);
    let output = run(&["show", "--width", "200", root.path().to_str().unwrap()]);
    let text = stdout(&output);
    assert!(text.contains("evidence: whole"), "{text}");
    text.lines().find(|line| line.starts_with("loop: ")).map(ToOwned::to_owned)
}

#[test]
fn equal_calls_with_equal_outputs_are_a_loop() {
    let read = ("read_file", json!({ "path": "a.rs" }), "fn main() {}");
    let three = loops(&[read.clone(), read.clone(), read.clone()]).unwrap();
    assert_eq!(three, "loop: read_file, 3 times with the same arguments and output, call 1 to call 3");
    assert_eq!(loops(&[read.clone(), read.clone()]), None);
    // In any order of the members.
    let one = ("find", serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap(), "x");
    let other = ("find", serde_json::from_str(r#"{"b":2,"a":1}"#).unwrap(), "x");
    assert!(loops(&[one.clone(), other, one]).is_some());
}

#[test]
fn two_calls_that_take_turns_are_a_loop() {
    let edit = ("edit", json!({ "line": 1 }), "edited");
    let test = ("test", json!({}), "1 failed");
    let four = loops(&[edit.clone(), test.clone(), edit.clone(), test.clone()]).unwrap();
    assert_eq!(four, "loop: edit and test, 4 times with the same arguments and output, call 1 to call 4");
    assert_eq!(loops(&[edit.clone(), test, edit]), None);
}

#[test]
fn what_differs_or_waits_is_no_loop() {
    let outputs = ["1 failed", "2 failed", "ok"];
    let progress: Vec<_> = outputs.map(|output| ("test", json!({}), output)).into();
    assert_eq!(loops(&progress), None, "the outputs differ");
    let arguments: Vec<_> = [1, 2, 3].map(|line| ("edit", json!({ "line": line }), "edited")).into();
    assert_eq!(loops(&arguments), None, "the arguments differ");
    let polling = ("write_stdin", json!({ "session_id": 1, "chars": "" }), "still running");
    assert_eq!(loops(&[polling.clone(), polling.clone(), polling.clone(), polling]), None, "a process is polled");
    // The graph has the beginning of long arguments only; their difference stands at the end.
    let long = |end: &str| ("edit", json!({ "text": format!("{}{end}", "x".repeat(5_000)) }), "edited");
    assert_eq!(loops(&[long("a"), long("b"), long("c")]), None, "long arguments differ");
    assert!(loops(&[long("a"), long("a"), long("a")]).is_some(), "long arguments are equal");
}

#[test]
fn neighbours_that_repeat_one_another_are_folded() {
    let root = record(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        let turn = thread.turn(None);
        for attempt in 0..6 {
            let call = turn.inference(Model { name: "gpt-4o-mini", provider: "openai" });
            call.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": "Go on." }] })));
            if attempt < 5 {
                call.fail("529 overloaded");
                continue;
            }
            let asked = |id: &str| json!({ "type": "function_call", "call_id": id, "name": "read", "arguments": "{}" });
            let items: Vec<_> = ["1", "2", "3", "4", "5", "6", "7"].map(asked).into();
            call.response(Json(&json!({ "id": "resp_1", "output": items })));
            call.complete();
        }
        for id in ["1", "2", "3", "4", "5", "6", "7"] {
            let tool = turn.tool_call(ToolCallMeta::new("read").id(id).arguments("{}"));
            tool.output("text");
            if id == "5" { tool.fail("no such file") } else { tool.complete() }
        }
        turn.complete();
        thread.complete();
    });
    let path = root.path().to_str().unwrap();
    let folded = run(&["show", path]);
    let text = stdout(&folded);
    assert!(text.contains("3 more calls that failed in the same way"), "{text}");
    assert!(text.contains("2 more calls of read: --full"), "{text}");
    assert!(text.contains("no such file"), "a failure stands in its place: {text}");
    let full = run(&["show", "--full", path]);
    let full = stdout(&full);
    assert!(!full.contains("more calls") && full.lines().count() > text.lines().count(), "{full}");
}

#[test]
fn different_commands_are_not_folded() {
    let commands = ["ls", "cat a", "rm -rf build", "git push --force", "cat b", "make"];
    let calls: Vec<_> = commands.iter().map(|command| json!({ "cmd": command })).collect();
    let root = record(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        let turn = thread.turn(None);
        let call = turn.inference(Model { name: "gpt-4o-mini", provider: "openai" });
        call.request(Json(&json!({ "input": [{ "type": "message", "role": "user", "content": "Go on." }] })));
        let item = |(number, arguments): (usize, &Value)| {
            let (id, arguments) = (format!("call_{number}"), arguments.to_string());
            json!({ "type": "function_call", "call_id": id, "name": "exec_command", "arguments": arguments })
        };
        let items: Vec<_> = calls.iter().enumerate().map(item).collect();
        call.response(Json(&json!({ "id": "resp_1", "output": items })));
        call.complete();
        for (number, arguments) in calls.iter().enumerate() {
            let (id, arguments) = (format!("call_{number}"), arguments.to_string());
            let tool = turn.tool_call(ToolCallMeta::new("exec_command").id(&id).arguments(&arguments));
            tool.output(&format!("output {number}"));
            tool.complete();
        }
        turn.complete();
        thread.complete();
    });
    let shown = run(&["show", root.path().to_str().unwrap()]);
    let text = stdout(&shown);
    for (number, command) in commands.iter().enumerate() {
        assert!(text.contains(&format!("$ {command}")), "{command}: {text}");
        // No later request shows the output to a model: it is in the payload of the result alone.
        assert!(text.contains(&format!("\"output {number}\"")), "{text}");
    }
}
