//! Documented bodies of the model APIs, one exchange a file of `data/bodies/<api>`, each read without a notice.
//!
//! A file has these members:
//! - `about`: what the exchange shows.
//! - `request`, `response`: the bodies. A failed exchange has `failed_response` in place of `response`.
//! - `next`: a request that repeats the exchange as history. Absent if it shows nothing more.
//! - `items`: the items of the graph, rendered, each once: those of the request, the response and the next request.
//! - `error`: the error that the response reports. Absent if it reports none.
//! - `usage`: input, cached input, cache write, output and reasoning tokens. Absent if the response has no usage.
//! - `notices`: codes of the notices that the exchange deserves. Absent if there are none.

use std::fs;
use std::path::{Path, PathBuf};

use otel_trace::event::Usage;
use otel_trace::graph::{Code, Graph};
use otel_trace::reduce::Options;
use serde_json::{Value, json};

use crate::case::{Case, call};
use crate::shapes::render_item;

/// Members whose objects are compared with the members that are known. What stands inside of any other member is kept
/// whole, is a setting, or is the program's own.
const COMPARED_MEMBERS: &[&str] = &[
    "billed_units",
    "cacheDetails",
    "cache_creation",
    "candidates",
    "choices",
    "citationsContent",
    "completion_tokens_details",
    "content",
    "contents",
    "custom",
    "document",
    "function",
    "functionCall",
    "functionResponse",
    "function_call",
    "generationConfig",
    "generation_config",
    "guardContent",
    "incomplete_details",
    "inferenceConfig",
    "input",
    "input_tokens_details",
    "iterations",
    "message",
    "messages",
    "options",
    "output",
    "output_tokens_details",
    "parts",
    "prompt_tokens_details",
    "reasoningContent",
    "reasoningText",
    "reasoning_details",
    "steps",
    "summary",
    "system",
    "systemInstruction",
    "text",
    "thinkingConfig",
    "tokens",
    "toolConfig",
    "toolResult",
    "toolUse",
    "tool_calls",
    "usage",
    "usageMetadata",
];

/// Returns the exchanges in the files of a directory, with the name of each.
fn exchanges(api: &str) -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reduce/data/bodies").join(api);
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    assert!(!paths.is_empty(), "{directory:?}");
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let json = fs::read_to_string(&path).unwrap();
        (name, serde_json::from_str(&json).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    paths.into_iter().map(read).collect()
}

/// Records an exchange, and the request that repeats it.
fn record(exchange: &Value) -> Case {
    let mut case = Case::new();
    case.request_body("a", &exchange["request"]);
    match exchange.get("failed_response") {
        Some(response) => {
            let body = case.body("inference_response", response);
            case.event(json!({
                "type": "inference_failed", "inference_call_id": "a", "error": "refused",
                "partial_response_payload": body,
            }));
        }
        None => drop(case.response_body("a", &exchange["response"])),
    }
    if let Some(next) = exchange.get("next") {
        case.request_body("b", next);
    }
    case
}

/// Returns what differs from what the file of the exchange expects. Returns `None` if nothing does.
fn difference(exchange: &Value) -> Option<String> {
    let graph = record(exchange).try_reduce(&Options::default()).unwrap().graph;
    let codes: Vec<&str> = graph.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
    if json!(codes) != *exchange.get("notices").unwrap_or(&json!([])) {
        let diagnostics: Vec<String> = graph.diagnostics.iter().map(ToString::to_string).collect();
        return Some(format!("its notices are {}", diagnostics.join("\n")));
    }
    let items: Vec<String> = graph.items().map(render_item).collect();
    if json!(items) != exchange["items"] {
        return Some(format!("its items are {}", serde_json::to_string_pretty(&items).unwrap()));
    }
    let error = json!(call(&graph, "a").error.as_deref().filter(|_| exchange.get("failed_response").is_none()));
    if error != exchange["error"] {
        return Some(format!("its error is {error}"));
    }
    let usage = json!(usage(&graph));
    (usage != exchange["usage"]).then(|| format!("its usage is {usage}"))
}

fn usage(graph: &Graph) -> Option<[u64; 5]> {
    call(graph, "a").usage.map(|usage| {
        let Usage {
            input_tokens,
            cached_input_tokens,
            cache_write_input_tokens,
            output_tokens,
            reasoning_output_tokens,
            ..
        } = usage;
        [input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_output_tokens]
    })
}

