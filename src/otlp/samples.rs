//! Facts of spans for tests: of each kind, with all that may be known of it.

use opentelemetry::{Array, KeyValue, Value};

use super::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use super::span_facts::{CellFacts, CompactionFacts, InferenceFacts, SpanFacts, ThreadFacts, ToolFacts, What};
use crate::event::{CellStatus, ExecutionStatus, ToolKind, Usage};

/// Facts of which only what every span has is known.
pub(crate) fn bare(what: What) -> SpanFacts {
    SpanFacts {
        bundle: None,
        object_id: "object-1".into(),
        thread_id: "thread-1".into(),
        turn_id: None,
        status: ExecutionStatus::Completed,
        error: None,
        payload_ids: Vec::new(),
        what,
    }
}

pub(crate) fn full(what: What) -> SpanFacts {
    SpanFacts {
        bundle: Some("trace-1".into()),
        turn_id: Some("turn-1".into()),
        payload_ids: vec!["raw_payload:1".into(), "raw_payload:2".into()],
        ..bare(what)
    }
}

pub(crate) fn failed(facts: SpanFacts, error: &str) -> SpanFacts {
    ended(facts, ExecutionStatus::Failed, Some(error))
}

pub(crate) fn ended(facts: SpanFacts, status: ExecutionStatus, error: Option<&str>) -> SpanFacts {
    SpanFacts { status, error: error.map(str::to_owned), ..facts }
}

pub(crate) fn every_kind() -> [What; 6] {
    [thread(), What::Turn, inference(), tool(mcp()), cell(), compaction()]
}

pub(crate) fn thread() -> What {
    What::Thread(ThreadFacts {
        agent_path: "/root".into(),
        agent_name: Some("coder".to_owned()),
        default_model: Some("gpt-5".to_owned()),
    })
}

pub(crate) const USAGE: Usage =
    Usage { input_tokens: 100, cached_input_tokens: 40, output_tokens: 20, reasoning_output_tokens: 5 };

pub(crate) fn inference() -> What {
    What::Inference(Box::new(InferenceFacts {
        model: "gpt-5".to_owned(),
        provider: "openai".to_owned(),
        response_id: Some("resp-1".to_owned()),
        usage: Some(Usage { input_tokens: 1, ..USAGE }),
        time_to_first_chunk_ms: Some(250),
        request: RequestDigest {
            temperature: Some(1.0),
            top_p: Some(0.5),
            max_tokens: Some(64),
            stream: Some(true),
            previous_response_id: Some("resp-0".to_owned()),
            reasoning_level: Some("high".to_owned()),
            input_messages: Some("[1]".to_owned()),
            system_instructions: Some("[2]".to_owned()),
            tool_definitions: Some("[3]".to_owned()),
        },
        response: Some(ResponseDigest {
            response_id: Some("another".to_owned()),
            model: Some("gpt-5-2026".to_owned()),
            finish_reasons: vec!["stop".to_owned(), "length".to_owned()],
            usage: Some(USAGE),
            cache_write_tokens: Some(7),
            call_ids: vec!["call-1".into()],
            is_known: true,
            output_messages: Some("[4]".to_owned()),
        }),
    }))
}

pub(crate) fn mcp() -> ToolKind {
    ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() }
}

pub(crate) fn tool(kind: ToolKind) -> What {
    let seen =
        |executable: Option<&str>, exit_code| RuntimeDigest { executable: executable.map(str::to_owned), exit_code };
    What::Tool(Box::new(ToolFacts {
        call_id: Some("call-1".into()),
        kind,
        label: Some("the_label".into()),
        mcp_call_id: Some("mcp-1".to_owned()),
        invocation: Some(InvocationDigest { arguments: Some("{}".to_owned()) }),
        runtime: vec![seen(Some("sh"), None), seen(Some("bash"), Some(1)), seen(None, Some(0)), seen(None, None)],
        result: Some(ResultDigest { result: Some("found".to_owned()) }),
    }))
}

pub(crate) fn cell() -> What {
    What::CodeCell(CellFacts { call_id: "call-2".into(), status: CellStatus::Yielded })
}

pub(crate) fn compaction() -> What {
    What::Compaction(CompactionFacts {
        compaction_id: "compaction-1".into(),
        model: "gpt-5".to_owned(),
        provider: "openai".to_owned(),
    })
}

/// Attributes as sorted lines of text.
pub(crate) fn shown(attributes: &[KeyValue]) -> Vec<String> {
    let line = |attribute: &KeyValue| format!("{} = {}", attribute.key, value(&attribute.value));
    let mut lines: Vec<_> = attributes.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

fn value(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F64(value) => format!("{value:?}"),
        Value::String(value) => format!("{:?}", value.as_str()),
        Value::Array(Array::String(values)) => {
            format!("{:?}", values.iter().map(opentelemetry::StringValue::as_str).collect::<Vec<_>>())
        }
        Value::Array(_) | _ => panic!("no attribute of ours is {value:?}"),
    }
}
