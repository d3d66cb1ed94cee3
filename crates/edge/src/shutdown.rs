//! Telling everybody that it is time to go.

use tokio::sync::watch;

/// Asks everybody who holds its [`Shutdown`] to stop. Dropping it asks too.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Hears when it is time to stop.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Makes a pair.
    pub fn channel() -> (Stop, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Stop(sender), Shutdown(receiver))
    }

    /// Whether it is time.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is time.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn requested(&mut self) {
        // An error says that nobody is left to ask: then it is time too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Stop {
    /// Asks.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_it_whenever_they_listen() {
        let (stop, mut early) = Shutdown::channel();
        let mut late = early.clone();
        assert!(!early.is_requested());
        let waiting = tokio::spawn(async move { early.requested().await });
        stop.request();
        waiting.await.expect("the task ends by itself");
        late.requested().await;
        assert!(late.is_requested());
    }

    #[tokio::test]
    async fn a_lost_sender_stops_everybody_too() {
        let (stop, mut shutdown) = Shutdown::channel();
        drop(stop);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
