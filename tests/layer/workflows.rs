//! Tests of workflows: the spans in them name the agents that act, and all of these stand directly below the workflow.

use otel_trace::graph::Graph;
use otel_trace::{AgentThread, Operation, ThreadMeta};
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::conversations::{agent, ask, graph, message, request_tools, threads};

/// Opens the span of a workflow.
fn workflow(name: Option<&str>) -> Span {
    info_span!("invoke_workflow", gen_ai.operation.name = "invoke_workflow", gen_ai.agent.name = name)
}

/// Records a call of a model by an agent that answers a question.
fn answer(agent: Option<&str>) {
    ask(agent, &[message("user", "go")], &message("assistant", "done"));
}

/// Runs a tool with a span as frameworks open it: its name and id are recorded later.
fn run_tool(id: Option<&str>, work: impl FnOnce()) {
    let span = info_span!(
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = Empty,
        gen_ai.tool.call.id = Empty,
        gen_ai.tool.call.result = Empty,
    );
    span.record("gen_ai.tool.name", "look");
    span.record("gen_ai.tool.call.id", id);
    span.in_scope(|| {
        work();
        span.record("gen_ai.tool.call.result", "r");
    });
}

/// Returns the agents in whose threads tools ran, in the order of the tools.
fn agents_of_tools(graph: &Graph) -> Vec<&str> {
    let agent = |id| graph.threads.get(id).and_then(|thread| thread.nickname.as_deref()).unwrap_or("-");
    graph.tool_calls.iter().map(|tool| agent(&tool.thread_id)).collect()
}

#[test]
fn agents_of_a_workflow_have_threads() {
    let graph = graph(|| {
        let workflow = info_span!("invoke_workflow", gen_ai.operation.name = "invoke_workflow");
        workflow.in_scope(|| {
            for name in ["first", "second"] {
                agent(name).in_scope(|| ask(None, &[message("user", "go")], &message("assistant", "done")));
            }
        });
    });
    assert_eq!(threads(&graph), [("-", "", 1, 0), ("first", "-", 1, 1), ("second", "-", 1, 1)]);
}

#[test]
fn agents_that_calls_in_a_workflow_name_have_threads() {
    let graph = graph(|| {
        info_span!("request").in_scope(|| {
            workflow(None).in_scope(|| {
                for name in [Some("first"), Some("second"), None, Some("first")] {
                    info_span!("step").in_scope(|| answer(name));
                }
            });
        });
    });
    assert_eq!(threads(&graph), [("-", "", 1, 1), ("first", "-", 2, 2), ("second", "-", 1, 1)]);
    assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
}

#[test]
fn tools_in_a_workflow_are_those_of_the_agents_that_asked() {
    let graph = graph(|| {
        workflow(None).in_scope(|| {
            for (agent, calls) in [("first", ["call_1", "call_2"]), ("second", ["call_3", "call_4"])] {
                ask(Some(agent), &[message("user", "go")], &request_tools(&calls));
            }
            for id in ["call_3", "call_1", "call_4", "call_2"] {
                run_tool(Some(id), || {});
            }
            // A tool that no agent of the workflow asked for.
            run_tool(Some("unknown"), || {});
            run_tool(None, || {});
            answer(Some("first"));
            answer(Some("second"));
        });
    });
    assert_eq!(threads(&graph), [("-", "", 1, 0), ("first", "-", 1, 2), ("second", "-", 1, 2)]);
    assert_eq!(agents_of_tools(&graph), ["second", "first", "second", "first", "-", "-"]);
    let requested: Vec<_> = graph.inference_calls.iter().map(|call| call.tool_call_ids.len()).collect();
    assert_eq!(requested, [2, 2, 0, 0]);
}

#[test]
fn tool_in_a_workflow_that_names_its_turn_is_in_that_turn() {
    let graph = graph(|| {
        let span =
            info_span!("invoke_workflow", gen_ai.operation.name = "invoke_workflow", otel_trace.turn.id = "order 7",);
        span.in_scope(|| {
            ask(Some("first"), &[message("user", "go")], &request_tools(&["call_1"]));
            let tool = info_span!(
                "execute_tool",
                gen_ai.operation.name = "execute_tool",
                gen_ai.tool.name = "look",
                gen_ai.tool.call.id = "call_1",
                otel_trace.turn.id = "order 7",
            );
            tool.in_scope(|| {});
        });
    });
    assert_eq!(agents_of_tools(&graph), ["-"]);
}

