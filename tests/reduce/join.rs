//! Joining the graphs of several processes.

use otel_trace::graph::{Code, Joined};
use otel_trace::reduce::Join;
use serde_json::{Value, json};

use crate::case::{Case, exec};
use crate::processes::{parent, spawned};

/// Records a run with root thread `root`, whose tool call `x` spawns child processes with these thread ids.
fn run(trace: &str, root: &str, parent_run: Option<Value>, children: &[&str]) -> Case {
    let mut case = Case::empty();
    case.manifest("trace_id", json!(trace));
    case.manifest("root_thread_id", json!(root));
    case.manifest("parent", json!(parent_run));
    case.event(json!({ "type": "rollout_started", "trace_id": trace, "root_thread_id": root }));
    case.thread("t", "/root");
    case.turn("u", "t");
    case.tool("x", None, exec(), None);
    for child in children {
        case.event(spawned(json!({ "child_thread_id": child, "tool_call_id": "x" })));
    }
    case
}

fn join<'a>(cases: impl IntoIterator<Item = (&'a str, &'a Case)>) -> Joined {
    let mut join = Join::default();
    for (bundle, case) in cases {
        join.add(bundle, &case.check(&[]));
    }
    join.finish()
}

fn wire(joined: &Joined) -> Value {
    let mut bytes = Vec::new();
    joined.write(&mut bytes).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    serde_json::from_slice(&bytes).unwrap()
}

/// Renders each edge as `<source trace>:<source> -> <target trace>:<target>`.
fn edges(joined: &Joined) -> Vec<String> {
    let end = |end: &Value| {
        let id = end.get("tool_call_id").or(end.get("thread_id")).unwrap();
        format!("{}:{}", end.get("trace_id").map_or("?", |trace| trace.as_str().unwrap()), id.as_str().unwrap())
    };
    let wire = wire(joined);
    let edges = wire["edges"].as_array().unwrap();
    edges.iter().map(|edge| format!("{} -> {}", end(&edge["source"]), end(&edge["target"]))).collect()
}

fn diagnostics(joined: &Joined) -> Vec<(&str, Code)> {
    joined.diagnostics.iter().map(|found| (&*found.bundle, found.diagnostic.code)).collect()
}

#[test]
fn parent_and_child_are_joined_in_any_order() {
    let (parent_run, child_run) = (run("p", "t", None, &["c"]), run("k", "c", Some(parent("p", "c")), &[]));
    for bundles in [[("a", &parent_run), ("b", &child_run)], [("b", &child_run), ("a", &parent_run)]] {
        let joined = join(bundles);
        assert_eq!(diagnostics(&joined), []);
        let wire = wire(&joined);
        assert_eq!(
            wire["edges"],
            json!([{
                "edge_id": "edge:spawn:t:c", "kind": "spawn_agent",
                "source": { "trace_id": "p", "type": "tool_call", "tool_call_id": "x" },
                "target": { "trace_id": "k", "type": "thread", "thread_id": "c" },
                "spawned_at_unix_ms": 1005, "seq": 5,
            }])
        );
        assert_eq!((&wire["schema_version"], &wire["diagnostics"]), (&json!(1), &json!([])));
        let child = &wire["rollouts"][usize::from(bundles[1].0 == "b")];
        assert_eq!(
            *child,
            json!({
                "bundle": "b", "trace_id": "k", "root_thread_id": "c", "started_at_unix_ms": 1000,
                "ended_at_unix_ms": null, "status": "running", "parent": parent("p", "c"),
            })
        );
    }
}

