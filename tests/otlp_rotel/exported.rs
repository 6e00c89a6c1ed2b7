//! The spans of a bundle, as rotel would print them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::printed::Span;

/// Runs the command and gives what it says on stdout.
#[track_caller]
pub(crate) fn otel_trace(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-trace")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The file that would be uploaded to Jaeger.
pub(crate) fn as_json(bundle: &Path) -> Value {
    let file = otel_trace(&["export", bundle.to_str().unwrap(), "--format", "otlp-json", "-"]);
    serde_json::from_str(&file).unwrap()
}

/// All spans of a file in OTLP's JSON, by span id.
pub(crate) fn spans(file: &Value) -> BTreeMap<String, Span> {
    let list = |value: &Value, name: &str| value[name].as_array().unwrap().clone();
    let scopes = list(file, "resourceSpans").into_iter().flat_map(|resource| list(&resource, "scopeSpans"));
    let spans = scopes.flat_map(|scope| list(&scope, "spans"));
    spans.map(|span| (text(&span["spanId"]), as_printed(&span))).collect()
}

fn as_printed(span: &Value) -> Span {
    let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let codes = ["UNSET", "OK", "ERROR"];
    let of = |names: &[&'static str], value: &Value| names[usize::try_from(value.as_u64().unwrap()).unwrap()];
    let mut printed: Span = [
        ("Trace ID", text(&span["traceId"])),
        ("Parent ID", text(&span["parentSpanId"])),
        ("ID", text(&span["spanId"])),
        ("Name", text(&span["name"])),
        ("Kind", format!("SPAN_KIND_{}", of(&kinds, &span["kind"]))),
        ("Start time", text(&span["startTimeUnixNano"])),
        ("End time", text(&span["endTimeUnixNano"])),
        ("Status code", format!("STATUS_CODE_{}", of(&codes, &span["status"]["code"]))),
        ("Status message", text(&span["status"]["message"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    printed.extend(attributes(span));
    for (number, link) in span["links"].as_array().unwrap().iter().enumerate() {
        let ids = [("Trace ID", text(&link["traceId"])), ("ID", text(&link["spanId"]))];
        let rest = [("TraceState", String::new()), ("DroppedAttributesCount", "0".to_owned())];
        let said = ids.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value)).chain(attributes(link));
        printed.extend(said.map(|(name, value)| (format!("link {number} {name}"), value)));
    }
    printed
}

fn attributes(of: &Value) -> impl Iterator<Item = (String, String)> {
    of["attributes"].as_array().unwrap().iter().map(|attribute| (text(&attribute["key"]), value(&attribute["value"])))
}

fn value(of: &Value) -> String {
    let (kind, value_of) = of.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "stringValue" => format!("Str({})", text(value_of)),
        "intValue" => format!("Int({})", text(value_of)),
        "boolValue" => format!("Bool({value_of})"),
        "doubleValue" => format!("Double({value_of})"),
        "arrayValue" => {
            let values: Vec<_> = value_of["values"].as_array().unwrap().iter().map(value).collect();
            format!("Slice({})", values.join(", "))
        }
        other => panic!("{other} is no value of ours"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
