//! Root directories with many bundles or with broken bundles.

use std::{fs, thread};

use otel_trace::{AgentThread, Recorder, ThreadMeta};
use serde_json::json;

use crate::common::{recorder, run_recorded};
use crate::family::{Family, child_thread_id, children, codes, edges, otel_trace, parent, read_json, text};
use crate::{agent, finish};

#[test]
fn parents_in_one_root_do_not_mix() {
    let (root, recorder, guard) = recorder();
    let expected: Vec<_> = thread::scope(|scope| {
        let run = || {
            let mut child_id = Vec::new();
            let (trace, _) = parent(&recorder, |spawn| {
                for part in ["handles", "plain spans"] {
                    let process = spawn();
                    child_id.push(child_thread_id(&process));
                    finish(agent(part, &process));
                }
            });
            (trace, child_id)
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
    let mut expected: Vec<_> = expected
        .iter()
        .flat_map(|(trace, child_id)| child_id.iter().map(move |id| (json!(trace), json!(id))))
        .collect();
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
                expected.push(child_thread_id(&process));
                let builder = Recorder::builder().root(root.path()).parent(process.parent().unwrap());
                let (recorder, _guard) = builder.build().unwrap();
                run_recorded(&recorder, || drop(AgentThread::start(ThreadMeta::new())));
            }
        });
    }
    drop(guard);
    let family = Family { bundle: root.path().to_owned(), root, trace: String::new() };
    let (joined, stderr) = family.joined();
    assert_eq!(joined["rollouts"].as_array().unwrap().len(), 3 * FAMILIES);
    let edges = edges(&joined);
    let mut found: Vec<_> = edges.iter().map(|edge| edge["target"]["thread_id"].as_str().unwrap()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(edges.iter().all(|edge| edge["target"].get("trace_id").is_some()));
    assert_eq!(codes(&joined), [""; 0]);
    // Each of the 100 families has 3 lines; 50 lines are printed.
    assert!(stderr.ends_with("… and 250 more; joined.json has all of them\n"), "{stderr}");
}

#[test]
fn named_bundles_are_not_joined_and_old_joins_are_replaced() {
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
    run_recorded(&recorder, || drop(AgentThread::start(ThreadMeta::new())));
    drop(guard);
    let (joined, stderr) = family.joined();
    assert_eq!((edges(&joined).len(), joined["rollouts"].as_array().unwrap().len()), (0, 1));
    assert!(!stderr.contains("in other processes"), "{stderr}");
}

#[test]
fn unreadable_bundle_does_not_stop_the_join() {
    let mut child_id = String::new();
    let family = Family::new(|spawn| {
        let (good, bad) = (spawn(), spawn());
        child_id = child_thread_id(&bad);
        finish(agent("handles", &good));
        finish(agent("handles", &bad));
    });
    let entries = fs::read_dir(family.root.path()).unwrap().map(|entry| entry.unwrap().path());
    let broken: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(&child_id)).collect();
    fs::remove_file(broken[0].join("trace.jsonl")).unwrap();
    let output = family.run("reduce", 1);
    let joined = read_json(&family.root.path().join("joined.json"));
    assert_eq!((children(&joined).len(), edges(&joined).len()), (1, 2));
    let mut codes = codes(&joined);
    codes.sort_unstable();
    assert_eq!(codes, ["missing_child", "unreadable_bundle"]);
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches("has no trace.jsonl").count(), 1, "reported exactly once: {stderr}");
    assert!(stderr.contains("one of the bundles that cannot be read"), "{stderr}");
}

#[test]
fn forged_manifest_neither_hangs_nor_controls_the_terminal() {
    for (forged, line) in
        [(None, None), (Some("\u{1b}[2J\u{202e}"), Some("trace \\u001b[2J\\u202e without a bundle here"))]
    {
        let family = Family::new(|_| {});
        let path = family.bundle.join("manifest.json");
        let mut manifest = read_json(&path);
        // The manifest names its own run, or an unknown run, as its parent.
        let trace = forged.map_or(manifest["trace_id"].clone(), |trace| json!(trace));
        manifest["parent"] = json!({
            "trace_id": trace, "bundle": "../..", "thread_id": "\u{1b}", "child_thread_id": "c", "depth": 4_000_000_000_u32,
        });
        fs::write(&path, manifest.to_string()).unwrap();
        let (joined, stderr) = family.joined();
        assert_eq!((joined["edges"][0]["source"]["trace_id"].clone(), codes(&joined)), (trace, vec!["missing_parent"]));
        assert!(!stderr.contains(['\u{1b}', '\u{202e}']), "{stderr:?}");
        assert!(line.is_none_or(|line| stderr.lines().any(|printed| printed == line)), "{stderr}");
    }
}
