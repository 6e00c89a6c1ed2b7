//! Records a program in this process, and reduces the bundles that it leaves.

use otel_trace::Recorder;
use otel_trace::bundle::Reader;
use otel_trace::graph::Graph;
use otel_trace::reduce::{Options, reduce};
use tracing_subscriber::prelude::*;

/// Records a program. Returns the graphs of its runs, in the order of their starts.
pub(crate) async fn record_program(program: impl AsyncFnOnce(&Recorder)) -> Vec<Graph> {
    let root = tempfile::tempdir().unwrap();
    let (recorder, guard) = Recorder::builder().root(root.path()).no_parent().build().unwrap();
    let subscriber = tracing_subscriber::registry().with(recorder.layer().with_filter(recorder.filter()));
    let scope = tracing::subscriber::set_default(subscriber);
    program(&recorder).await;
    drop(guard);
    drop(scope);
    assert_eq!(recorder.stats().lost(), 0);
    let bundles = root.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut graphs: Vec<_> =
        bundles.map(|path| reduce(&Reader::open(&path).unwrap(), &Options::default()).unwrap().graph).collect();
    graphs.sort_by_key(|graph| graph.root_thread_id.to_string());
    graphs
}
