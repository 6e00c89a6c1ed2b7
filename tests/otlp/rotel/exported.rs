//! The exported spans of a bundle, in the form in which rotel prints them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::rotel::printed::Span;

/// Runs `otel-trace` and returns its stdout.
#[track_caller]
pub(crate) fn otel_trace(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Exports a bundle to OTLP JSON.
pub(crate) fn as_json(bundle: &Path) -> Value {
    let file = otel_trace(&["export", bundle.to_str().unwrap(), "--format", "otlp-json", "-"]);
    serde_json::from_str(&file).unwrap()
}

/// Returns all spans of an OTLP JSON file, by span id.
pub(crate) fn spans(file: &Value) -> BTreeMap<String, Span> {
    let list = |value: &Value, name: &str| value[name].as_array().unwrap().clone();
    let scopes = list(file, "resourceSpans").into_iter().flat_map(|resource| list(&resource, "scopeSpans"));
    let spans = scopes.flat_map(|scope| list(&scope, "spans"));
    spans.map(|span| (text(&span["spanId"]), as_printed(&span))).collect()
}

fn as_printed(span: &Value) -> Span {
    let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let codes = ["UNSET", "OK", "ERROR"];
    let name = |names: &[&'static str], value: &Value| names[usize::try_from(value.as_u64().unwrap()).unwrap()];
    let mut printed: Span = [
        ("Trace ID", text(&span["traceId"])),
        ("Parent ID", text(&span["parentSpanId"])),
        ("ID", text(&span["spanId"])),
        ("Name", text(&span["name"])),
        ("Kind", format!("SPAN_KIND_{}", name(&kinds, &span["kind"]))),
        ("Start time", text(&span["startTimeUnixNano"])),
        ("End time", text(&span["endTimeUnixNano"])),
        ("Status code", format!("STATUS_CODE_{}", name(&codes, &span["status"]["code"]))),
        ("Status message", text(&span["status"]["message"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    printed.extend(attributes(span));
    for (number, link) in span["links"].as_array().unwrap().iter().enumerate() {
        let ids = [("Trace ID", text(&link["traceId"])), ("ID", text(&link["spanId"]))];
        let rest = [("TraceState", String::new()), ("DroppedAttributesCount", "0".to_owned())];
        let fields = ids.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value)).chain(attributes(link));
        printed.extend(fields.map(|(name, value)| (format!("link {number} {name}"), value)));
    }
    printed
}

fn attributes(owner: &Value) -> impl Iterator<Item = (String, String)> {
    owner["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| (text(&attribute["key"]), value(&attribute["value"])))
}

fn value(any_value: &Value) -> String {
    let (kind, inner) = any_value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "stringValue" => format!("Str({})", text(inner)),
        "intValue" => format!("Int({})", text(inner)),
        "boolValue" => format!("Bool({inner})"),
        "doubleValue" => format!("Double({inner})"),
        "arrayValue" => {
            let values: Vec<_> = inner["values"].as_array().unwrap().iter().map(value).collect();
            format!("Slice({})", values.join(", "))
        }
        other => panic!("unexpected attribute value {other}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
