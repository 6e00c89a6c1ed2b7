//! Strategies that generate records of every event kind, with all fields.

use otel_trace::event::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

fn text() -> BoxedStrategy<String> {
    vec(any::<char>(), 0..8).prop_map(String::from_iter).boxed()
}

fn id<T: From<String> + std::fmt::Debug + 'static>() -> BoxedStrategy<T> {
    text().prop_map(T::from).boxed()
}

fn payload_kind() -> BoxedStrategy<ReferencedKind> {
    let unknown = text().prop_map(|name| ReferencedKind::Unknown(name.into()));
    prop_oneof![4 => select(PayloadKind::ALL.to_vec()).prop_map(ReferencedKind::Known), 1 => unknown].boxed()
}

fn upstream_request_id() -> BoxedStrategy<UpstreamRequestId> {
    prop_oneof![
        Just(UpstreamRequestId::Unrecorded),
        Just(UpstreamRequestId::None),
        id().prop_map(UpstreamRequestId::Given),
    ]
    .boxed()
}

fn payload() -> BoxedStrategy<PayloadRef> {
    let truncated = (any::<u64>(), text()).prop_map(|(length, hash)| Truncated { length, hash });
    let location = (of(any::<u64>()), of(any::<u64>()), of(text()));
    (id(), payload_kind(), text(), location, of(truncated))
        .prop_map(|(raw_payload_id, kind, path, (offset, length, hash), truncated)| PayloadRef {
            raw_payload_id,
            kind,
            path,
            offset,
            length,
            hash: hash.map(String::into_boxed_str),
            truncated: truncated.map(Box::new),
        })
        .boxed()
}

fn unix_ms() -> BoxedStrategy<UnixMillis> {
    any::<i64>().prop_map(UnixMillis).boxed()
}

fn at() -> BoxedStrategy<Timestamp> {
    (unix_ms(), 0..1_000_000_u32).prop_map(|(unix_ms, nanos)| Timestamp::new(unix_ms, nanos)).boxed()
}

fn rollout_status() -> impl Strategy<Value = RolloutStatus> {
    use RolloutStatus::*;
    select(vec![Running, Completed, Failed, Aborted])
}

fn execution_status() -> impl Strategy<Value = ExecutionStatus> {
    use ExecutionStatus::*;
    select(vec![Running, Completed, Failed, Cancelled, Aborted])
}

fn cell_status() -> impl Strategy<Value = CellStatus> {
    use CellStatus::*;
    select(vec![Starting, Running, Yielded, Completed, Failed, Terminated])
}

fn tool_kind() -> BoxedStrategy<ToolKind> {
    use ToolKind::*;
    let plain = vec![
        ExecCommand,
        WriteStdin,
        ApplyPatch,
        Web,
        ImageGeneration,
        SpawnAgent,
        AssignAgentTask,
        SendMessage,
        WaitAgent,
        CloseAgent,
    ];
    let mcp = (text(), text()).prop_map(|(server, tool)| Mcp { server, tool });
    prop_oneof![select(plain), mcp, text().prop_map(|name| Other { name: name.into() })].boxed()
}

fn tool_summary() -> BoxedStrategy<ToolSummary> {
    use ToolSummary::*;
    let agent = (id(), of(text()), text());
    prop_oneof![
        text().prop_map(|operation_id| Terminal { operation_id }),
        agent.prop_map(|(target_agent_path, task_name, message_preview)| Agent {
            target_agent_path,
            task_name,
            message_preview
        }),
        (of(id()), of(any::<u64>()))
            .prop_map(|(target_agent_path, timeout_ms)| WaitAgent { target_agent_path, timeout_ms }),
        (text(), of(text()), of(text())).prop_map(|(label, input_preview, output_preview)| Generic {
            label: String::into(label),
            input_preview,
            output_preview
        }),
    ]
    .boxed()
}

fn input_mode() -> BoxedStrategy<RequestInputMode> {
    use RequestInputMode::*;
    prop_oneof![
        Just(FullSnapshot),
        id().prop_map(|previous_response_id| Incremental { previous_response_id }),
        (id(), payload()).prop_map(|(previous_response_id, prefix_payload)| IncrementalWithUntracedPrefix {
            previous_response_id,
            prefix_payload
        }),
    ]
    .boxed()
}

