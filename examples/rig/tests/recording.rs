//! Runs the program as a user does, and checks the graphs of the recorded runs.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, ToolSummary};
use otel_trace::graph::{Anchor, Code, Graph, InferenceCall, Origin, ToolCall};
use otel_trace::reduce::{Options, reduce};

/// The graphs of one program run: the rejected question, the quote, and the streamed answer.
struct Runs {
    rejected: Graph,
    quote: Graph,
    streamed: Graph,
}

fn run(arguments: &[&str]) -> Runs {
    let [rejected, quote, streamed] = graphs(arguments).try_into().unwrap_or_else(|graphs| panic!("{graphs:?}"));
    Runs { rejected, quote, streamed }
}

/// Runs the program. Returns the graphs of its bundles in the order of their starts.
fn graphs(arguments: &[&str]) -> Vec<Graph> {
    let root = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-rig"));
    for name in ["OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"] {
        command.env_remove(name);
    }
    let output = command.args(arguments).env("OTEL_TRACE_ROOT", root.path()).output().expect("the program runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("12 crates cost 56.30 delivered"), "{stdout}");
    assert!(stdout.contains("28 of 40 crates are left."), "{stdout}");
    let entries = root.path().read_dir().expect("the bundles").map(|entry| entry.expect("a bundle").path());
    let mut graphs: Vec<_> = entries.map(|bundle| graph_of(&bundle)).collect();
    // Thread ids are UUIDs of version 7, which sort by time.
    graphs.sort_by_key(|graph| graph.root_thread_id.to_string());
    graphs
}

fn graph_of(bundle: &Path) -> Graph {
    reduce(&Reader::open(bundle).expect("a bundle"), &Options::default()).expect("a graph").graph
}

fn tool_name(tool: &ToolCall) -> &str {
    let ToolSummary::Generic { label, .. } = &tool.summary else { panic!("{tool:?}") };
    label
}

fn tool<'a>(graph: &'a Graph, name: &str) -> &'a ToolCall {
    let mut named = graph.tool_calls.iter().filter(|tool| tool_name(tool) == name);
    let tool = named.next().unwrap_or_else(|| panic!("no call of {name}"));
    assert!(named.next().is_none(), "{name} was called twice");
    tool
}

/// Returns the inference calls of the agent with this name.
fn calls<'a>(graph: &'a Graph, agent: &str) -> Vec<&'a InferenceCall> {
    let thread = graph.threads.iter().find(|thread| thread.nickname.as_deref() == Some(agent));
    let thread = thread.unwrap_or_else(|| panic!("no agent {agent}"));
    graph.inference_calls.iter().filter(|call| call.thread_id == thread.thread_id).collect()
}

fn check_shape(runs: &Runs) {
    let Runs { rejected, quote, streamed } = runs;
    use ExecutionStatus::{Completed, Failed};
    // A thread ends as its last call did.
    for (graph, agents, status) in [(rejected, 1, Failed), (quote, 2, Completed), (streamed, 1, Completed)] {
        assert_eq!((graph.threads.len(), graph.turns.len()), (agents, agents));
        assert!(graph.threads.iter().all(|thread| thread.execution.status == status));
    }
    let [call] = calls(rejected, "desk")[..] else { panic!("expected one rejected call") };
    assert_eq!(call.execution.status, ExecutionStatus::Failed);
    let request_id = call.upstream_request_id.as_ref().map(|id| id.as_str()).unwrap_or_default();
    assert!(call.error.as_ref().is_some_and(|error| error.contains(request_id)), "{:?}", call.error);

    for (graph, agent, count) in [(quote, "desk", 4), (quote, "auditor", 3), (streamed, "desk", 2)] {
        let calls = calls(graph, agent);
        assert_eq!(calls.len(), count, "of {agent}");
        let mut responses = BTreeSet::new();
        for call in calls {
            assert_eq!((call.model.as_str(), call.provider_name.as_str()), ("gpt-5-mini", "openai"));
            assert_eq!(call.execution.status, ExecutionStatus::Completed);
            assert!(call.usage.is_some_and(|usage| usage.input_tokens > 0 && usage.output_tokens > 0));
            responses.insert(call.response_id.as_ref().expect("a response").to_string());
        }
        assert_eq!(responses.len(), count, "response ids are unique");
    }
    // Requested in one response and run concurrently.
    assert_eq!(tool(quote, "price").requested_by, tool(quote, "stock").requested_by);
    for (name, requested_by) in [("price", 0), ("voucher", 1), ("auditor", 2)] {
        assert_eq!(
            tool(quote, name).requested_by.as_ref(),
            Some(&calls(quote, "desk")[requested_by].inference_call_id)
        );
    }
    for (name, requested_by) in [("multiply", 0), ("add", 1)] {
        assert_eq!(
            tool(quote, name).requested_by.as_ref(),
            Some(&calls(quote, "auditor")[requested_by].inference_call_id)
        );
    }
    for tool in quote.tool_calls.iter().chain(streamed.tool_calls.iter()) {
        let failed = tool_name(tool) == "voucher";
        let expected = if failed { ExecutionStatus::Failed } else { ExecutionStatus::Completed };
        assert_eq!((tool.execution.status, tool.error.is_some()), (expected, failed), "{}", tool_name(tool));
    }
    assert_auditor_is_spawned_by_its_tool(quote);
}

