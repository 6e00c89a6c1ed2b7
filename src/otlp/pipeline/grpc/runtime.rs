//! A runtime of our own.

use std::cell::RefCell;
use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio::sync::oneshot;

use super::super::OtlpError;
use super::super::suppress::Quiet;

thread_local! {
    /// While a thread has work: who is quiet makes every span of the program a little slower, and idle it is nearly always.
    static QUIET: RefCell<Option<Quiet>> = const { RefCell::new(None) };
}

fn is_at_work() {
    QUIET.set(Some(Quiet::begin()));
}

fn is_idle() {
    QUIET.take();
}

/// A runtime in a thread of its own, which goes with it. A call that hangs holds up nobody who drops it.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    /// The runtime ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    pub(super) fn start() -> Result<Self, OtlpError> {
        let failed = |error: io::Error| OtlpError::new(format!("no thread for gRPC could be started: {error}"));
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::sync_channel(1);
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_thread_park(is_idle).on_thread_unpark(is_at_work);
        let run = move || match builder.build() {
            Ok(runtime) => {
                is_at_work();
                let _ = started.send(Ok(runtime.handle().clone()));
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
                is_idle();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        thread::Builder::new().name("otel-trace-grpc".to_owned()).spawn(run).map_err(failed)?;
        let handle = start.recv().map_err(|_| OtlpError::new("the thread for gRPC ended at once"))?.map_err(failed)?;
        Ok(Self { handle, _stop: stop })
    }

    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}
