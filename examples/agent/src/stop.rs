//! A request to stop, for as many as have to hear of it.

use tokio::sync::watch;

/// Who asks for the stop.
#[derive(Debug, Clone)]
pub(crate) struct StopHandle(watch::Sender<Option<String>>);

/// Who has to hear of it.
#[derive(Debug, Clone)]
pub(crate) struct StopSignal(watch::Receiver<Option<String>>);

impl StopHandle {
    pub(crate) fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), StopSignal(receiver))
    }

    /// Asks for the stop. The first reason stands.
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
    /// Waits until somebody asks for it, and says why.
    pub(crate) async fn requested(&self) -> String {
        let mut request = self.0.clone();
        let reason = request.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // Nobody is left who could ask.
            None => std::future::pending().await,
        }
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}
