//! Agents in processes of their own, recorded into one root, and joined by the command.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use common::{child, recorder, role, under};
use otel_trace::{Call, ChildProcess, Recorder, Thread, ThreadMeta, Window};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// The test that plays the part of every child.
const CHILD: &str = "a_child_plays_its_part";

fn agent(role: &str, process: &ChildProcess) -> Command {
    let mut command = child(CHILD, role);
    command.envs(process.env());
    command
}

#[track_caller]
fn finish(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.lines().any(|line| line.starts_with("otel-trace:")), "{said}");
}

#[test]
fn a_child_plays_its_part() {
    let Some(role) = role() else { return };
    if role == "does not record" {
        return;
    }
    let (recorder, _guard) = Recorder::from_env().unwrap().unwrap();
    tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter())).init();
    let thread = || Thread::start(ThreadMeta::new().agent_name("child"));
    let spawn = || thread().turn(None).tool(Call::new("delegate").id("deeper")).child_process();
    match &*role {
        "handles" => {
            let tool = thread().turn(None).tool(Call::new("look").id("own"));
            tool.output("seen");
        }
        "plain spans" => {
            let chat = info_span!(
                "chat",
                gen_ai.operation.name = "chat",
                gen_ai.request.model = "m",
                gen_ai.input.messages = "[]",
                gen_ai.output.messages = "[]"
            );
            chat.in_scope(|| {});
        }
        "names itself" => {
            drop(Thread::start(ThreadMeta::new().id("mine")));
            drop(thread());
        }
        "spawns" => finish(agent("handles", &spawn())),
        "passes on" => {
            drop(thread());
            // `child` takes away what every other process would inherit.
            let mut command = child(CHILD, "handles");
            for name in ["OTEL_TRACE_ROOT", "OTEL_TRACE_PARENT"] {
                command.env(name, std::env::var_os(name).unwrap());
            }
            finish(command);
        }
        "waits" => {
            let thread = thread();
            let _turn = thread.turn(None);
            writeln!(std::io::stdout(), "\nit works").unwrap();
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        unknown => panic!("no part {unknown:?}"),
    }
}

/// A run with processes below it, and what the command makes of its root directory.
struct Family {
    root: TempDir,
    /// The parent's trace.
    trace: String,
    bundle: PathBuf,
}

impl Family {
    /// A run whose tool call `call-1` spawns what `spawn` makes of it.
    fn new(spawn: impl FnOnce(&dyn Fn() -> ChildProcess)) -> Self {
        let (root, recorder, guard) = recorder();
        let (trace, bundle) = parent(&recorder, spawn);
        drop(guard);
        assert_eq!(recorder.stats().lost(), 0);
        Self { root, trace, bundle }
    }

