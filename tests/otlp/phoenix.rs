//! Checks that Phoenix, an independent backend, understands kinds, token counts and messages of exported spans.
//!
//! `just phoenix` installs Phoenix.

#![expect(clippy::print_stdout, reason = "the test prints the spans as Phoenix shows them")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Maximum time of every wait. On its first start Phoenix creates a database.
const DEADLINE: Duration = Duration::from_secs(180);

/// A running Phoenix server, stopped on drop.
struct Phoenix {
    process: Child,
    url: String,
    _directory: TempDir,
}

impl Phoenix {
    fn start() -> Self {
        let binary = std::env::var_os("OTEL_TRACE_PHOENIX").expect("OTEL_TRACE_PHOENIX names the binary of Phoenix");
        let directory = tempfile::tempdir().unwrap();
        // Both ports are bound at once, so that they differ.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [http, grpc] = free.map(|listener| listener.local_addr().unwrap().port().to_string());
        let log = File::create(directory.path().join("log")).unwrap();
        let process = Command::new(binary)
            .arg("serve")
            .env("PHOENIX_HOST", "127.0.0.1")
            .env("PHOENIX_PORT", &http)
            .env("PHOENIX_GRPC_PORT", grpc)
            .env("PHOENIX_WORKING_DIR", directory.path())
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, url: format!("http://127.0.0.1:{http}"), _directory: directory }
    }

    /// Waits until Phoenix has at least `count` spans and returns all of them.
    async fn spans(&self, count: usize) -> Vec<Value> {
        let url = format!("{}/v1/projects/default/spans?limit=1000", self.url);
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < DEADLINE, "Phoenix does not have {count} spans in time");
            let response = get(&url).await;
            if let Some(spans) = response.as_ref().and_then(|response| response["data"].as_array())
                && spans.len() >= count
            {
                return spans.clone();
            }
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(200))).await.unwrap();
        }
    }
}

impl Drop for Phoenix {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn get(url: &str) -> Option<Value> {
    let response = reqwest::get(url).await.ok()?.text().await.ok()?;
    serde_json::from_str(&response).ok()
}

/// Runs `otel-trace` and returns its stdout.
fn otel_trace(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exports a bundle to OTLP JSON and returns the attributes of each span, by span id.
fn exported(bundle: &str) -> BTreeMap<String, BTreeMap<String, Value>> {
    let file: Value =
        serde_json::from_str(&otel_trace(&["export", bundle, "--content", "--format", "otlp-json", "-"])).unwrap();
    let spans = file["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let attributes = |span: &Value| {
        let all = span["attributes"].as_array().unwrap().iter();
        let value = |it: &Value| it["value"].as_object().unwrap().values().next().unwrap().clone();
        all.map(|it| (it["key"].as_str().unwrap().to_owned(), value(it))).collect()
    };
    spans.iter().map(|span| (span["spanId"].as_str().unwrap().to_owned(), attributes(span))).collect()
}

/// Counts the messages under this name in the attributes of a Phoenix span.
fn messages(attributes_shown: &Value, name: &str) -> usize {
    let prefix = format!("llm.{name}.");
    let numbers =
        attributes_shown.as_object().unwrap().keys().filter_map(|key| key.strip_prefix(&prefix)?.split('.').next());
    numbers.collect::<BTreeSet<_>>().len()
}

/// Checks that Phoenix has the tokens and messages of the exported call.
fn check_call(sent: &BTreeMap<String, Value>, attributes_shown: &Value) {
    for (attribute, counter) in [("input_tokens", "prompt"), ("output_tokens", "completion")] {
        let sent =
            sent.get(&format!("gen_ai.usage.{attribute}")).map(|it| it.as_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(attributes_shown[format!("llm.token_count.{counter}")].as_u64(), sent, "{counter}");
    }
    let count = |key: &str| -> usize {
        let list = sent.get(key).map(|it| serde_json::from_str::<Value>(it.as_str().unwrap()).unwrap());
        list.map_or(0, |list| list.as_array().unwrap().len())
    };
    // Phoenix shows instructions as a system message.
    let instructions = usize::from(sent.contains_key("gen_ai.system_instructions"));
    assert_eq!(messages(attributes_shown, "input_messages"), instructions + count("gen_ai.input.messages"));
    assert_eq!(messages(attributes_shown, "output_messages"), count("gen_ai.output.messages"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Phoenix: `just phoenix`"]
async fn kinds_tokens_and_messages_are_understood() {
    let runs = std::env::var("OTEL_TRACE_PHOENIX_RUNS").expect("OTEL_TRACE_PHOENIX_RUNS is a directory of bundles");
    let bundle = Path::new(&runs).read_dir().unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let bundle = bundle.expect("a bundle").to_str().unwrap().to_owned();
    let sent = exported(&bundle);
    let phoenix = Phoenix::start();
    phoenix.spans(0).await;
    otel_trace(&["export", &bundle, "--content", "--endpoint", &phoenix.url]);
    let spans = phoenix.spans(sent.len()).await;
    assert_eq!(spans.len(), sent.len());
    let mut kinds = BTreeMap::<_, usize>::new();
    for span in &spans {
        let (name, attributes_shown) = (span["name"].as_str().unwrap(), &span["attributes"]);
        let sent = &sent[span["context"]["span_id"].as_str().unwrap()];
        let own_kind = sent["otel_trace.kind"].as_str().unwrap();
        let phoenix_kind = span["span_kind"].as_str().unwrap();
        *kinds.entry((own_kind, phoenix_kind)).or_default() += 1;
        match own_kind {
            "inference" => check_call(sent, attributes_shown),
            "tool" => assert_eq!(attributes_shown["tool.name"], sent["gen_ai.tool.name"], "{name}"),
            _ => {}
        }
        let inputs = messages(attributes_shown, "input_messages");
        let outputs = messages(attributes_shown, "output_messages");
        let tokens = &attributes_shown["llm.token_count.total"];
        println!("{phoenix_kind:8} {name:32} {inputs:3} messages in, {outputs} out, tokens: {tokens}");
    }
    for (own_kind, phoenix_kind) in [("inference", "LLM"), ("tool", "TOOL"), ("thread", "AGENT")] {
        let of_kind: Vec<_> = kinds.keys().filter(|(kind, _)| *kind == own_kind).collect();
        assert_eq!(of_kind, [&(own_kind, phoenix_kind)]);
    }
}
