//! Child processes of one parent run.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use otel_trace::ChildProcess;
use serde_json::{Value, json};

use crate::family::{Family, child_thread_id, children, codes, edge, edges, otel_trace, read_json, text};
use crate::{agent, finish};

#[test]
fn child_process_is_joined_to_its_tool_call() {
    for part in ["handles", "plain spans"] {
        let mut child_id = String::new();
        let family = Family::new(|spawn| {
            let process = spawn();
            child_id = child_thread_id(&process);
            finish(agent(part, &process));
        });
        let (joined, stderr) = family.joined();
        let [child] = children(&joined)[..] else { panic!("{joined:#}") };
        assert_eq!((&child["root_thread_id"], &child["status"]), (&json!(child_id), &json!("completed")));
        assert_eq!(edges(&joined), [edge(&family, &child_id, Some(&child["trace_id"]))]);
        assert_eq!(codes(&joined), [""; 0]);

        // The graph of each bundle has its half of the edge.
        let state = read_json(&family.root.path().join(child["bundle"].as_str().unwrap()).join("state.json"));
        assert_eq!(state["parent"], child["parent"]);
        assert_eq!(child["parent"]["bundle"], family.bundle.file_name().unwrap().to_str().unwrap());
        let origin = &state["threads"][&child_id]["origin"];
        assert_eq!((&origin["type"], &origin["parent_thread_id"]), (&json!("spawned"), &json!("parent")));
        assert_eq!(origin["spawn_edge_id"], joined["edges"][0]["edge_id"]);
        let state = read_json(&family.bundle.join("state.json"));
        assert_eq!(state["child_processes"][0]["edge_id"], joined["edges"][0]["edge_id"]);
        assert_eq!(state["child_processes"][0]["seq"], joined["edges"][0]["seq"]);

        let tree = format!(
            "{}: 1 agent in other processes\n{}  completed\n└─ {}  completed  by tool call call-1\n",
            family.root.path().display(),
            family.bundle.file_name().unwrap().display(),
            child["bundle"].as_str().unwrap(),
        );
        assert!(stderr.ends_with(&tree), "{stderr}");
        assert!(family.joined().0 == joined, "joining is deterministic");
    }
}

/// Spawns a child and waits until it records.
fn waiting(process: &ChildProcess) -> Child {
    let mut child = agent("waits", process).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "recording"), "the child did not start recording");
    child
}

#[test]
fn killed_child_is_joined_as_running() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        child_id = child_thread_id(&process);
        let mut child = waiting(&process);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
    });
    let (joined, _) = family.joined();
    let [child] = children(&joined)[..] else { panic!("{joined:#}") };
    assert_eq!((&child["status"], &child["ended_at_unix_ms"]), (&json!("running"), &Value::Null));
    assert_eq!(edges(&joined), [edge(&family, &child_id, Some(&child["trace_id"]))]);
    assert_eq!(codes(&joined), [""; 0]);
}

#[test]
fn child_that_never_records_is_reported_missing() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        child_id = child_thread_id(&process);
        finish(agent("does not record", &process));
    });
    let (joined, stderr) = family.joined();
    assert_eq!(edges(&joined), [edge(&family, &child_id, None)]);
    assert_eq!(codes(&joined), ["missing_child"]);
    assert!(stderr.contains("1 agent in other processes, 1 without a bundle\n"), "{stderr}");
    assert!(stderr.contains("└─ no bundle  by tool call call-1\nnotice: trace-") && stderr.contains("did not record"));

    // `check` reports the missing child too, without writing a file.
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
fn child_of_a_removed_parent_names_its_parent() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        child_id = child_thread_id(&process);
        finish(agent("handles", &process));
    });
    fs::remove_dir_all(&family.bundle).unwrap();
    let (joined, stderr) = family.joined();
    let [child] = children(&joined)[..] else { panic!("{joined:#}") };
    assert_eq!(
        joined["edges"],
        json!([edge(&family, &child_id, Some(&child["trace_id"]))]),
        "without time and seq of an event"
    );
    assert_eq!(codes(&joined), ["missing_parent"]);
    assert_eq!(joined["diagnostics"][0]["bundle"], child["bundle"]);
    assert!(stderr.contains(&format!("trace {} without a bundle here\n└─ ", family.trace)), "{stderr}");
}

