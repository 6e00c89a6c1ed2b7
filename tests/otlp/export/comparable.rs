//! Spans in one comparable JSON form, whether they come from the library, a receiver or a file.

use std::collections::BTreeMap;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Map, Value, json};

/// Converts spans to JSON in which span ids are replaced by `<kind> <object id>`.
pub(crate) fn named_by_object(spans: &[SpanData]) -> Vec<Value> {
    let all: Vec<_> = spans.iter().map(from_span_data).collect();
    replace_span_ids(&all)
}

/// Returns all spans of an OTLP JSON file.
pub(crate) fn spans_in_file(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    let resources = file["resourceSpans"].as_array().unwrap().iter();
    let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
    scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).cloned().collect()
}

/// Converts a span of the SDK to the comparable form and keeps its ids.
pub(crate) fn from_span_data(span: &SpanData) -> Value {
    let parent =
        (span.parent_span_id != opentelemetry::trace::SpanId::INVALID).then(|| span.parent_span_id.to_string());
    let links = span.links.iter().map(|link| {
        let named = attributes(link.attributes.iter().map(|it| (it.key.to_string(), value(&it.value))));
        json!({ "trace": link.span_context.trace_id().to_string(),
                "to": link.span_context.span_id().to_string(), "attributes": named })
    });
    let (code, message) = match &span.status {
        Status::Unset => (0, String::new()),
        Status::Ok => (1, String::new()),
        Status::Error { description } => (2, description.to_string()),
    };
    let kind = match span.span_kind {
        SpanKind::Internal => 1,
        SpanKind::Client => 3,
        SpanKind::Server | SpanKind::Producer | SpanKind::Consumer => 0,
    };
    let nanos = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    json!({
        "trace": span.span_context.trace_id().to_string(),
        "span": span.span_context.span_id().to_string(),
        "parent": parent,
        "name": span.name,
        "kind": kind,
        "status": [code, message],
        "from": nanos(span.start_time).to_string(),
        "to": nanos(span.end_time).to_string(),
        "attributes": attributes(span.attributes.iter().map(|it| (it.key.to_string(), value(&it.value)))),
        "links": links.collect::<Vec<_>>(),
    })
}

/// Converts a span of an OTLP JSON file to the comparable form and keeps its ids.
pub(crate) fn from_otlp_json(span: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed = |owner: &Value| {
        let all = owner["attributes"].as_array().unwrap().iter();
        attributes(all.map(|it| (text(&it["key"]), otlp_value(&it["value"]))))
    };
    let links = span["links"].as_array().unwrap().iter();
    let links = links.map(|it| json!({ "trace": it["traceId"], "to": it["spanId"], "attributes": listed(it) }));
    json!({
        "trace": span["traceId"],
        "span": span["spanId"],
        "parent": Some(text(&span["parentSpanId"])).filter(|parent| !parent.is_empty()),
        "name": span["name"],
        "kind": span["kind"],
        "status": [span["status"]["code"], span["status"]["message"]],
        "from": span["startTimeUnixNano"],
        "to": span["endTimeUnixNano"],
        "attributes": listed(span),
        "links": links.collect::<Vec<_>>(),
    })
}

/// Collects attributes and checks that every key occurs once.
fn attributes(all: impl Iterator<Item = (String, Value)>) -> Value {
    let mut attributes = Map::new();
    for (key, value) in all {
        assert_eq!(attributes.insert(key.clone(), value), None, "{key} occurs twice");
    }
    attributes.into()
}

fn value(value: &opentelemetry::Value) -> Value {
    match value {
        opentelemetry::Value::Bool(it) => json!(it),
        opentelemetry::Value::I64(it) => json!(it),
        opentelemetry::Value::F64(it) => json!(it),
        opentelemetry::Value::String(it) => json!(it.as_str()),
        opentelemetry::Value::Array(opentelemetry::Array::String(all)) => {
            all.iter().map(|it| json!(it.as_str())).collect()
        }
        other @ (opentelemetry::Value::Array(_) | _) => panic!("unexpected attribute value {other:?}"),
    }
}

fn otlp_value(value: &Value) -> Value {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "intValue" => value.as_str().unwrap().parse::<i64>().unwrap().into(),
        "arrayValue" => value["values"].as_array().unwrap().iter().map(otlp_value).collect(),
        "boolValue" | "doubleValue" | "stringValue" => value.clone(),
        other => panic!("unexpected attribute value {other}"),
    }
}

/// Replaces span ids by `<kind> <object id>`.
fn replace_span_ids(spans: &[Value]) -> Vec<Value> {
    let name = |span: &Value| {
        let text = |key: &str| span["attributes"][key].as_str().unwrap();
        format!("{} {}", text("otel_trace.kind"), text("otel_trace.object_id"))
    };
    let names: BTreeMap<&str, String> = spans.iter().map(|span| (span["span"].as_str().unwrap(), name(span))).collect();
    assert_eq!(names.len(), spans.len(), "every span has an id of its own");
    let named = |id: &Value| id.as_str().map(|id| names.get(id).cloned().unwrap_or_else(|| id.to_owned()));
    let replace = |span: &Value| {
        let mut span = span.clone();
        span["span"] = json!(named(&span["span"]));
        span["parent"] = json!(named(&span["parent"]));
        for link in span["links"].as_array_mut().unwrap() {
            link["to"] = json!(named(&link["to"]));
        }
        span
    };
    spans.iter().map(replace).collect()
}