#[test]
fn missing_child_is_an_edge_without_a_trace_and_a_notice() {
    let joined = join([("a", &run("p", "t", None, &["c"]))]);
    assert_eq!(edges(&joined), ["p:x -> ?:c"]);
    assert_eq!(diagnostics(&joined), [("a", Code::MissingChild)]);
    let message = &joined.diagnostics[0].diagnostic.message;
    for word in ["tool call x of thread t", "thread c", "did not record", "another root", "killed"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(!message.contains("cannot be read"), "every bundle is readable: {message}");
    assert_eq!(wire(&joined)["diagnostics"][0]["seq"], 5);
}

#[test]
fn unreadable_bundle_is_named_as_a_possible_missing_child() {
    let mut join = Join::default();
    join.add("a", &run("p", "t", None, &["c"]).check(&[]));
    join.unreadable("b", "no log");
    let joined = join.finish();
    assert_eq!(diagnostics(&joined), [("a", Code::MissingChild), ("b", Code::UnreadableBundle)]);
    let [missing, unread] = &joined.diagnostics[..] else { panic!() };
    assert!(missing.diagnostic.message.contains("one of the bundles that cannot be read"), "{}", missing.diagnostic);
    assert!(unread.diagnostic.message.contains("no log"), "{}", unread.diagnostic);
    assert_eq!(joined.rollouts.len(), 1);
}

#[test]
fn child_of_a_missing_parent_has_an_edge_from_its_manifest() {
    let child = run("k", "c", Some(parent("p", "c")), &[]);
    for parent_run in [None, Some(run("p", "t", None, &[]))] {
        let joined = join(parent_run.iter().map(|case| ("a", case)).chain([("b", &child)]));
        assert_eq!(edges(&joined), ["p:x -> k:c"]);
        assert_eq!(diagnostics(&joined), [("b", Code::MissingParent)]);
        let edge = &wire(&joined)["edges"][0];
        assert_eq!((edge.get("seq"), edge.get("spawned_at_unix_ms")), (None, None));
    }
}

#[test]
fn every_root_thread_of_a_child_process_is_a_child() {
    let parent_run = run("p", "t", None, &["c"]);
    let (first, later) = (run("k1", "c", Some(parent("p", "c")), &[]), run("k2", "own", Some(parent("p", "c")), &[]));
    let joined = join([("a", &parent_run), ("b", &first), ("c", &later)]);
    assert_eq!(edges(&joined), ["p:x -> k1:c", "p:x -> k2:own"]);
    assert_eq!(joined.edges[1].edge_id.as_str(), "edge:spawn:t:own");
    assert_eq!(diagnostics(&joined), []);
}

#[test]
fn child_id_used_by_two_processes_is_reported() {
    let parent_run = run("p", "t", None, &["c"]);
    let [one, two] = ["k1", "k2"].map(|trace| run(trace, "c", Some(parent("p", "c")), &[]));
    let joined = join([("a", &parent_run), ("b", &one), ("c", &two)]);
    assert_eq!(edges(&joined), ["p:x -> k1:c", "p:x -> k2:c"]);
    assert_eq!(diagnostics(&joined), [("a", Code::ChildIdReused)]);
}

#[test]
fn grandchildren_are_joined() {
    let cases = [
        run("1", "t", None, &["c2", "c3"]),
        run("2", "c2", Some(parent("1", "c2")), &["c4"]),
        run("3", "c3", Some(parent("1", "c3")), &[]),
        run("4", "c4", Some(parent("2", "c4")), &[]),
    ];
    let joined = join(["a", "b", "c", "d"].into_iter().zip(&cases));
    assert_eq!(edges(&joined), ["1:x -> 2:c2", "1:x -> 3:c3", "2:x -> 4:c4"]);
    assert_eq!(diagnostics(&joined), []);
}

#[test]
fn copy_of_a_bundle_adds_no_edge() {
    let (parent_run, child_run) = (run("p", "t", None, &["c"]), run("k", "c", Some(parent("p", "c")), &[]));
    let joined = join([("a", &parent_run), ("a-copy", &parent_run), ("b", &child_run), ("b-copy", &child_run)]);
    assert_eq!((edges(&joined), joined.rollouts.len()), (vec!["p:x -> k:c".to_owned()], 4));
    assert_eq!(diagnostics(&joined), []);
}

#[test]
fn runs_that_claim_each_other_as_parent_are_joined() {
    let cases = [run("1", "c1", Some(parent("2", "c1")), &["c2"]), run("2", "c2", Some(parent("1", "c2")), &["c1"])];
    let joined = join(["a", "b"].into_iter().zip(&cases));
    assert_eq!(edges(&joined), ["1:x -> 2:c2", "2:x -> 1:c1"]);
    let own = run("1", "c", Some(parent("1", "c")), &["c"]);
    assert_eq!(edges(&join([("a", &own)])), ["1:x -> 1:c"]);
}

#[test]
fn runs_with_equal_thread_ids_do_not_mix() {
    let cases = [
        run("p1", "t", None, &["c"]),
        run("p2", "t", None, &["c"]),
        run("k1", "c", Some(parent("p1", "c")), &[]),
        run("k2", "c", Some(parent("p2", "c")), &[]),
    ];
    let joined = join(["a", "b", "c", "d"].into_iter().zip(&cases));
    assert_eq!(edges(&joined), ["p1:x -> k1:c", "p2:x -> k2:c"]);
    assert_eq!(diagnostics(&joined), []);
}

#[test]
fn orphans_keep_the_order_of_their_bundles() {
    let names: Vec<_> = (10..50).map(|n| format!("b{n}")).collect();
    let cases: Vec<_> = names.iter().map(|name| run(name, "c", Some(parent("gone", name)), &[])).collect();
    let joined = join(names.iter().map(String::as_str).zip(&cases));
    let targets: Vec<_> = joined.edges.iter().map(|edge| edge.target.trace_id.as_ref().unwrap().as_str()).collect();
    assert_eq!(targets, names);
    assert!(diagnostics(&joined).iter().map(|(bundle, _)| *bundle).eq(names.iter().map(String::as_str)));
}

/// Renders each run that continues another as `<trace> <- <trace>`, in the order of the bundles.
fn continued(joined: &Joined) -> Vec<String> {
    let wire = wire(joined);
    let runs = wire["rollouts"].as_array().unwrap();
    let continued = runs.iter().filter_map(|run| Some((run["trace_id"].as_str()?, run.get("continues")?.as_str()?)));
    continued.map(|(run, earlier)| format!("{run} <- {earlier}")).collect()
}

/// Records a run of the root thread `root` that starts at a time.
fn run_at(started: u64, trace: &str, root: &str, parent_run: Option<Value>) -> Case {
    let case = run(trace, root, parent_run, &[]);
    case.manifest("started_at_unix_ms", json!(started));
    case
}

#[test]
fn bundles_of_one_thread_continue_one_another_in_time() {
    let runs = [run_at(30, "c", "t", None), run_at(10, "a", "t", None), run_at(20, "b", "t", None)];
    let other = run_at(15, "x", "other", None);
    let joined = join([("1", &runs[0]), ("2", &runs[1]), ("3", &other), ("4", &runs[2])]);
    assert_eq!(continued(&joined), ["c <- b", "b <- a"]);
    assert!(joined.edges.is_empty() && joined.diagnostics.is_empty());
    // Runs that started in one millisecond stay in the order of their bundles.
    let same = ["a", "b", "c"].map(|trace| run_at(10, trace, "t", None));
    let joined = join([("1", &same[0]), ("2", &same[1]), ("3", &same[2])]);
    assert_eq!(continued(&joined), ["b <- a", "c <- b"]);
}

#[test]
fn copies_and_processes_with_one_assigned_id_continue_none() {
    let [first, second] = [run_at(10, "a", "t", None), run_at(20, "b", "t", None)];
    let joined = join([("1", &first), ("2", &first), ("3", &second), ("4", &second)]);
    assert_eq!(continued(&joined), ["b <- a"]);
    let children = ["c", "d"].map(|trace| run_at(30, trace, "k", Some(parent("p", "k"))));
    assert_eq!(continued(&join([("1", &children[0]), ("2", &children[1])])), [""; 0]);
    // An id that the program gave is that of a conversation, in whatever process.
    let named = ["e", "f"].map(|trace| run_at(30, trace, "t", Some(parent("p", "k"))));
    assert_eq!(continued(&join([("1", &named[0]), ("2", &named[1])])), ["f <- e"]);
}

#[test]
fn links_of_many_conversations_are_complete() {
    let mut join = Join::default();
    let runs = [run_at(10, "a", "t", None), run_at(20, "b", "t", None)].map(|case| case.check(&[]));
    for n in 0..20_000_i64 {
        let mut graph = runs[usize::from(n % 2 == 1)].clone();
        graph.trace_id = format!("trace {n}").as_str().into();
        // A thread of very many bundles, and very many threads of one.
        if n % 3 == 0 {
            graph.root_thread_id = format!("thread {n}").as_str().into();
        }
        graph.started_at.0 = n * 7919 % 20_000;
        join.add(&n.to_string(), &graph);
    }
    let joined = join.finish();
    let by_trace: std::collections::HashMap<_, _> = joined.rollouts.iter().map(|run| (&run.trace_id, run)).collect();
    let mut continued = 0;
    for run in &joined.rollouts {
        let Some(earlier) = run.continues.as_ref().map(|earlier| by_trace[earlier]) else { continue };
        assert_eq!(earlier.root_thread_id, run.root_thread_id);
        assert!(earlier.started_at <= run.started_at);
        continued += 1;
    }
    assert_eq!(continued, 20_000 - 20_000 / 3 - 1 - 1);
}
