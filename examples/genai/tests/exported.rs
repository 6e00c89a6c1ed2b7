//! Trace trees of genai's spans, live and exported.

#[path = "../../../tests/common/example_export.rs"]
mod example_export;
#[path = "../../../tests/common/trace_tree.rs"]
mod trace_tree;

use example_export::ExampleSpans;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn each_question_is_one_trace_tree() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-genai"));
    command.env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true");
    let ExampleSpans { live, exported } = example_export::run(command, "example-genai").await;
    for received in [live, exported] {
        let drawings = trace_tree::assert_drawn(&received);
        assert_eq!(drawings.len(), 3, "three questions");
        for drawing in drawings {
            assert_eq!(drawing.lines[0].0, 0);
            assert!(drawing.levels() > 1, "{drawing:?}");
        }
    }
}