#[test]
fn grandchild_is_joined_to_its_parent() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        child_id = child_thread_id(&process);
        finish(agent("spawns", &process));
    });
    let (joined, stderr) = family.joined();
    let runs = children(&joined);
    let of_depth = |depth: u32| runs.iter().find(|run| run["parent"]["depth"] == depth).unwrap();
    let (child, grandchild) = (of_depth(1), of_depth(2));
    let deeper = &grandchild["root_thread_id"];
    let edge_below = json!({
        "edge_id": format!("edge:spawn:{child_id}:{}", deeper.as_str().unwrap()),
        "kind": "spawn_agent",
        "source": { "trace_id": child["trace_id"], "type": "tool_call", "tool_call_id": "deeper" },
        "target": { "trace_id": grandchild["trace_id"], "type": "thread", "thread_id": deeper },
    });
    let found = edges(&joined);
    assert_eq!(found.len(), 2);
    assert!(
        found.contains(&edge(&family, &child_id, Some(&child["trace_id"]))) && found.contains(&edge_below),
        "{joined:#}"
    );
    assert_eq!(codes(&joined), [""; 0]);
    let tree = format!(
        "└─ {}  completed  by tool call call-1\n   └─ {}  completed  by tool call deeper\n",
        child["bundle"].as_str().unwrap(),
        grandchild["bundle"].as_str().unwrap()
    );
    assert!(stderr.ends_with(&tree), "{stderr}");
}

#[test]
fn forwarded_parent_variable_is_reported() {
    let family = Family::new(|spawn| finish(agent("passes on", &spawn())));
    let (joined, _) = family.joined();
    assert_eq!((children(&joined).len(), edges(&joined).len()), (2, 2));
    assert_eq!(joined["edges"][0]["edge_id"], joined["edges"][1]["edge_id"]);
    assert_ne!(joined["edges"][0]["target"], joined["edges"][1]["target"]);
    assert_eq!(codes(&joined), ["child_id_reused"]);
}

#[test]
fn tool_call_may_spawn_several_processes() {
    let mut child_id = Vec::new();
    let family = Family::new(|spawn| {
        let processes = ["handles", "plain spans", "handles"].map(|part| (part, spawn()));
        child_id.extend(processes.iter().map(|(_, process)| child_thread_id(process)));
        let children: Vec<_> = processes.iter().map(|(part, process)| agent(part, process).spawn().unwrap()).collect();
        children.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
    });
    let (joined, _) = family.joined();
    let runs = children(&joined);
    let trace = |id: &String| &runs.iter().find(|run| run["root_thread_id"] == **id).unwrap()["trace_id"];
    let expected: Vec<_> = child_id.iter().map(|id| edge(&family, id, Some(trace(id)))).collect();
    assert_eq!(edges(&joined), expected, "in the order they were spawned");
    assert_eq!(codes(&joined), [""; 0]);
}

#[test]
fn child_with_its_own_thread_id_is_joined() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let process = spawn();
        child_id = child_thread_id(&process);
        finish(agent("names itself", &process));
    });
    let (joined, _) = family.joined();
    let runs = children(&joined);
    let expected =
        runs.iter().map(|run| edge(&family, run["root_thread_id"].as_str().unwrap(), Some(&run["trace_id"])));
    assert_eq!(edges(&joined), expected.collect::<Vec<_>>());
    let ids: Vec<_> = runs.iter().map(|run| run["root_thread_id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && ids.contains(&"mine") && !ids.contains(&&*child_id), "{ids:?}");
    assert_eq!(codes(&joined), [""; 0]);
}