fn raw_json() -> BoxedStrategy<RawJson> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    let spaced = |(value, pretty): (Value, bool)| {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        serde_json::from_str(&text.unwrap()).unwrap()
    };
    (value, any::<bool>()).prop_map(spaced).boxed()
}

/// Creates a strategy for an event from one strategy for each of its fields.
macro_rules! fields {
    ($event:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        fields!(@nest [$($field),*] ($($strategy),*) => Event::from($event { $($field),* }))
    };
    (@nest [$a:ident] ($sa:expr) => $e:expr) => { ($sa,).prop_map(|($a,)| $e).boxed() };
    (@nest [$($f:ident),*] ($($s:expr),*) => $e:expr) => { ($($s),*).prop_map(|($($f),*)| $e).boxed() };
}

fn ended_by() -> impl Strategy<Value = EndedBy> {
    use EndedBy::*;
    select(vec![Handle, Close, ErrorEvent, Settled, Shutdown])
}

fn boxed_text() -> BoxedStrategy<Box<str>> {
    text().prop_map(String::into_boxed_str).boxed()
}

/// Returns a strategy for the own fields of a span: an object.
fn attributes() -> BoxedStrategy<RawJson> {
    let object =
        |(name, value): (String, RawJson)| RawJson::from_value(&std::collections::BTreeMap::from([(name, value)]));
    (text(), raw_json()).prop_map(object).boxed()
}

