//! Runs the program as a user does, and checks the graphs of the recorded runs.

use std::path::Path;
use std::process::Command;

use otel_trace::bundle::Reader;
use otel_trace::event::{ExecutionStatus, ToolSummary};
use otel_trace::graph::{Code, Graph, ToolCall};
use otel_trace::reduce::{Options, reduce};

/// Runs the program. Returns the graphs of the rejected question, the quote and the streamed answer.
fn run(content: bool) -> [Graph; 3] {
    let root = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_example-genai"))
        .env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", content.to_string())
        .env("OTEL_TRACE_ROOT", root.path())
        .output()
        .expect("the program runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("12 crates cost 56.30 delivered"), "{stdout}");
    assert!(stdout.contains("28 of 40 crates are left."), "{stdout}");
    let entries = root.path().read_dir().expect("the bundles").map(|entry| entry.expect("a bundle").path());
    let mut graphs: Vec<_> = entries.map(|bundle| graph_of(&bundle)).collect();
    // In the order of their starts: thread ids are UUIDs of version 7, which sort by time.
    graphs.sort_by_key(|graph| graph.root_thread_id.to_string());
    graphs.try_into().unwrap_or_else(|graphs| panic!("{graphs:?}"))
}

fn graph_of(bundle: &Path) -> Graph {
    reduce(&Reader::open(bundle).expect("a bundle"), &Options::default()).expect("a graph").graph
}

fn tool_name(tool: &ToolCall) -> &str {
    let ToolSummary::Generic { label, .. } = &tool.summary else { panic!("{tool:?}") };
    label
}

fn check_shape(graphs: &[Graph; 3], content: bool) {
    let [rejected, quote, streamed] = graphs;
    let call = rejected.inference_calls.iter().next().expect("a call");
    assert_eq!((call.execution.status, call.error.as_deref()), (ExecutionStatus::Failed, Some("429")));
    for (graph, calls, tools) in [(rejected, 1, 0), (quote, 4, 4), (streamed, 2, 1)] {
        assert_eq!((graph.threads.len(), graph.turns.len()), (1, 1));
        assert_eq!((graph.inference_calls.len(), graph.tool_calls.len()), (calls, tools));
    }
    for (index, (name, requested_by)) in [("price", 0), ("stock", 0), ("voucher", 1), ("auditor", 2)].iter().enumerate()
    {
        let tool = quote.tool_calls.iter().nth(index).expect("a tool call");
        let requested_by = quote.inference_calls.iter().nth(*requested_by).expect("a call");
        assert_eq!((tool_name(tool), tool.requested_by.as_ref()), (*name, Some(&requested_by.inference_call_id)));
        // Without content, a span closes with neither a result nor an error, so the outcome of the tool call is
        // unknown.
        let expected = match (*name, content) {
            ("voucher", _) => ExecutionStatus::Failed,
            (_, true) => ExecutionStatus::Completed,
            (_, false) => ExecutionStatus::Cancelled,
        };
        assert_eq!(tool.execution.status, expected, "{tool:?}");
    }
    for call in quote.inference_calls.iter().chain(streamed.inference_calls.iter()) {
        assert_eq!((call.model.as_str(), call.provider_name.as_str()), ("gpt-5-mini", "openai"));
        assert_eq!(call.execution.status, ExecutionStatus::Completed);
        assert!(call.usage.is_some_and(|usage| usage.input_tokens > 0 && usage.output_tokens > 0));
    }
    // genai reports the first token of streamed text only; the response before has a tool call and no text.
    let first_token: Vec<_> = streamed.inference_calls.iter().map(|call| call.first_token_at.is_some()).collect();
    assert_eq!(first_token, [false, true]);
}

#[test]
fn spans_with_content_give_the_whole_graph() {
    let graphs = run(true);
    check_shape(&graphs, true);
    for graph in &graphs {
        assert!(graph.diagnostics.is_empty(), "{:?}", graph.diagnostics);
        for tool in graph.tool_calls.iter() {
            assert_eq!((tool.call_item_ids.len(), tool.output_item_ids.len()), (1, 1), "{tool:?}");
        }
    }
    // Instructions, question, 4 calls, 4 outputs, answer.
    assert_eq!(graphs.map(|graph| graph.items().count()), [2, 2 + 8 + 1, 2 + 2 + 1]);
}

#[test]
fn runs_without_content_keep_their_shape_and_report_the_gap() {
    let graphs = run(false);
    check_shape(&graphs, false);
    for graph in &graphs {
        let unknown = |code| matches!(code, Code::RequestUnknown | Code::ResponseUnknown);
        assert!(graph.diagnostics.iter().all(|diagnostic| unknown(diagnostic.code)), "{:?}", graph.diagnostics);
        assert!(graph.diagnostics[0].message.contains("CAPTURE_MESSAGE_CONTENT=true"), "{:?}", graph.diagnostics);
    }
}
