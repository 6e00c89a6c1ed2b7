//! The cost of a recorded body.

use std::cell::RefCell;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use otel_trace::bundle::{Manifest, Writer, WriterOptions};
use otel_trace::event::{ThreadId, TraceId, UnixMillis};
use otel_trace::{AgentThread, Exact, Json, Masking, Model, Operation, PayloadKind, Recorder, Store, ThreadMeta};
use serde_json::json;
use tracing::dispatcher::with_default;

use crate::measure::{Plan, Subject};
use crate::peers::{BareWrites, RecordedWrites};
use crate::table::{Comparison, Table};
use crate::{Failure, recording};

/// Operations per batch if each has a body of 4 KB, which may be a separate file.
const BATCH: usize = 10;
/// Operations per batch if each has a body of 1 MB.
const BATCH_OF_HISTORIES: usize = 4;

/// Compares recorded bodies of 4 KB and of 1 MB with their peers.
pub(crate) fn compare_bodies(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let body = format!(r#"{{"n":"00000000","input":"{}","n":"00000000"}}"#, "a body of 4 KB, ".repeat(253));
    compare_inference(plan, &root.join("inference"), Store::Pack, body.as_bytes(), table)?;
    compare_inference(plan, &root.join("inference"), Store::Files, body.as_bytes(), table)?;
    compare_history(plan, &root.join("history"), table)?;
    compare_json(plan, &root.join("json"), table)
}

fn compare_inference(plan: Plan, root: &Path, store: Store, body: &[u8], table: &mut Table) -> Result<(), Failure> {
    let root = root.join(format!("{store:?}"));
    let (recorder, _guard) = Recorder::builder().root(&root).store(store).build()?;
    let dispatch = recording(&recorder);
    let thread = with_default(&dispatch, || AgentThread::start(ThreadMeta::new()));
    let turn = with_default(&dispatch, || thread.turn(None));
    let bundle = thread.bundle().ok_or("nothing is recorded")?;
    let last = AtomicU64::new(0);
    let call = || {
        // Each body differs from the previous body at its beginning and at its end.
        let number = last.fetch_add(1, Ordering::Relaxed);
        let mut body = body.to_vec();
        let digits = format!("{number:08}");
        let last = body.len() - 2;
        for end in [14, last] {
            body[end - 8..end].copy_from_slice(digits.as_bytes());
        }
        let inference = turn.inference(Model { name: "m", provider: "openai" });
        inference.request(Exact(&body));
        inference.cancel("by the user");
    };
    // The first body creates the pack.
    with_default(&dispatch, call);
    let written = RecordedWrites::capture(&bundle, || with_default(&dispatch, call))?;
    let bare_name = format!("bare: {written}");
    let bare = BareWrites::new(written, &root)?;
    let (name, target) = match store {
        Store::Pack => ("inference call with a request of 4 KB, pack", 1.8),
        Store::Files | _ => ("inference call with a request of 4 KB, files", 1.5),
    };
    let ours = Subject::new(name, |ids| with_default(&dispatch, || ids.iter().for_each(|_| call())));
    let bare = Subject::new(&bare_name, |ids| ids.iter().for_each(|_| bare.write()));
    table.measure(plan, Comparison::new(ours, BATCH).with(bare, Some(target)).on(&[1, 2]));
    Ok(())
}

fn writer(root: &Path, store: Store, masking: Masking) -> Result<Writer, Failure> {
    let manifest = Manifest::new(TraceId::from("bench"), "run".into(), "thread".into(), UnixMillis::now());
    let mut options = WriterOptions::default();
    (options.store, options.masking) = (store, masking.into());
    Ok(Writer::create(root, manifest, options)?)
}

/// Compares recording a request that repeats and extends a history of 1 MB with a copy of the request.
fn compare_history(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let writer = writer(root, Store::Pack, Masking::off())?;
    let threads = AtomicU64::new(0);
    let history = |thread: &ThreadId, count: usize| {
        let message =
            |number: usize| format!(r#"{{"role":"user","content":"message {number} of {thread}, and what it says"}},"#);
        let mut body = r#"{"model":"m","messages":["#.to_owned();
        (0..)
            .map(message)
            .take_while(|message| {
                body.push_str(message);
                body.len() < 1 << 20
            })
            .for_each(drop);
        (0..count).for_each(|number| body.push_str(&message(number)));
        body.push_str(r#"{"role":"user","content":"the last"}]}"#);
        body
    };
    let bodies = |count: usize| {
        let thread = ThreadId::from(format!("thread {}", threads.fetch_add(1, Ordering::Relaxed)));
        let bodies: Vec<_> = (0..=count).map(|more| history(&thread, more)).collect();
        (thread, bodies)
    };
    let put = |thread: &ThreadId, body: &String| {
        drop(writer.put(thread, PayloadKind::InferenceRequest, &Exact(body.as_bytes())));
    };
    // Each thread has a separate session.
    thread_local! {
        static SESSION: RefCell<Option<(ThreadId, Vec<String>)>> = const { RefCell::new(None) };
    }
    let with_session = |work: &dyn Fn(&ThreadId, &[String])| {
        SESSION.with_borrow_mut(|session| {
            let (thread, bodies) = session.get_or_insert_with(|| {
                let (thread, bodies) = bodies(BATCH_OF_HISTORIES);
                put(&thread, &bodies[0]);
                (thread, bodies)
            });
            work(thread, bodies);
        });
    };
    let ours = Subject::new("1 MB `Exact` body that repeats its predecessor, pack, masking off", |ids| {
        with_session(&|thread, bodies| ids.iter().zip(bodies.iter().cycle()).for_each(|(_, body)| put(thread, body)));
    });
    let copy = Subject::new("`memcpy` of it", |ids| {
        with_session(&|_, bodies| {
            let mut copy = vec![0; bodies[BATCH_OF_HISTORIES].len()];
            for (_, body) in ids.iter().zip(bodies.iter().cycle()) {
                copy[..body.len()].copy_from_slice(body.as_bytes());
                black_box(&mut copy);
            }
        });
    });
    table.measure(plan, Comparison::new(ours, BATCH_OF_HISTORIES).with(copy, Some(3.0)).on(&[1, 2]));
    Ok(())
}

/// Compares serializing a body of 1 MB and writing it to a file with serializing it alone.
fn compare_json(plan: Plan, root: &Path, table: &mut Table) -> Result<(), Failure> {
    let writer = writer(root, Store::Files, Masking::new())?;
    let message = |number: usize| json!({ "role": "user", "content": format!("message {number}, and \"what\" it says"), "tokens": number });
    let body = json!({ "model": "m", "messages": (0..12_500).map(message).collect::<Vec<_>>() });
    let thread = ThreadId::from("thread");
    let ours = Subject::new("1 MB `Json` body, files", |ids| {
        ids.iter().for_each(|_| drop(writer.put(&thread, PayloadKind::ToolResult, &Json(&body))));
    });
    let alone = Subject::new("`serde_json::to_writer` of it", |ids| {
        let mut buffer = Vec::with_capacity(2 << 20);
        for _ in ids {
            buffer.clear();
            serde_json::to_writer(&mut buffer, &body).expect("a `Value` serializes");
            black_box(&mut buffer);
        }
    });
    let last = AtomicU64::new(0);
    let bare = Subject::new("`serde_json::to_vec` and a bare file", |_| {
        let bytes = serde_json::to_vec(&body).expect("a `Value` serializes");
        let file = root.join(format!("{}.json", last.fetch_add(1, Ordering::Relaxed)));
        fs::write(file, bytes).expect("the file system accepts the file");
    });
    table.measure(plan, Comparison::new(ours, 1).with(alone, Some(1.3)).with(bare, None).on(&[1, 2]));
    Ok(())
}
