//! What Phoenix, which nobody here wrote, makes of a run's spans: kinds, token counts and messages. `just phoenix`
//! installs it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]
#![expect(clippy::print_stdout, reason = "it prints what Phoenix understood")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything here may take before it is held to hang. It makes a database first.
const DEADLINE: Duration = Duration::from_secs(180);

/// A running Phoenix. Ends with this.
struct Phoenix {
    process: Child,
    url: String,
    _directory: TempDir,
}

impl Phoenix {
    fn start() -> Self {
        let binary = std::env::var_os("OTEL_TRACE_PHOENIX").expect("OTEL_TRACE_PHOENIX names the binary of Phoenix");
        let directory = tempfile::tempdir().unwrap();
        // Both at once, so that they differ.
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

    /// The spans that it has, once there are so many.
    async fn spans(&self, count: usize) -> Vec<Value> {
        let url = format!("{}/v1/projects/default/spans?limit=1000", self.url);
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < DEADLINE, "it does not come to {count} spans");
            let answer = get(&url).await;
            if let Some(spans) = answer.as_ref().and_then(|answer| answer["data"].as_array())
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
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn get(url: &str) -> Option<Value> {
    let answer = reqwest::get(url).await.ok()?.text().await.ok()?;
    serde_json::from_str(&answer).ok()
}

/// Runs the command and gives what it says on stdout.
fn otel_trace(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The attributes of each span, by its id, as the file for Jaeger has them.
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

/// How many messages Phoenix sees under this name.
fn messages(understood: &Value, name: &str) -> usize {
    let prefix = format!("llm.{name}.");
    let numbers = understood.as_object().unwrap().keys().filter_map(|key| key.strip_prefix(&prefix)?.split('.').next());
    numbers.collect::<BTreeSet<_>>().len()
}

/// That a call's tokens and messages are what was sent.
fn check_call(sent: &BTreeMap<String, Value>, understood: &Value) {
    for (ours, its) in [("input_tokens", "prompt"), ("output_tokens", "completion")] {
        let sent = sent.get(&format!("gen_ai.usage.{ours}")).map(|it| it.as_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(understood[format!("llm.token_count.{its}")].as_u64(), sent, "{its}");
    }
    let said = |key: &str| -> usize {
        let said = sent.get(key).map(|it| serde_json::from_str::<Value>(it.as_str().unwrap()).unwrap());
        said.map_or(0, |said| said.as_array().unwrap().len())
    };
    // It shows instructions as a message of the system.
    let instructions = usize::from(sent.contains_key("gen_ai.system_instructions"));
    assert_eq!(messages(understood, "input_messages"), instructions + said("gen_ai.input.messages"));
    assert_eq!(messages(understood, "output_messages"), said("gen_ai.output.messages"));
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
        let (name, understood) = (span["name"].as_str().unwrap(), &span["attributes"]);
        let sent = &sent[span["context"]["span_id"].as_str().unwrap()];
        let ours = sent["otel_trace.kind"].as_str().unwrap();
        let its = span["span_kind"].as_str().unwrap();
        *kinds.entry((ours, its)).or_default() += 1;
        match ours {
            "inference" => check_call(sent, understood),
            "tool" => assert_eq!(understood["tool.name"], sent["gen_ai.tool.name"], "{name}"),
            _ => {}
        }
        let asked = messages(understood, "input_messages");
        let answered = messages(understood, "output_messages");
        let tokens = &understood["llm.token_count.total"];
        println!("{its:8} {name:32} {asked:3} messages in, {answered} out, tokens: {tokens}");
    }
    for (ours, its) in [("inference", "LLM"), ("tool", "TOOL"), ("thread", "AGENT")] {
        let of_kind: Vec<_> = kinds.keys().filter(|(kind, _)| *kind == ours).collect();
        assert_eq!(of_kind, [&(ours, its)]);
    }
}
