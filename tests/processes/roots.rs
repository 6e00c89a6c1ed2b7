//! Roots of many bundles, and of broken ones.

use std::{fs, thread};

use otel_trace::{AgentThread, Recorder, ThreadMeta};
use serde_json::json;

use crate::common::{recorder, run_recorded};
use crate::family::{Family, children, codes, edges, json_of, made_id, otel_trace, parent, text};
use crate::{agent, finish};

#[test]
fn parents_in_one_root_do_not_mix() {
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
                run_recorded(&recorder, || drop(AgentThread::start(ThreadMeta::new())));
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
    assert!(said.ends_with("… and 250 more; joined.json has all of them\n"), "{said}");
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
    let (joined, said) = family.joined();
    assert_eq!((edges(&joined).len(), joined["rollouts"].as_array().unwrap().len()), (0, 1));
    assert!(!said.contains("in other processes"), "{said}");
}

#[test]
fn unreadable_bundle_does_not_stop_the_join() {
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
    assert!(said.contains("one of the bundles that cannot be read"), "{said}");
}

#[test]
fn forged_manifest_neither_hangs_nor_controls_the_terminal() {
    for (forged, line) in
        [(None, None), (Some("\u{1b}[2J\u{202e}"), Some("trace \\u{1b}[2J\\u{202e} without a bundle here"))]
    {
        let family = Family::new(|_| {});
        let path = family.bundle.join("manifest.json");
        let mut manifest = json_of(&path);
        // Of itself, else of a run that nobody has.
        let trace = forged.map_or(manifest["trace_id"].clone(), |trace| json!(trace));
        manifest["parent"] = json!({
            "trace_id": trace, "bundle": "../..", "thread_id": "\u{1b}", "child_thread_id": "c", "depth": 4_000_000_000_u32,
        });
        fs::write(&path, manifest.to_string()).unwrap();
        let (joined, said) = family.joined();
        assert_eq!((joined["edges"][0]["source"]["trace_id"].clone(), codes(&joined)), (trace, vec!["missing_parent"]));
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
        assert!(line.is_none_or(|line| said.lines().any(|said| said == line)), "{said}");
    }
}
