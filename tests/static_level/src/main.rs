//! Records two threads in each of two layers, under a `tracing` that is compiled without spans of level `INFO`.

use otel_trace::{AgentThread, Recorder, ThreadMeta};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).ok_or("the root directory of the recording is missing")?;
    let (recorder, _guard) = Recorder::builder().root(root).build()?;
    for _ in 0..2 {
        let layers = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
        tracing::subscriber::with_default(layers, || {
            drop(AgentThread::start(ThreadMeta::new()));
            drop(AgentThread::start(ThreadMeta::new()));
        });
    }
    Ok(())
}
