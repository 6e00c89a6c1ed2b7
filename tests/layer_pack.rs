//! Recording into a pack: what it costs, who chooses it, and what faults do to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{bundles, child, role, under};
use otel_trace::bundle::Reader;
use otel_trace::{
    AgentThread, Exact, Json, Model, Operation, Recorder, RecorderGuard, Store, ThreadMeta, ToolCallMeta, Turn,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Words of a message.
const QUESTION: usize = 40;
const ANSWER: usize = 20;

fn recorder() -> (TempDir, Recorder, RecorderGuard) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(Store::Pack).build().unwrap();
    (root, recorder, guard)
}

fn message(role: &str, call: usize, words: usize) -> Value {
    let word = |n| format!("word-{}", (call * 7919 + n * 104_729) % 100_003);
    json!({ "role": role, "content": (0..words).map(word).collect::<Vec<_>>().join(" ") })
}

/// What calls with full history take in a pack.
struct Packed {
    root: TempDir,
    stored: u64,
    /// What is new in each body: an answer is so in its response, and in the first request that repeats it.
    new: u64,
    /// The same with each answer once.
    unique: u64,
}

/// A thread that makes so many calls with its full history. `beside` says what each call does beside.
fn packed(calls: usize, beside: impl Fn(&Turn, usize)) -> Packed {
    let instructions = "be brief ".repeat(100);
    let size = |value: &Value| value.to_string().len() as u64;
    let mut new = size(&json!({ "model": "m", "instructions": instructions, "input": [], "stream": true }));
    let mut repeated = 0;
    let root = recorded(|turn| {
        let mut history = Vec::new();
        for call in 0..calls {
            let question = message("user", call, QUESTION);
            history.push(question.clone());
            let inference = turn.inference(MODEL);
            inference.request(Json(
                &json!({ "instructions": instructions, "input": history, "model": "m", "stream": true }),
            ));
            let answer = message("assistant", call, ANSWER);
            let response = json!({ "output_items": [answer] });
            inference.response(Json(&response));
            inference.complete();
            new += size(&question) + size(&response) + size(&answer);
            repeated += size(&answer);
            history.push(answer);
            beside(turn, call);
        }
    });
    let stored = fs::metadata(bundles_of(root.path()).remove(0).join("payloads.pack")).unwrap().len();
    Packed { root, stored, new, unique: new - repeated }
}

#[test]
fn a_thousand_calls_with_full_history_take_little_more_than_what_is_new_in_them() {
    let Packed { root, stored, new, unique } = packed(1000, |_, _| {});
    let path = bundles_of(root.path()).remove(0);
    assert!(stored <= new * 11 / 10, "{stored} bytes are stored of {new} that are new in their body");
    // A response is no part of a history, so an answer is there twice: here one third of what is said is answers.
    assert!(stored <= unique * 3 / 2, "{stored} bytes are stored of {unique} that are unique");
    assert_eq!(path.join("payloads").read_dir().unwrap().count(), 0);

    let reader = Reader::open(&path).unwrap();
    let mut requests = 0;
    for line in reader.lines().unwrap() {
        line.unwrap().content.unwrap().event.for_each_payload(|reference| {
            let body: Value = serde_json::from_slice(&reader.payload(reference).unwrap()).unwrap();
            if let Some(input) = body["input"].as_array() {
                assert_eq!(input.last().unwrap(), &message("user", requests, QUESTION));
                requests += 1;
                assert_eq!(input.len(), 2 * requests - 1);
            }
        });
    }
    assert_eq!(requests, 1000);
}

#[test]
fn small_calls_between_those_with_the_history_cost_their_own_bytes() {
    let alone = packed(200, |_, _| {}).stored;
    let unknown = packed(200, |turn, _| turn.inference(MODEL).fail("503")).stored;
    // Each a stand-in of two bytes, with what stands before it.
    assert!(unknown < alone + 200 * 64, "{unknown} bytes, {alone} without");
    let title = |call| json!({ "instructions": "name the talk", "input": [message("user", call, 20)] });
    let titles = packed(200, |turn, call| turn.inference(MODEL).request(Json(&title(call)))).stored;
    let own: u64 = (0..200).map(|call| title(call).to_string().len() as u64).sum();
    assert!(titles < alone + own * 11 / 10 + 200 * 64, "{titles} bytes, {alone} without, {own} of their own");
}

#[test]
fn a_history_that_was_compacted_is_built_on_again() {
    let compacted = |turn: &Turn, call: usize| {
        if call < 100 {
            return;
        }
        // Another history, from here on: of a small part of what was there, and growing.
        let history: Vec<_> = (100..=call).map(|call| message("developer", call, QUESTION)).collect();
        turn.inference(MODEL).request(Json(&json!({ "input": history })));
    };
    let root = recorded(|turn| {
        let history: Vec<_> = (0..100).map(|call| message("user", call, QUESTION)).collect();
        turn.inference(MODEL).request(Json(&json!({ "input": history })));
        (100..200).for_each(|call| compacted(turn, call));
    });
    let stored = fs::metadata(bundles_of(root.path()).remove(0).join("payloads.pack")).unwrap().len();
    let size = |count: usize| (message("developer", 1, QUESTION).to_string().len() * count) as u64;
    // The first history, the second, and those few requests that did not build on one.
    assert!(stored < size(100) + size(100) + size(100), "{stored} bytes");
}

fn recorded(program: impl FnOnce(&Turn)) -> TempDir {
    let (root, recorder, guard) = recorder();
    under(&recorder, || program(&AgentThread::start(ThreadMeta::new().id("t")).turn(None)));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    root
}