    fn run(&self, command: &str, expected: i32) -> Output {
        let output = otel_trace(&[command, self.root.path().to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(expected), "{output:?}");
        output
    }

    /// `joined.json` and what was said on stderr.
    fn joined(&self) -> (Value, String) {
        let output = self.run("reduce", 0);
        let path = self.root.path().join("joined.json");
        assert_eq!(text(&output.stdout).lines().last(), path.to_str());
        (json_of(&path), text(&output.stderr))
    }
}

/// Gives the run's trace and bundle.
fn parent(recorder: &Recorder, spawn: impl FnOnce(&dyn Fn() -> ChildProcess)) -> (String, PathBuf) {
    under(recorder, || {
        let thread = Thread::start(ThreadMeta::new().id("parent"));
        let turn = thread.turn(None);
        let tool = turn.tool(Call::new("delegate").id("call-1"));
        spawn(&|| tool.child_process());
        tool.output("done");
        let bundle = thread.bundle().unwrap();
        (json_of(&bundle.join("manifest.json"))["trace_id"].as_str().unwrap().to_owned(), bundle)
    })
}

fn otel_trace(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The child's thread, as the environment that it was given says.
fn made_id(process: &ChildProcess) -> String {
    let parent: Value = serde_json::from_str(process.parent().unwrap()).unwrap();
    parent["child_thread_id"].as_str().unwrap().to_owned()
}

/// The runs of these root threads, but for the parent.
fn children(joined: &Value) -> Vec<&Value> {
    joined["rollouts"].as_array().unwrap().iter().filter(|run| run["root_thread_id"] != "parent").collect()
}

/// The edge from the parent's tool call to a thread of this trace, without its time and place.
fn edge(family: &Family, thread: &str, trace: Option<&Value>) -> Value {
    let mut edge = json!({
        "edge_id": format!("edge:spawn:parent:{thread}"),
        "kind": "spawn_agent",
        "source": { "trace_id": family.trace, "type": "tool_call", "tool_call_id": "call-1" },
        "target": { "type": "thread", "thread_id": thread },
    });
    if let Some(trace) = trace {
        edge["target"]["trace_id"] = trace.clone();
    }
    edge
}

/// The edges, without their times and places, which must be those of the parent's events.
fn edges(joined: &Value) -> Vec<Value> {
    let mut edges = joined["edges"].as_array().unwrap().clone();
    for edge in &mut edges {
        let edge = edge.as_object_mut().unwrap();
        let (at, seq) = (edge.remove("spawned_at_unix_ms"), edge.remove("seq"));
        assert!(at.unwrap().as_u64().unwrap() > 0 && seq.unwrap().as_u64().unwrap() > 1);
    }
    edges
}

fn codes(joined: &Value) -> Vec<&str> {
    joined["diagnostics"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect()
}

#[test]
fn a_child_process_is_joined_to_the_tool_call_that_spawned_it() {
    for part in ["handles", "plain spans"] {
        let mut made = String::new();
        let family = Family::new(|spawn| {
            let process = spawn();
            made = made_id(&process);
            finish(agent(part, &process));
        });
        let (joined, said) = family.joined();
        let [child] = children(&joined)[..] else { panic!("{joined:#}") };
        assert_eq!((&child["root_thread_id"], &child["status"]), (&json!(made), &json!("completed")));
        assert_eq!(edges(&joined), [edge(&family, &made, Some(&child["trace_id"]))]);
        assert_eq!(codes(&joined), [""; 0]);

        // Each bundle alone says its half.
        let state = json_of(&family.root.path().join(child["bundle"].as_str().unwrap()).join("state.json"));
        assert_eq!(state["parent"], child["parent"]);
        assert_eq!(child["parent"]["bundle"], family.bundle.file_name().unwrap().to_str().unwrap());
        let origin = &state["threads"][&made]["origin"];
        assert_eq!((&origin["type"], &origin["parent_thread_id"]), (&json!("spawned"), &json!("parent")));
        assert_eq!(origin["spawn_edge_id"], joined["edges"][0]["edge_id"]);
        let state = json_of(&family.bundle.join("state.json"));
        assert_eq!(state["child_processes"][0]["edge_id"], joined["edges"][0]["edge_id"]);
        assert_eq!(state["child_processes"][0]["seq"], joined["edges"][0]["seq"]);

        let tree = format!(
            "{}: 1 agent in other processes\n{}  completed\n└─ {}  completed  by tool call call-1\n",
            family.root.path().display(),
            family.bundle.file_name().unwrap().display(),
            child["bundle"].as_str().unwrap(),
        );
        assert!(said.ends_with(&tree), "{said}");
        assert!(family.joined().0 == joined, "the same bundles give the same result");
    }
}

/// A child that was seen to record, and waits.
fn waiting(process: &ChildProcess) -> Child {
    let mut child = agent("waits", process).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "it works"), "it never got to work");
    child
}

#[test]
fn a_child_that_was_killed_half_way_is_joined_as_running() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        made = made_id(&process);
        let mut child = waiting(&process);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
    });
    let (joined, _) = family.joined();
    let [child] = children(&joined)[..] else { panic!("{joined:#}") };
    assert_eq!((&child["status"], &child["ended_at_unix_ms"]), (&json!("running"), &Value::Null));
    assert_eq!(edges(&joined), [edge(&family, &made, Some(&child["trace_id"]))]);
    assert_eq!(codes(&joined), [""; 0]);
}

#[test]
fn a_child_that_never_records_is_shown_as_missing() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        made = made_id(&process);
        finish(agent("does not record", &process));
    });
    let (joined, said) = family.joined();
    assert_eq!(edges(&joined), [edge(&family, &made, None)]);
    assert_eq!(codes(&joined), ["missing_child"]);
    assert!(said.contains("1 agent in other processes, 1 without a bundle\n"), "{said}");
    assert!(said.contains("└─ no bundle  by tool call call-1\nnotice: trace-") && said.contains("did not record"));

    // The check says the same, and writes nothing.
    fs::remove_file(family.root.path().join("joined.json")).unwrap();
    let output = family.run("check", 0);
    let found = text(&output.stdout);
    let expected = format!("{}: notice: seq 5, missing_child: ", family.bundle.display());
    assert!(found.starts_with(&expected) && found.lines().count() == 1, "{found}");
    let json = otel_trace(&["check", "--json", family.root.path().to_str().unwrap()]).stdout;
    let found: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&found["code"], &found["seq"]), (&json!("missing_child"), &json!(5)));
    assert_eq!(found["bundle"], family.bundle.to_str().unwrap());
    assert!(!family.root.path().join("joined.json").exists());
}

