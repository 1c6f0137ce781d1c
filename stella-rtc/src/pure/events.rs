//! Hands events to a reader that may be slow.

use crate::{
    error::DisconnectReason,
    event::{EventStream, RtcEvent},
};
use tokio::sync::mpsc;

/// The sending side of an [`EventStream`]. It never waits.
#[derive(Debug)]
pub struct Events {
    sender: mpsc::Sender<RtcEvent>,
    /// Dropped since the last event that went through.
    missed: u64,
    dropped: u64,
}

impl Events {
    /// A bounded stream.
    #[must_use]
    pub fn new(capacity: usize) -> (Self, EventStream) {
        let (sender, receiver) = mpsc::channel(capacity.max(16));
        (Self { sender, missed: 0, dropped: 0 }, receiver)
    }

    /// Sends, or drops and counts.
    pub fn emit(&mut self, event: RtcEvent) {
        if self.missed > 0 {
            if self.sender.try_send(RtcEvent::Lagged { missed: self.missed }).is_err() {
                return self.drop_one();
            }
            self.missed = 0;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(event) {
            self.drop_one();
        }
    }

    /// Events dropped in all.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends the last event, whenever the reader makes room.
    pub fn finish(&self, reason: DisconnectReason) -> impl Future<Output = ()> + Send + use<> {
        let (sender, missed) = (self.sender.clone(), self.missed);
        async move {
            if missed > 0 && sender.send(RtcEvent::Lagged { missed }).await.is_err() {
                return;
            }
            let _ = sender.send(RtcEvent::Disconnected { reason }).await;
        }
    }

    fn drop_one(&mut self) {
        self.missed += 1;
        self.dropped += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_learns_what_it_missed_and_always_gets_the_end() {
        let (mut events, mut stream) = Events::new(16);
        for _ in 0..20 {
            events.emit(RtcEvent::Reconnecting);
        }
        for _ in 0..2 {
            assert!(matches!(stream.recv().await, Some(RtcEvent::Reconnecting)));
        }
        events.emit(RtcEvent::TokenRefreshed);
        assert_eq!(events.dropped(), 4);
        let end = tokio::spawn(events.finish(DisconnectReason::ClientInitiated));
        drop(events);
        for _ in 0..14 {
            assert!(matches!(stream.recv().await, Some(RtcEvent::Reconnecting)));
        }
        assert!(matches!(stream.recv().await, Some(RtcEvent::Lagged { missed: 4 })));
        assert!(matches!(stream.recv().await, Some(RtcEvent::TokenRefreshed)));
        assert!(matches!(stream.recv().await, Some(RtcEvent::Disconnected { .. })));
        assert!(stream.recv().await.is_none());
        end.await.expect("no panic");
    }
}
