//! Typed text.

use std::{collections::VecDeque, time::Duration};

use stella_rtc::{ParticipantIdentity, TextStreamReader};

/// Topic of typed text.
pub(super) const TOPIC: &str = "lk.chat";
/// Longest wait for the rest of a message.
const READ_BY: Duration = Duration::from_secs(10);
/// Messages of strangers that are kept at most; older ones give way.
const STRANGERS: usize = 16;

/// Messages that came before the server told who is writing: of somebody without a track it tells up to three seconds late
/// (livekit-server 1.13 `rtc/room.go`, `subscriberUpdateInterval`).
#[derive(Debug, Default)]
pub(super) struct FromStrangers(VecDeque<(ParticipantIdentity, String)>);

impl FromStrangers {
    /// Keeps a message until its sender is known.
    pub(super) fn keep(&mut self, from: ParticipantIdentity, text: String) {
        if self.0.len() == STRANGERS {
            self.0.pop_front();
        }
        self.0.push_back((from, text));
    }

    /// The messages of somebody who is known now, the oldest first.
    pub(super) fn take(&mut self, from: &ParticipantIdentity) -> Vec<String> {
        let (theirs, others) = self.0.drain(..).partition(|(sender, _)| sender == from);
        self.0 = others;
        VecDeque::into_iter(theirs).map(|(_, text)| text).collect()
    }
}

/// Reads a whole message; `None` if it is empty or breaks off.
pub(super) async fn read(reader: TextStreamReader) -> Option<String> {
    let from = reader.info().from.clone();
    match tokio::time::timeout(READ_BY, reader.read_all()).await {
        Ok(Ok(text)) => Some(text).filter(|text| !text.trim().is_empty()),
        Ok(Err(error)) => {
            tracing::warn!(%from, %error, "a typed message could not be read");
            None
        }
        Err(_) => {
            tracing::warn!(%from, "a typed message did not end within {READ_BY:?}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_for_their_sender_in_order() {
        let [ada, bob] = ["ada", "bob"].map(ParticipantIdentity::from);
        let mut messages = FromStrangers::default();
        for (from, text) in [(&ada, "one"), (&bob, "two"), (&ada, "three")] {
            messages.keep(from.clone(), text.to_owned());
        }
        assert_eq!(messages.take(&ada), ["one", "three"]);
        assert!(messages.take(&ada).is_empty());
        assert_eq!(messages.take(&bob), ["two"]);
    }

    #[test]
    fn the_oldest_messages_give_way() {
        let ada = ParticipantIdentity::from("ada");
        let mut messages = FromStrangers::default();
        for number in 0..STRANGERS + 2 {
            messages.keep(ada.clone(), number.to_string());
        }
        let kept = messages.take(&ada);
        assert_eq!((kept.len(), kept[0].as_str()), (STRANGERS, "2"));
    }
}