/// Checks that the thread of the auditor is spawned by the tool call of the desk.
fn assert_auditor_is_spawned_by_its_tool(quote: &Graph) {
    let auditor = quote.threads.iter().find(|thread| thread.nickname.as_deref() == Some("auditor"));
    let auditor = auditor.expect("the auditor's thread");
    let Origin::Spawned { parent_thread_id, spawn_edge_id, .. } = &auditor.origin else { panic!("{auditor:?}") };
    assert_eq!(parent_thread_id, &quote.root_thread_id);
    let edge = quote.edges.get(spawn_edge_id).expect("the spawn");
    assert_eq!(edge.source, Anchor::ToolCall { tool_call_id: tool(quote, "auditor").tool_call_id.clone() });
    assert_eq!(edge.target, Anchor::Thread { thread_id: auditor.thread_id.clone() });
}

/// Checks that the conversation is complete, without duplicates, and contains each tool call with its output.
/// `instructions` is the number of conversation items that the instructions of an agent take: 0 with the Responses API,
/// which sends them outside of the items.
fn check_conversation(runs: &Runs, instructions: usize) {
    for graph in [&runs.rejected, &runs.quote, &runs.streamed] {
        assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
        for call in graph.inference_calls.iter() {
            assert!(call.request_len() > instructions, "and a question");
        }
    }
    // Question, 4 calls, 4 outputs, answer; the auditor has 2 calls.
    assert_eq!(runs.quote.items().count(), (1 + 8 + 1) + (1 + 4 + 1) + 2 * instructions);
    assert_eq!(runs.streamed.items().count(), 1 + 2 + 1 + instructions);
    for graph in [&runs.quote, &runs.streamed] {
        for tool in graph.tool_calls.iter() {
            let [call] = tool.call_item_ids[..] else { panic!("{tool:?}") };
            let [output] = tool.output_item_ids[..] else { panic!("{tool:?}") };
            let requesting_call =
                graph.inference_calls.get(tool.requested_by.as_ref().expect("a requesting call")).expect("the call");
            assert!(requesting_call.response_item_ids.contains(&call));
            let seen_by = graph
                .inference_calls
                .iter()
                .find(|call| graph.snapshot(&call.inference_call_id).any(|item| item == output));
            let seen_by = seen_by.expect("a call that saw the output");
            assert_eq!(seen_by.thread_id, tool.thread_id);
            assert!(seen_by.execution.started.seq > tool.execution.started.seq);
        }
    }
}

#[test]
fn spans_with_content_give_the_whole_graph() {
    for arguments in [&[][..], &["--wire"], &["--responses"]] {
        let runs = run(arguments);
        check_shape(&runs);
        check_conversation(&runs, 1);
    }
}

#[test]
fn wire_events_give_the_whole_graph_without_content() {
    for (arguments, instructions) in
        [(&["--no-content", "--wire"][..], 1), (&["--no-content", "--wire", "--responses"], 0)]
    {
        let runs = run(arguments);
        check_shape(&runs);
        check_conversation(&runs, instructions);
    }
}

#[test]
fn runs_without_content_keep_their_shape_and_report_the_gap() {
    for arguments in [&["--no-content"][..], &["--no-content", "--responses"]] {
        let runs = run(arguments);
        check_shape(&runs);
        for graph in [&runs.rejected, &runs.quote, &runs.streamed] {
            let codes: BTreeSet<_> = graph.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
            assert!(codes.is_subset(&BTreeSet::from([Code::RequestUnknown, Code::ResponseUnknown])), "{codes:?}");
            assert!(graph.diagnostics[0].message.contains("record_content_telemetry(true)"), "{:?}", graph.diagnostics);
        }
    }
}

#[test]
fn questions_inside_a_program_span_are_one_run() {
    let [graph] = graphs(&["--span"]).try_into().unwrap_or_else(|graphs| panic!("{graphs:?}"));
    assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
    // A turn of the auditor, and two of the desk: the rejected question got no answer, so that the next one is in its turn.
    assert_eq!((graph.threads.len(), graph.turns.len()), (2, 3));
    assert_eq!((calls(&graph, "desk").len(), calls(&graph, "auditor").len()), (7, 3));
    assert_auditor_is_spawned_by_its_tool(&graph);
    let names: Vec<_> = graph.tool_calls.iter().map(tool_name).collect();
    assert_eq!(names, ["price", "stock", "voucher", "auditor", "multiply", "add", "stock"]);
    for tool in graph.tool_calls.iter() {
        assert_eq!((tool.call_item_ids.len(), tool.output_item_ids.len()), (1, 1), "{}", tool_name(tool));
        assert!(tool.requested_by.is_some(), "{}", tool_name(tool));
    }
}
