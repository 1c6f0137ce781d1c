//! Text streams.

use crate::{convert, error, shared::Guard};
use async_trait::async_trait;
use futures_util::StreamExt;
use livekit::{SendTextOptions, StreamError, StreamReader, StreamTextOptions, StreamWriter, TextStreamWriter};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use stella_rtc::{RtcError, StreamId, TextOptions, TextStreamInfo, TextStreamReader, TextWriter, backend::TextSource};

pub(crate) fn send_options(options: TextOptions) -> SendTextOptions {
    let mut out = SendTextOptions::new_with_topic(options.topic)
        .with_attributes(options.attributes)
        .with_destination_identities(convert::to_sdk_identities(&options.to))
        .with_generated(options.generated);
    out.id = options.stream_id.map(|id| id.as_str().to_owned());
    out.reply_to_stream_id = options.reply_to.map(|id| id.as_str().to_owned());
    out.sender_identity = options.sender.map(|sender| sender.as_str().into());
    out
}

pub(crate) fn open_options(options: TextOptions) -> StreamTextOptions {
    let mut out = StreamTextOptions::new_with_topic(options.topic)
        .with_attributes(options.attributes)
        .with_destination_identities(convert::to_sdk_identities(&options.to))
        .with_generated(options.generated);
    out.id = options.stream_id.map(|id| id.as_str().to_owned());
    out.reply_to_stream_id = options.reply_to.map(|id| id.as_str().to_owned());
    out.sender_identity = options.sender.map(|sender| sender.as_str().into());
    out
}

/// An open outgoing stream.
pub(crate) struct Writer {
    id: StreamId,
    writer: TextStreamWriter,
    guard: Arc<Guard>,
}

impl Writer {
    pub(crate) fn new(writer: TextStreamWriter, guard: Arc<Guard>) -> Self {
        Self { id: writer.info().id.as_str().into(), writer, guard }
    }
}

#[async_trait]
impl TextWriter for Writer {
    fn id(&self) -> &StreamId {
        &self.id
    }

    async fn write(&mut self, text: &str) -> Result<(), RtcError> {
        self.guard.shared().check()?;
        let written = self.writer.write(text).await;
        written.map_err(|e| self.guard.shared().explain(error::of_stream(&e)))
    }

    async fn close(self: Box<Self>, attributes: HashMap<String, String>) -> Result<(), RtcError> {
        let Self { writer, guard, .. } = *self;
        guard.shared().check()?;
        let closed = writer.close_with_options(None, Some(attributes)).await;
        closed.map_err(|e| guard.shared().explain(error::of_stream(&e)))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextWriter").field(&self.id).finish()
    }
}

/// The reader of an incoming stream, which the SDK cuts off beyond `limit` bytes.
pub(crate) fn reader(
    reader: livekit::TextStreamReader,
    from: &livekit::prelude::ParticipantIdentity,
    limit: usize,
) -> TextStreamReader {
    let about = reader.info();
    let mut info = TextStreamInfo::new(about.id.as_str().into(), about.topic.as_str(), convert::identity(from));
    info.attributes = about.attributes();
    info.total_length = about.total_length;
    info.timestamp = Duration::from_millis(u64::try_from(about.timestamp.timestamp_millis()).unwrap_or(0));
    TextStreamReader::new(info, Box::new(Source { reader, limit, over: false }))
}

struct Source {
    reader: livekit::TextStreamReader,
    limit: usize,
    over: bool,
}

#[async_trait]
impl TextSource for Source {
    async fn next(&mut self) -> Option<Result<String, RtcError>> {
        if self.over {
            return None;
        }
        let piece = self.reader.next().await?;
        self.over = piece.is_err();
        Some(piece.map_err(|error| match error {
            StreamError::PayloadTooLarge => RtcError::TooLarge { size: self.limit + 1, limit: self.limit },
            _ => RtcError::Closed { what: "the text stream" },
        }))
    }

    fn attributes(&self) -> HashMap<String, String> {
        self.reader.info().attributes()
    }
}