#[test]
fn a_child_whose_parents_bundle_was_removed_says_whose_it_was() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        made = made_id(&process);
        finish(agent("handles", &process));
    });
    fs::remove_dir_all(&family.bundle).unwrap();
    let (joined, said) = family.joined();
    let [child] = children(&joined)[..] else { panic!("{joined:#}") };
    assert_eq!(joined["edges"], json!([edge(&family, &made, Some(&child["trace_id"]))]), "without an event");
    assert_eq!(codes(&joined), ["missing_parent"]);
    assert_eq!(joined["diagnostics"][0]["bundle"], child["bundle"]);
    assert!(said.contains(&format!("trace {}, which is not here\n└─ ", family.trace)), "{said}");
}

#[test]
fn a_grandchild_is_its_parents_child() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        made = made_id(&process);
        finish(agent("spawns", &process));
    });
    let (joined, said) = family.joined();
    let runs = children(&joined);
    let of_depth = |depth: u32| runs.iter().find(|run| run["parent"]["depth"] == depth).unwrap();
    let (child, grandchild) = (of_depth(1), of_depth(2));
    let deeper = &grandchild["root_thread_id"];
    let below = json!({
        "edge_id": format!("edge:spawn:{made}:{}", deeper.as_str().unwrap()),
        "kind": "spawn_agent",
        "source": { "trace_id": child["trace_id"], "type": "tool_call", "tool_call_id": "deeper" },
        "target": { "trace_id": grandchild["trace_id"], "type": "thread", "thread_id": deeper },
    });
    let found = edges(&joined);
    assert_eq!(found.len(), 2);
    assert!(found.contains(&edge(&family, &made, Some(&child["trace_id"]))) && found.contains(&below), "{joined:#}");
    assert_eq!(codes(&joined), [""; 0]);
    let tree = format!(
        "└─ {}  completed  by tool call call-1\n   └─ {}  completed  by tool call deeper\n",
        child["bundle"].as_str().unwrap(),
        grandchild["bundle"].as_str().unwrap()
    );
    assert!(said.ends_with(&tree), "{said}");
}

#[test]
fn a_process_that_is_passed_its_parents_parent_is_told_apart_and_noticed() {
    let family = Family::new(|spawn| finish(agent("passes on", &spawn())));
    let (joined, _) = family.joined();
    assert_eq!((children(&joined).len(), edges(&joined).len()), (2, 2));
    assert_eq!(joined["edges"][0]["edge_id"], joined["edges"][1]["edge_id"]);
    assert_ne!(joined["edges"][0]["target"], joined["edges"][1]["target"]);
    assert_eq!(codes(&joined), ["child_id_reused"]);
}

#[test]
fn a_tool_call_may_spawn_several_processes() {
    let mut made = Vec::new();
    let family = Family::new(|spawn| {
        let processes = ["handles", "plain spans", "handles"].map(|part| (part, spawn()));
        made.extend(processes.iter().map(|(_, process)| made_id(process)));
        let children: Vec<_> = processes.iter().map(|(part, process)| agent(part, process).spawn().unwrap()).collect();
        children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    });
    let (joined, _) = family.joined();
    let runs = children(&joined);
    let trace = |id: &String| &runs.iter().find(|run| run["root_thread_id"] == **id).unwrap()["trace_id"];
    let expected: Vec<_> = made.iter().map(|id| edge(&family, id, Some(trace(id)))).collect();
    assert_eq!(edges(&joined), expected, "in the order they were spawned");
    assert_eq!(codes(&joined), [""; 0]);
}

