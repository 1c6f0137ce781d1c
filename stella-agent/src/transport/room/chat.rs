//! Typed text.

use std::time::Duration;

use stella_rtc::TextStreamReader;

/// Topic of typed text.
pub(super) const TOPIC: &str = "lk.chat";
/// Longest wait for the rest of a message.
const READ_BY: Duration = Duration::from_secs(10);

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