/// Returns a strategy for events of this kind.
fn event(kind: EventKind) -> BoxedStrategy<Event> {
    let requester =
        prop_oneof![Just(Requester::Model), id().prop_map(|runtime_cell_id| Requester::CodeCell { runtime_cell_id })];
    let usage = any::<[u64; 6]>().prop_map(|[a, b, c, d, e, f]| Usage {
        input_tokens: a,
        cached_input_tokens: b,
        cache_write_input_tokens: c,
        cache_write_1h_input_tokens: d,
        output_tokens: e,
        reasoning_output_tokens: f,
    });
    match kind {
        EventKind::RolloutStarted => fields!(RolloutStarted { trace_id: id(), root_thread_id: id() }),
        EventKind::RolloutEnded => fields!(RolloutEnded { status: rollout_status() }),
        EventKind::ThreadStarted => {
            fields!(ThreadStarted {
                thread_id: id(),
                agent_path: id(),
                metadata_payload: of(payload()),
                conversation_id: of(id())
            })
        }
        EventKind::ThreadEnded => fields!(ThreadEnded {
            thread_id: id(),
            status: rollout_status(),
            error: of(text()),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::TurnStarted => fields!(TurnStarted { turn_id: id(), thread_id: id() }),
        EventKind::TurnEnded => fields!(TurnEnded {
            turn_id: id(),
            status: execution_status(),
            error: of(text()),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::InferenceStarted => fields!(InferenceStarted {
            inference_call_id: id(),
            thread_id: id(),
            turn_id: id(),
            model: text(),
            provider_name: text(),
            request_payload: payload(),
            request_input_mode: of(input_mode().prop_map(Box::new)),
            wire_payload: of(payload().prop_map(Box::new)),
        }),
        EventKind::InferenceCompleted => fields!(InferenceCompleted {
            inference_call_id: id(),
            response_id: of(id()),
            response_payload: payload(),
            upstream_request_id: upstream_request_id(),
            first_token_at_unix_ms: of(unix_ms()),
            usage: of(usage),
            wire_payload: of(payload().prop_map(Box::new)),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::InferenceFailed => fields!(InferenceFailed {
            inference_call_id: id(),
            error: text(),
            partial_response_payload: of(payload()),
            upstream_request_id: upstream_request_id(),
            first_token_at_unix_ms: of(unix_ms()),
            usage: of(usage),
            wire_payload: of(payload().prop_map(Box::new)),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::InferenceCancelled => fields!(InferenceCancelled {
            inference_call_id: id(),
            reason: text(),
            partial_response_payload: of(payload()),
            upstream_request_id: upstream_request_id(),
            first_token_at_unix_ms: of(unix_ms()),
            usage: of(usage),
            wire_payload: of(payload().prop_map(Box::new)),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::ToolCallStarted => fields!(ToolCallStarted {
            tool_call_id: id(),
            model_visible_call_id: of(id()),
            code_mode_runtime_tool_id: of(id()),
            requester: requester,
            kind: tool_kind(),
            summary: tool_summary(),
            invocation_payload: of(payload()),
        }),
        EventKind::McpToolCallCorrelationAssigned => {
            fields!(McpToolCallCorrelationAssigned { tool_call_id: id(), mcp_call_id: id() })
        }
        EventKind::ToolCallRuntimeStarted => {
            fields!(ToolCallRuntimeStarted { tool_call_id: id(), runtime_payload: payload() })
        }
        EventKind::ToolCallRuntimeEnded => {
            fields!(ToolCallRuntimeEnded { tool_call_id: id(), status: execution_status(), runtime_payload: payload() })
        }
        EventKind::ToolCallEnded => fields!(ToolCallEnded {
            tool_call_id: id(),
            status: execution_status(),
            result_payload: of(payload()),
            error: of(text()),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::CodeCellStarted => {
            fields!(CodeCellStarted {
                runtime_cell_id: id(),
                model_visible_call_id: id(),
                source_js: text(),
                tool_name: of(text())
            })
        }
        EventKind::CodeCellInitialResponse => fields!(CodeCellInitialResponse {
            runtime_cell_id: id(),
            status: cell_status(),
            response_payload: of(payload()),
        }),
        EventKind::CodeCellEnded => {
            fields!(CodeCellEnded {
                runtime_cell_id: id(),
                status: cell_status(),
                response_payload: of(payload()),
                ended_by: of(ended_by()),
                error_type: of(boxed_text()),
                attributes: of(attributes())
            })
        }
        EventKind::CompactionRequestStarted => fields!(CompactionRequestStarted {
            compaction_id: id(),
            compaction_request_id: id(),
            thread_id: id(),
            turn_id: id(),
            model: text(),
            provider_name: text(),
            request_payload: payload(),
        }),
        EventKind::CompactionRequestCompleted => fields!(CompactionRequestCompleted {
            compaction_id: id(),
            compaction_request_id: id(),
            response_payload: payload(),
            ended_by: of(ended_by()),
            error_type: of(boxed_text()),
            attributes: of(attributes())
        }),
        EventKind::CompactionRequestFailed => {
            fields!(CompactionRequestFailed {
                compaction_id: id(),
                compaction_request_id: id(),
                error: text(),
                ended_by: of(ended_by()),
                error_type: of(boxed_text()),
                attributes: of(attributes())
            })
        }
        EventKind::CompactionInstalled => {
            fields!(CompactionInstalled { compaction_id: id(), checkpoint_payload: payload() })
        }
        EventKind::AgentResultObserved => fields!(AgentResultObserved {
            edge_id: id(),
            child_thread_id: id(),
            child_turn_id: id(),
            parent_thread_id: id(),
            message: text(),
            carried_payload: of(payload()),
        }),
        EventKind::ProtocolEventObserved => {
            fields!(ProtocolEventObserved { event_type: text(), event_payload: payload() })
        }
        EventKind::Other => {
            fields!(Other { kind: text(), summary: text(), payloads: vec(payload(), 0..3), metadata: raw_json() })
        }
    }
}

/// Returns a strategy for records with an event of this kind.
pub(crate) fn record(kind: EventKind) -> impl Strategy<Value = Record> {
    let span = (id(), id(), of(id()), any::<bool>());
    let span = span.prop_map(|(trace_id, span_id, parent_span_id, is_sampled)| SpanRef {
        trace_id,
        span_id,
        parent_span_id,
        is_sampled,
    });
    let context =
        (of(id()), of(id()), of(span)).prop_map(|(thread_id, turn_id, span)| EventContext { thread_id, turn_id, span });
    (any::<u64>(), at(), id(), context, event(kind)).prop_map(|(seq, at, rollout_id, context, event)| Record {
        seq: Seq(seq),
        at,
        rollout_id,
        context,
        event,
        unknown_words: Vec::new(),
    })
}

/// Returns a strategy for parent processes with any ids.
pub(crate) fn parent_process() -> BoxedStrategy<ParentProcess> {
    (id(), text(), id(), of(id()), id(), any::<u32>())
        .prop_map(|(trace_id, bundle, thread_id, tool_call_id, child_thread_id, depth)| ParentProcess {
            trace_id,
            bundle,
            thread_id,
            tool_call_id,
            child_thread_id,
            depth,
        })
        .boxed()
}
