//! Trace trees of runs that succeeded, failed, were killed or had no backend, live and exported.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mock_collector::{Protocol as Receives, ServerHandle};
use opentelemetry_proto::tonic::trace::v1::Span;
use otel_trace::event::RolloutStatus;
use otel_trace::otlp::Protocol;

use crate::trace_tree::assert_drawn;
use crate::{agent, bundle_in, export_bundle, graph_of, receiver, spans};

/// Exports a bundle, checks that all of it is drawn as one tree, and returns the names of its spans.
async fn export_drawn(bundle: &Path) -> Result<Vec<String>> {
    let exported = export_bundle(bundle, Receives::HttpBinary, Protocol::HttpProtobuf).await?;
    let drawings = assert_drawn(&exported);
    assert_eq!(drawings.len(), 1, "one bundle is one trace");
    Ok(exported.into_iter().map(|span| span.name).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_run_is_one_tree_six_levels_deep() -> Result<()> {
    let (server, url) = receiver(Receives::HttpBinary).await?;
    let root = tempfile::tempdir()?;
    let output = agent(root.path(), &url).output().await?;
    assert!(output.status.success(), "{output:?}");
    let exported = export_bundle(&bundle_in(root.path())?, Receives::HttpBinary, Protocol::HttpProtobuf).await?;
    let in_milliseconds = exported.iter().filter(|span| span.start_time_unix_nano % 1_000_000 == 0).count();
    assert!(in_milliseconds < exported.len() / 2, "exported times have nanoseconds");
    for mut received in [spans(&server).await, exported] {
        let [drawing] = &assert_drawn(&received)[..] else { bail!("one trace") };
        assert_eq!(drawing.levels(), 6, "{drawing:?}");
        assert_eq!(drawing.lines[0], (0, "invoke_agent coder".to_owned()));
        // Any prefix of the spans, in the order of their ends, is what a backend has received when a run is killed.
        received.sort_by_key(|span| span.end_time_unix_nano);
        for count in 1..received.len() {
            assert_drawn(&received[..count]);
        }
    }
    server.shutdown().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_run_is_drawn() -> Result<()> {
    let (server, url) = receiver(Receives::HttpBinary).await?;
    let root = tempfile::tempdir()?;
    // No model server listens there.
    let refused = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = agent(root.path(), &url);
    command.env("OPENAI_BASE_URL", format!("http://{refused}/v1")).env("OPENAI_API_KEY", "sk-none").arg("fix it");
    let output = command.output().await?;
    assert!(!output.status.success(), "{output:?}");
    let live = spans(&server).await;
    server.shutdown().await?;
    assert_drawn(&live);
    let bundle = bundle_in(root.path())?;
    assert_eq!(graph_of(&bundle)?.1.status, RolloutStatus::Failed);
    assert_eq!(export_drawn(&bundle).await?.len(), live.len());
    Ok(())
}

/// Waits until the receiver has at least `count` spans.
async fn received(server: &ServerHandle, count: usize) -> Result<Vec<Span>> {
    for _ in 0..3_000 {
        let spans = spans(server).await;
        if spans.len() >= count {
            return Ok(spans);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("fewer than {count} spans in 30 s")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_run_is_drawn_live_and_exported() -> Result<()> {
    // The received spans depend on the time of the kill: a few spans without a parent, or those of a second agent.
    for count in [2, 12, 25] {
        let (server, url) = receiver(Receives::HttpBinary).await?;
        let root = tempfile::tempdir()?;
        let scratch = tempfile::tempdir()?;
        let mut command = agent(root.path(), &url);
        command.env("OTEL_BSP_SCHEDULE_DELAY", "5").env("TMPDIR", scratch.path());
        let mut child = command.stdout(std::process::Stdio::null()).spawn().context("the agent does not start")?;
        received(&server, count).await?;
        child.kill().await?;
        let live = spans(&server).await;
        server.shutdown().await?;
        assert_drawn(&live);
        let bundle = bundle_in(root.path())?;
        assert_eq!(graph_of(&bundle)?.1.status, RolloutStatus::Running);
        let names = export_drawn(&bundle).await?;
        assert!(names.len() > live.len(), "operations that had not ended are exported too");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn run_without_a_backend_is_drawn_when_it_is_exported() -> Result<()> {
    let root = tempfile::tempdir()?;
    let refused = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let output = agent(root.path(), &format!("http://{refused}")).output().await?;
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("otel-trace:"), "the loss is reported: {output:?}");
    assert!(export_drawn(&bundle_in(root.path())?).await?.len() > 30);
    Ok(())
}