#[test]
fn call_id_of_two_agents_in_a_workflow_links_to_neither() {
    let graph = graph(|| {
        workflow(None).in_scope(|| {
            for agent in ["first", "second"] {
                ask(Some(agent), &[message("user", "go")], &request_tools(&["call_0"]));
            }
            run_tool(Some("call_0"), || {});
        });
    });
    assert_eq!(agents_of_tools(&graph), ["-"]);
}

#[test]
fn agent_that_runs_as_a_tool_in_a_workflow_is_below_the_agent_that_asked() {
    let graph = graph(|| {
        workflow(None).in_scope(|| {
            ask(Some("desk"), &[message("user", "go")], &request_tools(&["call_1"]));
            run_tool(Some("call_1"), || answer(Some("auditor")));
            answer(Some("desk"));
        });
    });
    assert_eq!(threads(&graph), [("-", "", 1, 0), ("desk", "-", 1, 2), ("auditor", "desk", 1, 1)]);
}

#[test]
fn workflow_with_the_name_of_an_agent_has_its_calls() {
    let graph = graph(|| {
        workflow(Some("boss")).in_scope(|| {
            answer(Some("boss"));
            answer(None);
            answer(Some("helper"));
        });
    });
    assert_eq!(threads(&graph), [("boss", "", 1, 2), ("helper", "boss", 1, 1)]);
}

#[test]
fn tools_in_the_span_of_an_agent_are_those_of_the_agent_that_asked() {
    let graph = graph(|| {
        agent("support").in_scope(|| {
            ask(Some("support"), &[message("user", "go")], &request_tools(&["call_1"]));
            ask(Some("clerk"), &[message("user", "go")], &request_tools(&["call_2"]));
            run_tool(Some("call_2"), || {});
            run_tool(Some("call_1"), || {});
        });
    });
    assert_eq!(threads(&graph), [("support", "", 1, 1), ("clerk", "support", 1, 1)]);
    assert_eq!(agents_of_tools(&graph), ["clerk", "support"]);
}

#[test]
fn agent_without_a_name_has_that_of_its_calls() {
    let graph = graph(|| {
        let span = info_span!("invoke_agent", gen_ai.operation.name = "invoke_agent");
        span.in_scope(|| answer(Some("first")));
    });
    assert_eq!(threads(&graph), [("-", "", 1, 1)]);
}

#[test]
fn workflow_that_runs_as_a_tool_has_the_agents_in_it() {
    let graph = graph(|| {
        agent("boss").in_scope(|| {
            ask(Some("boss"), &[message("user", "go")], &request_tools(&["call_1"]));
            run_tool(Some("call_1"), || workflow(None).in_scope(|| answer(Some("helper"))));
        });
    });
    assert_eq!(threads(&graph), [("boss", "", 1, 1), ("-", "boss", 1, 0), ("helper", "-", 1, 1)]);
}

#[test]
fn workflow_of_a_conversation_has_the_agents_in_it() {
    let graph = graph(|| {
        for _ in 0..2 {
            let span = info_span!(
                "invoke_workflow",
                gen_ai.operation.name = "invoke_workflow",
                gen_ai.conversation.id = "user 7",
            );
            span.in_scope(|| answer(Some("first")));
        }
    });
    assert_eq!(threads(&graph), [("-", "", 2, 0), ("first", "-", 2, 2)]);
}

#[test]
fn workflow_in_a_thread_of_a_handle_has_the_agents_in_it() {
    let graph = graph(|| {
        let thread = AgentThread::start(ThreadMeta::new().agent_name("coder"));
        thread.span().in_scope(|| workflow(None).in_scope(|| answer(Some("helper"))));
        thread.complete();
    });
    assert_eq!(threads(&graph), [("coder", "", 1, 0), ("helper", "coder", 1, 1)]);
}
