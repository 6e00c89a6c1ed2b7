//! Live spans show no more than the bundle: the recorder's rules mask what the program puts into them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use crate::live::exported::{Harness, Order, attributes};
use crate::live::live_and_later::check;
use mock_collector::{MockServer, Protocol};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _};
use opentelemetry::{Array, KeyValue, Value as OtelValue};
use otel_trace::event::PayloadKind;
use otel_trace::otlp::ContentPolicy;
use otel_trace::otlp::Otlp;
use otel_trace::{
    AgentThread, CodeCellMeta, Json, Masking, Model, Operation, Recorder, RecorderBuilder, Redactor, ThreadMeta,
    ToolCallMeta, TurnId,
};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing::{error, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// A value that only its name makes a secret.
const PASSWORD: &str = "correct horse/battery";
/// A value of an ordinary name.
const HARMLESS: &str = "blue bicycle";
/// What only the redactor of the program removes.
const CUSTOMER: &str = "Jane Roe";

/// A credential that is recognized wherever it stands.
fn key() -> String {
    format!("sk-ant-{}", "a1b2c3d4".repeat(4))
}

/// Returns the text of a setting, whose value is a secret.
fn setting() -> String {
    format!("DB_PASSWORD{}{}", "=", "Tr0ub4dor")
}

struct Customers;

impl Redactor for Customers {
    fn redact(&self, _: PayloadKind, body: &mut Vec<u8>, _: bool) {
        *body = String::from_utf8_lossy(body).replace(CUSTOMER, "customer").into_bytes();
    }

    fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // A redactor may borrow another text.
        if text == CUSTOMER { Cow::Borrowed("customer") } else { text.replace(CUSTOMER, "customer").into() }
    }
}