/// Checks that each exchange of an API is read as its file expects, without a notice.
fn check(api: &str) {
    let differences: Vec<String> = exchanges(api)
        .iter()
        .filter_map(|(name, exchange)| Some(format!("{name}: {}", difference(exchange)?)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Checks that an unknown member is reported wherever an object of an exchange may have one.
fn check_unknown_members(api: &str) {
    let mut silent = Vec::new();
    for (name, exchange) in exchanges(api) {
        for body in ["request", "response", "failed_response"] {
            let Some(pristine) = exchange.get(body) else { continue };
            for pointer in objects(pristine) {
                let mut changed = exchange.clone();
                let object = changed[body].pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
                object.insert("unknown_member".into(), json!({ "new": 1 }));
                let graph = record(&changed).try_reduce(&Options::default()).unwrap().graph;
                let is_reported = graph.diagnostics.iter().any(|notice| notice.code == Code::UnreadField);
                if !is_reported && !is_opaque(&exchange[body], &pointer) {
                    silent.push(format!("{name}: {body}{pointer}"));
                }
            }
        }
    }
    assert!(silent.is_empty(), "unknown members are not reported in\n{}", silent.join("\n"));
}

/// Returns the JSON Pointers to all objects in a value, itself included.
fn objects(value: &Value) -> Vec<String> {
    let inside = |inner: &Value, step: &str| -> Vec<String> {
        let step = step.replace('~', "~0").replace('/', "~1");
        objects(inner).into_iter().map(|pointer| format!("/{step}{pointer}")).collect()
    };
    match value {
        Value::Object(members) => {
            let nested = members.iter().flat_map(|(name, inner)| inside(inner, name));
            [String::new()].into_iter().chain(nested).collect()
        }
        Value::Array(elements) => {
            elements.iter().enumerate().flat_map(|(index, inner)| inside(inner, &index.to_string())).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Returns `true` if no rule looks for unknown members in the object at a place of a body.
fn is_opaque(body: &Value, pointer: &str) -> bool {
    // Every prefix of the pointer names an object or list that encloses the object.
    let enclosing = pointer.match_indices('/').map(|(end, _)| &pointer[..end]).chain([pointer]);
    let mut enclosing = enclosing.filter(|place| !place.is_empty());
    is_error(body)
        || enclosing.any(|place| {
            let name = place.rsplit('/').next().unwrap_or_default();
            let is_element = name.bytes().all(|byte| byte.is_ascii_digit());
            let value = body.pointer(place);
            let is_inside = place.len() < pointer.len();
            is_other(body, place, name)
                || !is_element && !COMPARED_MEMBERS.contains(&name)
                || value.is_some_and(|value| is_kept_whole(value) || is_inside && is_output(value))
        })
}

/// Returns `true` for a member that has the name of a compared one and is something else: arguments, a setting, or a
/// count that is not read.
fn is_other(body: &Value, place: &str, name: &str) -> bool {
    let is_in_body = place.matches('/').count() == 1;
    match name {
        "input" => !is_in_body,
        "function_call" | "text" => is_in_body,
        "usage" => is_in_body && body.get("messages").is_some(),
        "cache_creation" => place.contains("_details/"),
        "toolConfig" => body.get("contents").is_some(),
        _ => false,
    }
}

/// Returns `true` if a body has an error in place of a response.
fn is_error(body: &Value) -> bool {
    let names = ["choices", "content", "contents", "input", "messages", "output", "steps"];
    names.iter().all(|name| body.get(name).is_none())
}

/// Returns `true` for an output of a tool, whose content is the program's own.
fn is_output(value: &Value) -> bool {
    value["type"].as_str().is_some_and(|kind| {
        kind != "model_output" && kind.ends_with("_output") || matches!(kind, "tool_result" | "function_result")
    })
}

/// Returns `true` for an item or part that is kept as a whole, with all of its members.
fn is_kept_whole(value: &Value) -> bool {
    const READ_TYPES: &[&str] = &[
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "function_result",
        "user_input",
        "model_output",
        "thought",
        "custom_tool_call",
        "custom_tool_call_output",
        "compaction",
        "connector_text",
        "mid_conv_system",
        "input_text",
        "output_text",
        "text",
        "refusal",
        "reasoning_text",
        "summary_text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "function",
        "custom",
        "document",
        "reasoning.text",
        "reasoning.summary",
        "reasoning.encrypted",
        "response",
        "error",
        "item_reference",
        "document",
    ];
    /// Members with the content of parts that have no type.
    const KEPT_MEMBERS: &[&str] = &[
        "image",
        "document",
        "video",
        "audio",
        "searchResult",
        "executableCode",
        "codeExecutionResult",
        "inlineData",
        "fileData",
    ];
    match value["type"].as_str() {
        // A document of Cohere is read, one of Anthropic is kept whole.
        Some("document") => value.get("source").is_some(),
        Some(kind) => !READ_TYPES.contains(&kind),
        None => KEPT_MEMBERS.iter().any(|member| value.get(member).is_some()),
    }
}

macro_rules! apis {
    ($($api:ident),*) => {$(
        mod $api {
            #[test]
            fn documented_bodies_are_read_without_a_notice() {
                super::check(stringify!($api));
            }

            #[test]
            fn unknown_members_are_reported_wherever_they_stand() {
                super::check_unknown_members(stringify!($api));
            }
        }
    )*};
}

apis!(responses, chat, anthropic, gemini, interactions, converse, ollama, cohere);
