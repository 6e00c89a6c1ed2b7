//! Sample facts for tests: of each kind, with every field set.

use opentelemetry::{Array, KeyValue, Value};

use crate::event::{CellStatus, EndDetail, ExecutionStatus, ToolKind, Usage};
use crate::otlp::span::digest::{InvocationDigest, RequestDigest, ResponseDigest, ResultDigest, RuntimeDigest};
use crate::otlp::span::facts::{
    CellFacts, CompactionFacts, InferenceFacts, SpanDetail, SpanFacts, ThreadFacts, ToolFacts,
};
use crate::provider::CallWithId;

/// Returns facts with nothing but the fields that every span has.
pub(crate) fn bare(detail: SpanDetail) -> SpanFacts {
    SpanFacts {
        bundle: None,
        object_id: "object-1".into(),
        thread_id: "thread-1".into(),
        conversation_id: None,
        turn_id: None,
        status: ExecutionStatus::Completed,
        error: None,
        end: EndDetail::default(),
        payload_ids: Vec::new(),
        detail,
    }
}

/// Returns facts with every common field set.
pub(crate) fn full(detail: SpanDetail) -> SpanFacts {
    SpanFacts {
        bundle: Some("trace-1".into()),
        conversation_id: Some("conversation-1".into()),
        turn_id: Some("turn-1".into()),
        payload_ids: vec!["raw_payload:1".into(), "raw_payload:2".into()],
        ..bare(detail)
    }
}

/// Returns the facts with the status `failed`.
pub(crate) fn failed(facts: SpanFacts, error: &str) -> SpanFacts {
    ended(facts, ExecutionStatus::Failed, Some(error))
}

/// Returns the facts with this status and error.
pub(crate) fn ended(facts: SpanFacts, status: ExecutionStatus, error: Option<&str>) -> SpanFacts {
    SpanFacts { status, error: error.map(str::to_owned), ..facts }
}

pub(crate) fn every_kind() -> [SpanDetail; 6] {
    [thread(), SpanDetail::Turn, inference(), tool(mcp()), cell(), compaction()]
}

pub(crate) fn thread() -> SpanDetail {
    SpanDetail::Thread(ThreadFacts {
        agent_path: "/root".into(),
        agent_name: Some("coder".to_owned()),
        default_model: Some("gpt-5".to_owned()),
    })
}

pub(crate) const USAGE: Usage = Usage {
    input_tokens: 100,
    cached_input_tokens: 40,
    cache_write_input_tokens: 7,
    cache_write_1h_input_tokens: 0,
    output_tokens: 20,
    reasoning_output_tokens: 5,
};

pub(crate) fn inference() -> SpanDetail {
    SpanDetail::Inference(Box::new(InferenceFacts {
        model: "gpt-5".to_owned(),
        provider: "openai".to_owned(),
        response_id: Some("resp-1".to_owned()),
        usage: Some(Usage { input_tokens: 1, ..USAGE }),
        time_to_first_chunk_ms: Some(250),
        request: RequestDigest {
            temperature: Some(1.0),
            top_p: Some(0.5),
            top_k: Some(40.0),
            max_tokens: Some(64),
            frequency_penalty: Some(0.25),
            presence_penalty: Some(-0.5),
            choice_count: Some(2),
            seed: Some(7),
            stop_sequences: vec!["END".to_owned()],
            stream: Some(true),
            output_type: Some("json".to_owned()),
            previous_response_id: Some("resp-0".to_owned()),
            conversation_id: Some("conv_1".to_owned()),
            reasoning_level: Some("high".to_owned()),
            answered_calls: Vec::new(),
            last_outputs: 0,
            input_messages: Some("[1]".to_owned()),
            system_instructions: Some("[2]".to_owned()),
            tool_definitions: Some("[3]".to_owned()),
        },
        response: Some(ResponseDigest {
            error: None,
            response_id: Some("another".to_owned()),
            model: Some("gpt-5-2026".to_owned()),
            finish_reasons: vec!["stop".to_owned(), "length".to_owned()],
            usage: Some(USAGE),
            calls: vec![CallWithId { id: "call-1".to_owned(), name: None, namespace: None }],
            has_known_items: true,
            is_response: true,
            output_messages: Some("[4]".to_owned()),
        }),
    }))
}

pub(crate) fn mcp() -> ToolKind {
    ToolKind::Mcp { server: "docs".to_owned(), tool: "find".to_owned() }
}

pub(crate) fn tool(kind: ToolKind) -> SpanDetail {
    let digest =
        |executable: Option<&str>, exit_code| RuntimeDigest { executable: executable.map(str::to_owned), exit_code };
    SpanDetail::Tool(Box::new(ToolFacts {
        call_id: Some("call-1".into()),
        mcp_call_id: matches!(kind, ToolKind::Mcp { .. }).then(|| "mcp-1".to_owned()),
        kind,
        label: Some("the_label".into()),
        invocation: Some(InvocationDigest { arguments: Some("{}".to_owned()) }),
        runtime: vec![
            digest(Some("sh"), None),
            digest(Some("bash"), Some(1)),
            digest(None, Some(0)),
            digest(None, None),
        ],
        result: Some(ResultDigest { result: Some("found".to_owned()) }),
    }))
}

pub(crate) fn cell() -> SpanDetail {
    SpanDetail::CodeCell(CellFacts { call_id: "call-2".into(), status: CellStatus::Yielded })
}

pub(crate) fn compaction() -> SpanDetail {
    SpanDetail::Compaction(CompactionFacts {
        compaction_id: "compaction-1".into(),
        model: "gpt-5".to_owned(),
        provider: "openai".to_owned(),
        usage: Some(USAGE),
    })
}

/// Formats attributes as sorted lines of text.
pub(crate) fn attribute_lines(attributes: &[KeyValue]) -> Vec<String> {
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