#[test]
fn a_child_that_names_its_thread_is_joined_by_its_own_name() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        made = made_id(&process);
        finish(agent("names itself", &process));
    });
    let (joined, _) = family.joined();
    let runs = children(&joined);
    let expected =
        runs.iter().map(|run| edge(&family, run["root_thread_id"].as_str().unwrap(), Some(&run["trace_id"])));
    assert_eq!(edges(&joined), expected.collect::<Vec<_>>());
    let ids: Vec<_> = runs.iter().map(|run| run["root_thread_id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&"mine") && !ids.contains(&&*made), "{ids:?}");
    assert_eq!(codes(&joined), [""; 0]);
}

#[test]
fn parents_of_one_root_do_not_mix() {
    let (root, recorder, guard) = recorder();
    let expected: Vec<_> = thread::scope(|scope| {
        let run = || {
            let mut made = Vec::new();
            let (trace, _) = parent(&recorder, |spawn| {
                for part in ["handles", "plain spans"] {
                    let process = spawn();
                    made.push(made_id(&process));
                    finish(agent(part, &process));
                }
            });
            (trace, made)
        };
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    drop(guard);
    let family = Family { bundle: root.path().to_owned(), root, trace: String::new() };
    let (joined, _) = family.joined();
    let mut found: Vec<_> = edges(&joined)
        .iter()
        .map(|edge| (edge["source"]["trace_id"].clone(), edge["target"]["thread_id"].clone()))
        .collect();
    let mut expected: Vec<_> =
        expected.iter().flat_map(|(trace, made)| made.iter().map(move |id| (json!(trace), json!(id)))).collect();
    for pairs in [&mut found, &mut expected] {
        pairs.sort_by_key(|(trace, id)| (trace.to_string(), id.to_string()));
    }
    assert_eq!(found, expected);
    assert_eq!((found.len(), codes(&joined).len()), (4, 0));
}

#[test]
fn three_hundred_bundles_are_joined() {
    const FAMILIES: usize = 100;
    let (root, recorder, guard) = recorder();
    let mut expected = Vec::new();
    for _ in 0..FAMILIES {
        parent(&recorder, |spawn| {
            for _ in 0..2 {
                let process = spawn();
                expected.push(made_id(&process));
                let builder = Recorder::builder().root(root.path()).parent(process.parent().unwrap());
                let (recorder, _guard) = builder.build().unwrap();
                under(&recorder, || drop(Thread::start(ThreadMeta::new())));
            }
        });
    }
    drop(guard);
    let family = Family { bundle: root.path().to_owned(), root, trace: String::new() };
    let (joined, said) = family.joined();
    assert_eq!(joined["rollouts"].as_array().unwrap().len(), 3 * FAMILIES);
    let edges = edges(&joined);
    let mut found: Vec<_> = edges.iter().map(|edge| edge["target"]["thread_id"].as_str().unwrap()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(edges.iter().all(|edge| edge["target"].get("trace_id").is_some()));
    assert_eq!(codes(&joined), [""; 0]);
    // 3 lines a family, of which 50 are printed.
    assert!(said.ends_with("… and 250 more, all of them in joined.json\n"), "{said}");
}

#[test]
fn bundles_that_are_named_one_by_one_are_not_joined_and_an_old_join_is_made_anew() {
    let family = Family::new(|spawn| finish(agent("handles", &spawn())));
    let path = family.root.path().join("joined.json");
    let names: Vec<_> = fs::read_dir(family.root.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let args: Vec<_> = ["reduce"].into_iter().chain(names.iter().map(|name| name.to_str().unwrap())).collect();
    let output = otel_trace(&args);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 2));
    assert!(!path.exists() && !text(&output.stderr).contains("in other processes"));

    family.joined();
    names.iter().for_each(|bundle| fs::remove_dir_all(bundle).unwrap());
    let (recorder, guard) = Recorder::builder().root(family.root.path()).no_parent().build().unwrap();
    under(&recorder, || drop(Thread::start(ThreadMeta::new())));
    drop(guard);
    let (joined, said) = family.joined();
    assert_eq!((edges(&joined).len(), joined["rollouts"].as_array().unwrap().len()), (0, 1));
    assert!(!said.contains("in other processes"), "{said}");
}

#[test]
fn a_bundle_that_can_not_be_read_does_not_stop_the_join() {
    let mut made = String::new();
    let family = Family::new(|spawn| {
        let (good, bad) = (spawn(), spawn());
        made = made_id(&bad);
        finish(agent("handles", &good));
        finish(agent("handles", &bad));
    });
    let entries = fs::read_dir(family.root.path()).unwrap().map(|entry| entry.unwrap().path());
    let broken: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(&made)).collect();
    fs::remove_file(broken[0].join("trace.jsonl")).unwrap();
    let output = family.run("reduce", 1);
    let joined = json_of(&family.root.path().join("joined.json"));
    assert_eq!((children(&joined).len(), edges(&joined).len()), (1, 2));
    let mut codes = codes(&joined);
    codes.sort_unstable();
    assert_eq!(codes, ["missing_child", "unreadable_bundle"]);
    let said = text(&output.stderr);
    assert_eq!(said.matches("has no trace.jsonl").count(), 1, "once is enough: {said}");
    assert!(said.contains("one of those that can't be read"), "{said}");
}
