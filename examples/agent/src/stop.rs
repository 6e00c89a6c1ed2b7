//! A request to stop, which any number of tasks can wait for.

use tokio::sync::watch;

/// The side of a stop request that sends it.
#[derive(Debug, Clone)]
pub(crate) struct StopHandle(watch::Sender<Option<String>>);

/// The side of a stop request that waits for it.
#[derive(Debug, Clone)]
pub(crate) struct StopSignal(watch::Receiver<Option<String>>);

impl StopHandle {
    pub(crate) fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), StopSignal(receiver))
    }

    /// Requests a stop for `reason`. If called again, the first reason is kept.
    pub(crate) fn stop(&self, reason: &str) {
        self.0.send_if_modified(|request| {
            let is_first = request.is_none();
            if is_first {
                *request = Some(reason.to_owned());
            }
            is_first
        });
    }
}

impl StopSignal {
    /// Waits until a stop is requested. Returns the reason.
    pub(crate) async fn requested(&self) -> String {
        let mut request = self.0.clone();
        let reason = request.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // All senders were dropped: no stop can be requested any more.
            None => std::future::pending().await,
        }
    }

    /// Returns the reason of the stop. Returns `None` if none was requested.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}
