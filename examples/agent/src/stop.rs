//! A request to stop, for as many as have to hear of it.

use tokio::sync::watch;

/// Who asks for the stop.
#[derive(Debug, Clone)]
pub(crate) struct Stopper(watch::Sender<Option<String>>);

/// Who has to hear of it.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Option<String>>);

impl Stopper {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Stop(receiver))
    }

    /// Asks for the stop. The first reason stands.
    pub(crate) fn stop(&self, reason: &str) {
        self.0.send_if_modified(|asked| {
            let is_first = asked.is_none();
            if is_first {
                *asked = Some(reason.to_owned());
            }
            is_first
        });
    }
}

impl Stop {
    /// Waits until somebody asks for it, and says why.
    pub(crate) async fn requested(&self) -> String {
        let mut asked = self.0.clone();
        let reason = asked.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
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
