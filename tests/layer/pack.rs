//! Tests of recording into a pack: its size, its selection by program or environment, and faults.

use std::fs;
use std::path::Path;
use std::process::Command;

use otel_trace::bundle::Reader;
use otel_trace::{
    AgentThread, Exact, Json, Model, Operation, Recorder, RecorderGuard, Store, ThreadMeta, ToolCallMeta, Turn,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{bundles, child, role, run_recorded};

const MODEL: Model<'_> = Model { name: "m", provider: "p" };

/// Number of words in the message of a user.
const QUESTION: usize = 40;

/// Number of words in the message of an assistant.
const ANSWER: usize = 20;

/// Creates a recorder with a pack.
fn recorder() -> (TempDir, Recorder, RecorderGuard) {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().store(Store::Pack).build().unwrap();
    (root, recorder, guard)
}

/// Returns a message of generated words, which differ between calls.
fn message(role: &str, call: usize, words: usize) -> Value {
    let word = |n| format!("word-{}", (call * 7919 + n * 104_729) % 100_003);
    json!({ "role": role, "content": (0..words).map(word).collect::<Vec<_>>().join(" ") })
}

/// The size of a pack with calls that repeat the full history.
struct Packed {
    root: TempDir,
    /// Length of the pack, in bytes.
    stored: u64,
    /// Number of bytes that are new in their payload. A response counts twice: in its own payload, and in the first
    /// request that repeats it.
    new: u64,
    /// Number of new bytes if each response counts once.
    unique: u64,
}

/// Records a thread whose calls repeat the full history. `after_each_call` runs after each call.
fn packed(calls: usize, after_each_call: impl Fn(&Turn, usize)) -> Packed {
    let instructions = "be brief ".repeat(100);
    let size = |value: &Value| value.to_string().len() as u64;
    let mut new = size(&json!({ "model": "m", "instructions": instructions, "input": [], "stream": true }));
    let mut repeated = 0;
    let root = record(|turn| {
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
            after_each_call(turn, call);
        }
    });
    let stored = fs::metadata(bundle_paths(root.path()).remove(0).join("payloads.pack")).unwrap().len();
    Packed { root, stored, new, unique: new - repeated }
}

#[test]
fn repeated_history_is_stored_once() {
    let Packed { root, stored, new, unique } = packed(1000, |_, _| {});
    let path = bundle_paths(root.path()).remove(0);
    assert!(stored <= new * 11 / 10, "{stored} bytes are stored for {new} bytes that are new in their payload");
    // A response is not part of a history and is therefore stored twice. One third of all messages are responses here.
    assert!(stored <= unique * 3 / 2, "{stored} bytes are stored for {unique} unique bytes");
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
fn small_calls_in_between_cost_only_their_own_bytes() {
    let without = packed(200, |_, _| {}).stored;
    let unknown = packed(200, |turn, _| turn.inference(MODEL).fail("503")).stored;
    // The request of each call is a placeholder of two bytes with a record header.
    assert!(unknown < without + 200 * 64, "{unknown} bytes, {without} without the small calls");
    let title = |call| json!({ "instructions": "name the talk", "input": [message("user", call, 20)] });
    let titles = packed(200, |turn, call| turn.inference(MODEL).request(Json(&title(call)))).stored;
    let own: u64 = (0..200).map(|call| title(call).to_string().len() as u64).sum();
    assert!(
        titles < without + own * 11 / 10 + 200 * 64,
        "{titles} bytes, {without} without the small calls, {own} bytes of their own"
    );
}

#[test]
fn compacted_history_is_stored_as_differences_again() {
    let call_with_compacted_history = |turn: &Turn, call: usize| {
        if call < 100 {
            return;
        }
        // From here on, the requests contain another history that grows with each call.
        let history: Vec<_> = (100..=call).map(|call| message("developer", call, QUESTION)).collect();
        turn.inference(MODEL).request(Json(&json!({ "input": history })));
    };
    let root = record(|turn| {
        let history: Vec<_> = (0..100).map(|call| message("user", call, QUESTION)).collect();
        turn.inference(MODEL).request(Json(&json!({ "input": history })));
        (100..200).for_each(|call| call_with_compacted_history(turn, call));
    });
    let stored = fs::metadata(bundle_paths(root.path()).remove(0).join("payloads.pack")).unwrap().len();
    let size = |count: usize| (message("developer", 1, QUESTION).to_string().len() * count) as u64;
    // The first history, the second history, and the few requests that were stored whole.
    assert!(stored < size(100) + size(100) + size(100), "{stored} bytes");
}

/// Records `program` with a turn. Panics if anything is lost.
fn record(program: impl FnOnce(&Turn)) -> TempDir {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || program(&AgentThread::start(ThreadMeta::new().id("t")).turn(None)));
    drop(guard);
    assert_eq!(recorder.stats().lost(), 0);
    root
}