fn bundles_of(root: &Path) -> Vec<std::path::PathBuf> {
    root.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn a_pack_is_for_its_owner_alone_and_is_made_when_the_first_body_comes() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let pack = bundles_of(root.path()).remove(0).join("payloads.pack");
        assert!(!pack.exists());
        let wire = b"data: {}\n\ndata: [DONE]\n\n";
        turn.inference(MODEL).request(Exact(wire));
        let after = fs::read(&pack).unwrap();
        assert!(after.windows(wire.len()).any(|bytes| bytes == wire));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&pack).unwrap().permissions()) & 0o777, 0o600);
    });
    drop(guard);
    let bundle = &bundles(root.path())[0];
    let started = bundle.one("inference_started");
    assert_eq!(bundle.bytes(&started["wire_payload"]), b"data: {}\n\ndata: [DONE]\n\n");
    assert_eq!(started["wire_payload"]["path"], "payloads.pack");
}

#[test]
fn the_environment_chooses_where_the_program_does_not() {
    match role().as_deref() {
        Some("env") => {
            let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
            under(&recorder, || AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&1)));
            return drop(guard);
        }
        Some("program") => {
            let (recorder, guard) = Recorder::builder().store(Store::Files).build().unwrap();
            under(&recorder, || AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&1)));
            return drop(guard);
        }
        Some("wrong") => {
            let error = Recorder::from_env().unwrap_err().to_string();
            assert_eq!(
                error,
                "can't record: OTEL_TRACE_STORE says how bodies are kept, and there is no payload store \"Pack\"; it is \
                 `files` or `pack`"
            );
            assert!(Recorder::builder().build().is_err());
            return;
        }
        Some(_) | None => {}
    }
    let test = "the_environment_chooses_where_the_program_does_not";
    let packs = |role: &str, store: &str| {
        let root = tempfile::tempdir().unwrap();
        let mut command = child(test, role);
        command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", store);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        bundles_of(root.path()).iter().map(|path| path.join("payloads.pack").exists()).collect::<Vec<_>>()
    };
    assert_eq!(packs("env", "pack"), [true]);
    assert_eq!(packs("env", "files"), [false]);
    assert_eq!(packs("env", ""), [false]);
    assert_eq!(packs("program", "pack"), [false]);
    assert_eq!(packs("program", "no such"), [false]);
    assert_eq!(packs("wrong", "Pack"), [false; 0]);
}

#[test]
fn a_full_disk_costs_a_pack_what_does_not_fit_and_nothing_after_it() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        under(&recorder, || {
            let thread = AgentThread::start(ThreadMeta::new().id("t"));
            let turn = thread.turn(None);
            turn.inference(MODEL).request(Json(&"small"));
            turn.inference(MODEL).request(Json(&"x".repeat(100_000)));
            turn.tool_call(ToolCallMeta::new("n").id("after")).output("fits");
        });
        assert_eq!(recorder.stats().lost_payloads.len(), 1);
        return drop(guard);
    }
    let root = tempfile::tempdir().unwrap();
    let this = child("a_full_disk_costs_a_pack_what_does_not_fit_and_nothing_after_it", "full");
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"]).arg(this.get_program()).args(this.get_args());
    for (name, value) in this.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let output = shell.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", "pack").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundle = &bundles(root.path())[0];
    assert_eq!(bundle.body(&bundle.one("inference_started")["request_payload"]), "small");
    assert!(bundle.body(&bundle.one("tool_call_ended")["result_payload"]).to_string().contains("fits"));
    assert_eq!(bundle.one("other")["metadata"]["by"], json!({ "inference_request": 1, "inference_started": 1 }));
}

/// Many runs at once, each with a log and a pack.
#[test]
#[cfg(target_os = "linux")]
fn many_open_packs_hold_few_files_open() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        under(&recorder, || {
            let threads: Vec<_> = (0..300)
                .map(|n| AgentThread::start(ThreadMeta::new().id(&format!("t{n}")).agent_path("/root")))
                .collect();
            for round in 0..2 {
                for (n, thread) in threads.iter().enumerate() {
                    thread.turn(None).inference(MODEL).request(Json(&message("user", n, 50 + round)));
                }
                assert!(open() <= before + 66, "{} files are open, {before} at first", open());
            }
        });
        assert_eq!(recorder.stats().lost(), 0);
        return drop(guard);
    }
    let root = tempfile::tempdir().unwrap();
    let mut command = child("many_open_packs_hold_few_files_open", "many");
    let output = command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", "pack").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 300);
    for bundle in bundles {
        assert_eq!(bundle.all("inference_started").len(), 2);
    }
}

/// Requests of several spans of one thread at once: none waits, none is lost, each is what it was.
#[test]
fn requests_of_one_thread_at_once_are_all_what_they_were() {
    let (root, recorder, guard) = recorder();
    under(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let turn = &turn;
                scope.spawn(move || {
                    let mut history = vec![json!(writer)];
                    for call in 0..30 {
                        history.push(message("user", call, 30));
                        turn.inference(MODEL).request(Json(&json!({ "input": history })));
                    }
                });
            }
        });
    });
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    let bundle = &bundles(root.path())[0];
    let mut seen = [0; 8];
    for started in bundle.all("inference_started") {
        let body = bundle.body(&started["request_payload"]);
        let input = body["input"].as_array().unwrap();
        let writer = usize::try_from(input[0].as_u64().unwrap()).unwrap();
        let expected = (0..input.len() - 1).map(|call| message("user", call, 30));
        assert!(input[1..].iter().cloned().eq(expected));
        seen[writer] += input.len() - 1;
    }
    assert_eq!(seen, [(1..=30).sum::<usize>(); 8]);
}