/// Opens spans with secrets in each text that a program can put into a span.
fn program(otlp: &Otlp) {
    let url = format!("https://{}@example.org/", ["user", PASSWORD_IN_URL].join(":"));
    let agent = info_span!("agent", otel_trace.kind = "thread", db.password = PASSWORD, note = key());
    let _agent = agent.enter();
    info!(token = PASSWORD, customer = CUSTOMER, "the key is {}", key());
    info!(count = 3, "{}", setting());

    let plain = info_span!("plain", otel.name = format!("login {}", key()), otel.status_code = "ERROR");
    plain.set_status(opentelemetry::trace::Status::error(setting()));
    plain.set_attribute("url.full", url);
    plain.set_attribute("customer", CUSTOMER);
    plain.set_attribute("colour", HARMLESS);
    plain.set_attribute("api_key", 12_345_678_i64);
    plain.set_attribute("retries", 12_345_678_i64);
    let list = |texts: [String; 2]| OtelValue::Array(Array::String(texts.map(Into::into).to_vec()));
    plain.set_attribute("arguments", list([key(), HARMLESS.to_owned()]));
    plain.set_attribute("credentials", list([PASSWORD.to_owned(), HARMLESS.to_uppercase()]));
    let linked = SpanContext::new(TraceId::from(7), SpanId::from(7), TraceFlags::SAMPLED, true, TraceState::NONE);
    plain.add_link_with_attributes(linked, vec![KeyValue::new("session_token", PASSWORD)]);
    plain.in_scope(|| {
        let failure = std::io::Error::other(key());
        error!(error = &failure as &(dyn std::error::Error + 'static), "it failed");
    });
    // A span that `tracing` does not know of.
    let span = otlp.tracer().span_builder("direct").with_attributes([KeyValue::new("passwd", PASSWORD)]);
    let context = opentelemetry::Context::current_with_span(otlp.tracer().build(span));
    context.span().add_event(key(), vec![KeyValue::new("access_key", PASSWORD)]);
    context.span().end();
}

const PASSWORD_IN_URL: &str = "Xk29dkWq";

/// What a receiver got, and the log of the bundle.
struct Sent {
    spans: Vec<Value>,
    resources: String,
    log: String,
}

impl Sent {
    fn text(&self) -> String {
        format!("{:?} {}", self.spans, self.resources)
    }

    #[track_caller]
    fn span(&self, name: &str) -> &Value {
        let named = |span: &&Value| span["name"].as_str().is_some_and(|it| it.starts_with(name));
        self.spans.iter().find(named).unwrap_or_else(|| panic!("no span {name}"))
    }
}

/// Runs the program with a recorder whose spans are sent to a receiver.
async fn sent(configure: fn(RecorderBuilder) -> RecorderBuilder) -> Sent {
    let server = MockServer::builder().protocol(Protocol::HttpBinary).host(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let server = server.start().await.unwrap();
    let url = format!("http://{}", server.addr());
    let run = move || {
        let root = tempfile::tempdir().unwrap();
        let recorder = Recorder::builder().root(root.path()).no_parent();
        let (recorder, recording) = configure(recorder).build().unwrap();
        let attributes = [KeyValue::new("deployment.password", PASSWORD), KeyValue::new("host.name", HARMLESS)];
        let (otlp, exporting) = Otlp::builder().endpoint(url).resource_attributes(attributes).build().unwrap();
        let layer = recorder.layer().with_filter(recorder.filter());
        let bridge = otlp.bridge(&recorder).with_filter(LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry().with(bridge).with(layer);
        tracing::subscriber::with_default(subscriber, || program(&otlp));
        drop(recording);
        drop(exporting);
        let bundles = crate::live::exported::bundles(root.path());
        std::fs::read_to_string(bundles[0].join("trace.jsonl")).unwrap()
    };
    let log = tokio::task::spawn_blocking(run).await.unwrap();
    let (spans, resources) = server
        .with_collector(|collector| {
            let spans = collector.spans().iter().map(|span| serde_json::to_value(span.span()).unwrap()).collect();
            let resources = collector.spans().iter().map(|span| format!("{:?}", span.resource_attrs())).collect();
            (spans, resources)
        })
        .await;
    server.shutdown().await.unwrap();
    Sent { spans, resources, log }
}

/// Returns the value of an attribute.
fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let attributes = of["attributes"].as_array().unwrap();
    &attributes.iter().find(|it| it["key"] == key).unwrap_or_else(|| panic!("no attribute {key}"))["value"]
}

#[track_caller]
fn assert_masked(value: &Value) {
    assert!(value["stringValue"].as_str().is_some_and(|text| text.contains("[masked:")), "{value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_spans_are_masked_by_the_recorders_rules() {
    let sent = sent(|builder| builder.redact(Customers)).await;
    assert_eq!(sent.spans.len(), 3);
    let text = sent.text();
    for secret in [PASSWORD, PASSWORD_IN_URL, "Tr0ub4dor", &key(), CUSTOMER, &HARMLESS.to_uppercase()] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // What is on the disk is exported, with one placeholder for one secret.
    let agent = sent.span("invoke_agent");
    for key in ["db.password", "note"] {
        assert_masked(attribute(agent, key));
        let placeholder = attribute(agent, key)["stringValue"].as_str().unwrap();
        assert!(sent.log.contains(placeholder), "{placeholder} in {}", sent.log);
    }
    let events = agent["events"].as_array().unwrap();
    assert!(events[0]["name"].as_str().unwrap().starts_with("the key is [masked:anthropic:"), "{events:?}");
    assert_masked(attribute(&events[0], "token"));
    assert_eq!(attribute(&events[0], "customer")["stringValue"], "customer");
    assert!(events[1]["name"].as_str().unwrap().starts_with("DB_PASSWORD=[masked:"), "{events:?}");
    assert_eq!(attribute(&events[1], "count")["intValue"], "3");

    let plain = sent.span("login [masked:anthropic:");
    assert!(plain["status"]["message"].as_str().unwrap().starts_with("DB_PASSWORD=[masked:"), "{plain}");
    assert!(attribute(plain, "url.full")["stringValue"].as_str().unwrap().starts_with("https://user:[masked:"));
    assert_eq!(attribute(plain, "customer")["stringValue"], "customer");
    assert_eq!(attribute(plain, "colour")["stringValue"], HARMLESS);
    assert_masked(attribute(plain, "api_key"));
    assert_eq!(attribute(plain, "retries")["intValue"], "12345678");
    let list = |key: &str| attribute(plain, key)["arrayValue"]["values"].as_array().unwrap().clone();
    assert_masked(&list("arguments")[0]);
    assert_eq!(list("arguments")[1]["stringValue"], HARMLESS);
    list("credentials").iter().for_each(assert_masked);
    assert_masked(attribute(&plain["links"][0], "session_token"));
    assert_masked(attribute(&plain["events"][0], "exception.message"));

    let direct = sent.span("direct");
    assert_masked(attribute(direct, "passwd"));
    assert_masked(attribute(&direct["events"][0], "access_key"));
    assert!(sent.resources.contains("[masked:") && sent.resources.contains(HARMLESS), "{}", sent.resources);
}

#[tokio::test(flavor = "multi_thread")]
async fn recorder_without_masking_exports_texts_as_they_are() {
    let sent = sent(|builder| builder.mask(Masking::off())).await;
    let plain = sent.span("login ");
    assert_eq!(plain["name"], format!("login {}", key()));
    assert_eq!(attribute(plain, "api_key")["intValue"], "12345678");
    assert_eq!(attribute(plain, "customer")["stringValue"], CUSTOMER);
    assert!(sent.log.contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_patterns_of_the_recorder_are_masked_in_spans() {
    let own =
        |builder: RecorderBuilder| builder.mask(Masking::new().name("colour").pattern("Jane [A-Z][a-z]+").unwrap());
    let sent = sent(own).await;
    let plain = sent.span("login ");
    assert_masked(attribute(plain, "colour"));
    assert_masked(attribute(plain, "customer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_a_redactor_fails_on_have_no_text() {
    struct Panics;
    impl Redactor for Panics {
        fn redact(&self, _: PayloadKind, _: &mut Vec<u8>, _: bool) {
            panic!("on purpose");
        }
    }
    let sent = sent(|builder| builder.redact(Panics)).await;
    assert_eq!(sent.spans.len(), 3);
    let text = format!("{:?}", sent.spans);
    for written in [HARMLESS, PASSWORD, CUSTOMER, "login", &key()] {
        assert!(!text.contains(written), "{written} in {text}");
    }
    assert!(text.contains("otel_trace.lost: the redactor panicked"));
}

/// Returns an id that is a credential.
fn token(name: &str) -> String {
    format!("{}{name:0>36}", "ghp_")
}

/// Records a run whose ids are credentials.
fn ids_that_are_credentials() {
    let thread = AgentThread::start(ThreadMeta::new().id(&token("conversation")).agent_name("coder"));
    let turn = thread.turn(Some(TurnId::from(token("turn"))));
    let call = |id: &str, name: &str| json!({ "type": "function_call", "call_id": token(id), "name": name, "arguments": "{}" });
    let asks = |items: [Value; 3]| json!({ "response_id": token("response"), "output_items": items });
    let inference = turn.inference(Model { name: "m", provider: "p" });
    inference.upstream_request_id(&token("request"));
    inference.request(Json(&json!({ "conversation": token("provider"), "input": [] })));
    inference.response(Json(&asks([call("one", "exec_command"), call("two", "exec"), call("three", "spawn_agent")])));
    inference.complete();
    let tool = turn.tool_call(ToolCallMeta::new("exec_command").id(&token("one")));
    tool.mcp_call_id(&token("mcp"));
    tool.complete();
    let cell = turn.code_cell(CodeCellMeta::new("nothing()").id(&token("cell")).call_id(&token("two")));
    cell.tool_call(ToolCallMeta::new("find").id(&token("nested")).runtime_id(&token("runtime"))).complete();
    cell.complete();
    let spawn = turn.tool_call(ToolCallMeta::new("spawn_agent").id(&token("three")));
    let child = spawn.spawn_thread(ThreadMeta::new().id(&token("child")).agent_name("scout"));
    spawn.complete();
    let child_turn = child.turn(Some(TurnId::from(token("inner"))));
    child_turn.agent_result("seen", Json(&json!({ "message": "seen" })));
    child_turn.complete();
    child.complete();
    turn.complete();
    thread.complete();
}

#[test]
fn ids_that_are_credentials_are_masked_alike_live_and_later() {
    for order in [Order::BridgeFirst, Order::RecorderFirst] {
        check(ids_that_are_credentials, order, ContentPolicy::Capture);
    }
    let mut harness = Harness::new();
    harness.run(Order::BridgeFirst, ids_that_are_credentials);
    harness.finish();
    let spans = harness.spans();
    let text = format!("{spans:?}");
    assert!(!text.contains("ghp_"), "{text}");
    let linked = spans.iter().filter(|span| span.links.iter().next().is_some());
    let mut linked: Vec<_> = linked.map(|span| &*span.name).collect();
    linked.sort_unstable();
    // The tools are linked to the call that requested them. The spawned thread is inside the tool that spawned it.
    assert_eq!(linked, ["execute_tool exec_command", "execute_tool spawn_agent"], "{text}");
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let spawning = named("execute_tool spawn_agent").span_context.span_id();
    assert_eq!(named("invoke_agent scout").parent_span_id, spawning, "{text}");
    let agent = spans.iter().find(|span| span.name == "invoke_agent coder").unwrap();
    let attributes = attributes(agent);
    let thread = &attributes["otel_trace.thread.id"];
    assert!(thread.starts_with("masked-github-"), "{thread}");
    assert!(attributes["otel_trace.bundle"].ends_with(thread), "{attributes:?}");
    assert_eq!(&attributes["gen_ai.conversation.id"], thread);
    let graph = harness.graph();
    assert!(graph.tool_calls.iter().any(|tool| tool.requested_by.is_some()));
}
