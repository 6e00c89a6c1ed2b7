//! The dedicated tokio runtime of a gRPC channel.

use std::cell::RefCell;
use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;

use crate::otlp::send::error::OtlpError;
use crate::otlp::send::suppress::SuppressionGuard;

thread_local! {
    /// The suppression of telemetry while the runtime's thread has work. It ends while the thread is parked, which is
    /// most of the time, because a scoped subscriber on any thread slows down every span of the program.
    static SUPPRESSION: RefCell<Option<SuppressionGuard>> = const { RefCell::new(None) };
}

fn suppress_telemetry() {
    SUPPRESSION.set(Some(SuppressionGuard::enter()));
}

fn resume_telemetry() {
    SUPPRESSION.take();
}

/// A tokio runtime on a dedicated thread. Dropping it ends both without waiting for hanging calls.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    /// Ends the runtime when dropped.
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    /// Starts the thread and its runtime.
    ///
    /// # Errors
    /// Returns an error if the thread or the runtime cannot be started.
    pub(super) fn start() -> Result<Self, OtlpError> {
        let failed = |error: io::Error| OtlpError::new(format!("cannot start the gRPC thread: {error}"));
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::sync_channel(1);
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_thread_park(resume_telemetry).on_thread_unpark(suppress_telemetry);
        let run = move || match builder.build() {
            Ok(runtime) => {
                suppress_telemetry();
                let _ = started.send(Ok(runtime.handle().clone()));
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
                resume_telemetry();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        thread::Builder::new().name("otel-trace-grpc".to_owned()).spawn(run).map_err(failed)?;
        let handle =
            start.recv().map_err(|_| OtlpError::new("the gRPC thread ended during startup"))?.map_err(failed)?;
        Ok(Self { handle, _stop: stop })
    }

    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}