/// Returns the paths of the bundles in a root directory.
fn bundle_paths(root: &Path) -> Vec<std::path::PathBuf> {
    root.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn pack_is_private_and_created_with_its_first_payload() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
        let thread = AgentThread::start(ThreadMeta::new().id("t"));
        let turn = thread.turn(None);
        let pack = bundle_paths(root.path()).remove(0).join("payloads.pack");
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
    let started = bundle.event("inference_started");
    assert_eq!(bundle.payload_bytes(&started["wire_payload"]), b"data: {}\n\ndata: [DONE]\n\n");
    assert_eq!(started["wire_payload"]["path"], "payloads.pack");
}

#[test]
fn environment_selects_the_store_unless_the_program_does() {
    match role().as_deref() {
        Some("env") => {
            let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
            run_recorded(&recorder, || {
                AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&1))
            });
            return drop(guard);
        }
        Some("program") => {
            let (recorder, guard) = Recorder::builder().store(Store::Files).build().unwrap();
            run_recorded(&recorder, || {
                AgentThread::start(ThreadMeta::new()).turn(None).inference(MODEL).request(Json(&1))
            });
            return drop(guard);
        }
        Some("wrong") => {
            let error = Recorder::from_env().unwrap_err().to_string();
            assert_eq!(
                error,
                "cannot record: invalid value of OTEL_TRACE_STORE: \"Pack\" is not a payload store; expected `files` \
                 or `pack`"
            );
            assert!(Recorder::builder().build().is_err());
            return;
        }
        Some(_) | None => {}
    }
    let test = "pack::environment_selects_the_store_unless_the_program_does";
    let packs = |role: &str, store: &str| {
        let root = tempfile::tempdir().unwrap();
        let mut command = child(test, role);
        command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", store);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        bundle_paths(root.path()).iter().map(|path| path.join("payloads.pack").exists()).collect::<Vec<_>>()
    };
    assert_eq!(packs("env", "pack"), [true]);
    assert_eq!(packs("env", "files"), [false]);
    assert_eq!(packs("env", ""), [false]);
    assert_eq!(packs("program", "pack"), [false]);
    assert_eq!(packs("program", "no such"), [false]);
    assert_eq!(packs("wrong", "Pack"), [false; 0]);
}

#[test]
fn full_disk_loses_only_payloads_that_do_not_fit() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        run_recorded(&recorder, || {
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
    let this = child("pack::full_disk_loses_only_payloads_that_do_not_fit", "full");
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "bash"]).arg(this.get_program()).args(this.get_args());
    for (name, value) in this.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    let output = shell.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", "pack").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundle = &bundles(root.path())[0];
    assert_eq!(bundle.payload_json(&bundle.event("inference_started")["request_payload"]), "small");
    assert!(bundle.payload_json(&bundle.event("tool_call_ended")["result_payload"]).to_string().contains("fits"));
    assert_eq!(bundle.event("other")["metadata"]["by"], json!({ "inference_request": 1, "inference_started": 1 }));
}

#[test]
#[cfg(target_os = "linux")]
fn many_open_packs_keep_few_files_open() {
    if role().is_some() {
        let (recorder, guard) = Recorder::from_env().unwrap().unwrap();
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        run_recorded(&recorder, || {
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
    let mut command = child("pack::many_open_packs_keep_few_files_open", "many");
    let output = command.env("OTEL_TRACE_ROOT", root.path()).env("OTEL_TRACE_STORE", "pack").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bundles = bundles(root.path());
    assert_eq!(bundles.len(), 300);
    for bundle in bundles {
        assert_eq!(bundle.events("inference_started").len(), 2);
    }
}

#[test]
fn concurrent_requests_of_one_thread_are_stored_intact() {
    let (root, recorder, guard) = recorder();
    run_recorded(&recorder, || {
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
    let mut messages = [0; 8];
    for started in bundle.events("inference_started") {
        let body = bundle.payload_json(&started["request_payload"]);
        let input = body["input"].as_array().unwrap();
        let writer = usize::try_from(input[0].as_u64().unwrap()).unwrap();
        let expected = (0..input.len() - 1).map(|call| message("user", call, 30));
        assert!(input[1..].iter().cloned().eq(expected));
        messages[writer] += input.len() - 1;
    }
    assert_eq!(messages, [(1..=30).sum::<usize>(); 8]);
}
