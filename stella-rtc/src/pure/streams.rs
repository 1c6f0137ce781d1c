//! Adapter around `livekit-data-stream`: text in pieces, both ways.

use super::shared::{DataCommand, Shared};
use crate::{
    engine::TextWriter,
    error::RtcError,
    event::{RtcEvent, TextSource, TextStreamInfo, TextStreamReader},
    info::StreamId,
    options::TextOptions,
};
use async_trait::async_trait;
use futures_util::StreamExt;
use livekit_common::{ClientCapability, EncryptionType, ParticipantIdentity, RemoteParticipantRegistry};
use livekit_data_stream::{
    api::{self, AnyStreamReader, StreamCloser, StreamReader, StreamWriter},
    backend::{Packet, incoming, outgoing},
};
use livekit_protocol::{self as proto, data_packet::Value, data_stream};
use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// Open streams of one sender, and of all, at most.
const MAX_PER_SENDER: usize = 32;
const MAX_OPEN: usize = 256;
/// A stream that has been silent this long is closed when room is needed.
const IDLE: Duration = Duration::from_secs(60);

/// Starts the sending side: its packets go to `data`.
pub(crate) fn outgoing(data: mpsc::Sender<DataCommand>) -> outgoing::Manager {
    let (manager, mut packets) = outgoing::Manager::new();
    tokio::spawn(async move {
        while let Ok((packets, responder)) = packets.recv().await {
            let (reply, done) = oneshot::channel();
            let command = DataCommand { packets, reliable: true, reply };
            let sent = data.send(command).await.is_ok() && matches!(done.await, Ok(Ok(())));
            let _ = responder.respond(sent.then_some(()).ok_or(api::SendError));
        }
    });
    manager
}

pub(crate) fn send_options(options: TextOptions) -> api::SendTextOptions {
    let mut out = api::SendTextOptions::new_with_topic(options.topic)
        .with_attributes(options.attributes)
        .with_destination_identities(options.to.iter().map(|to| to.as_str().into()).collect())
        .with_generated(options.generated);
    out.id = options.stream_id.map(|id| id.as_str().to_owned());
    out.reply_to_stream_id = options.reply_to.map(|id| id.as_str().to_owned());
    out.sender_identity = options.sender.map(|sender| sender.as_str().into());
    out
}

pub(crate) fn open_options(options: TextOptions) -> api::StreamTextOptions {
    let mut out = api::StreamTextOptions::new_with_topic(options.topic)
        .with_attributes(options.attributes)
        .with_destination_identities(options.to.iter().map(|to| to.as_str().into()).collect())
        .with_generated(options.generated);
    out.id = options.stream_id.map(|id| id.as_str().to_owned());
    out.reply_to_stream_id = options.reply_to.map(|id| id.as_str().to_owned());
    out.sender_identity = options.sender.map(|sender| sender.as_str().into());
    out
}

/// What a failed send means. `ended` is the session's end, if it has ended.
pub(crate) fn send_error(error: &api::StreamError, ended: Option<RtcError>) -> RtcError {
    match error {
        api::StreamError::HeaderTooLarge => RtcError::TooLarge { size: 15_001, limit: 15_000 },
        api::StreamError::AlreadyClosed => RtcError::Closed { what: "the text stream" },
        _ => ended.unwrap_or(RtcError::Closed { what: "the data channel" }),
    }
}

/// An open outgoing stream. `K` keeps the session alive.
pub(crate) struct Writer<K> {
    id: StreamId,
    writer: api::TextStreamWriter,
    shared: std::sync::Arc<Shared>,
    _session: K,
}

impl<K> Writer<K> {
    pub(crate) fn new(writer: api::TextStreamWriter, shared: std::sync::Arc<Shared>, session: K) -> Self {
        Self { id: writer.info().id.as_str().into(), writer, shared, _session: session }
    }
}

#[async_trait]
impl<K: Send + Sync + 'static> TextWriter for Writer<K> {
    fn id(&self) -> &StreamId {
        &self.id
    }

    async fn write(&mut self, text: &str) -> Result<(), RtcError> {
        let sent = self.writer.write(text).await;
        sent.map_err(|error| send_error(&error, self.shared.ended()))
    }

    async fn close(self: Box<Self>, attributes: HashMap<String, String>) -> Result<(), RtcError> {
        let Self { writer, shared, .. } = *self;
        let closed = writer.close_with_options(None, Some(attributes)).await;
        closed.map_err(|error| send_error(&error, shared.ended()))
    }
}

impl<K> fmt::Debug for Writer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextWriter").field(&self.id).finish()
    }
}

impl RemoteParticipantRegistry for Shared {
    fn remote_client_protocol(&self, identity: &ParticipantIdentity) -> i32 {
        self.room.read().remote(identity.as_str()).map_or(0, |member| member.client_protocol)
    }

    fn remote_capabilities(&self, identity: &ParticipantIdentity) -> Vec<ClientCapability> {
        let room = self.room.read();
        let known = room.remote(identity.as_str()).map(|member| member.capabilities.as_slice()).unwrap_or_default();
        known.iter().filter_map(|capability| ClientCapability::try_from(*capability).ok()).collect()
    }

    fn remote_identities(&self) -> Vec<ParticipantIdentity> {
        self.room.read().remotes().map(|member| member.info.identity.as_str().into()).collect()
    }
}

/// Which incoming streams are open, and whose packets belong to them.
#[derive(Debug, Default)]
struct Gate {
    open: HashMap<String, (String, Instant)>,
}

impl Gate {
    /// Whether a packet of `sender` may pass.
    fn admit(&mut self, now: Instant, sender: &str, value: &Value) -> bool {
        match value {
            Value::StreamHeader(header) => self.admit_header(now, sender, header),
            Value::StreamChunk(chunk) => self.touch(now, sender, &chunk.stream_id),
            Value::StreamTrailer(trailer) => {
                let known = self.touch(now, sender, &trailer.stream_id);
                if known {
                    self.open.remove(&trailer.stream_id);
                }
                known
            }
            _ => false,
        }
    }

    fn admit_header(&mut self, now: Instant, sender: &str, header: &data_stream::Header) -> bool {
        let is_text = matches!(header.content_header, Some(data_stream::header::ContentHeader::TextHeader(_)));
        if !is_text || self.open.contains_key(&header.stream_id) {
            return false;
        }
        if header.inline_content.is_some() {
            return true; // complete in itself
        }
        let of_sender = self.open.values().filter(|(of, _)| of == sender).count();
        if of_sender >= MAX_PER_SENDER || self.open.len() >= MAX_OPEN {
            return false;
        }
        self.open.insert(header.stream_id.clone(), (sender.to_owned(), now));
        true
    }

    fn touch(&mut self, now: Instant, sender: &str, id: &str) -> bool {
        match self.open.get_mut(id) {
            Some((of, at)) if of == sender => {
                *at = now;
                true
            }
            _ => false,
        }
    }

    fn idle(&self, now: Instant) -> Vec<String> {
        let is_idle = |at: &Instant| now.saturating_duration_since(*at) > IDLE;
        self.open.iter().filter(|(_, (_, at))| is_idle(at)).map(|(id, _)| id.clone()).collect()
    }
}

/// The receiving side.
pub(crate) struct Incoming {
    input: incoming::ManagerInput,
    output: mpsc::UnboundedReceiver<incoming::OutputEvent>,
    gate: Gate,
    closers: HashMap<String, StreamCloser>,
    limit: usize,
}

impl Incoming {
    /// Takes streams of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let (manager, input, output) = incoming::Manager::new(Some(limit));
        tokio::spawn(manager.run());
        Self { input, output, gate: Gate::default(), closers: HashMap::new(), limit }
    }

    /// Takes a packet of a stream; false if it was refused.
    pub(crate) fn push(&mut self, now: Instant, sender: &str, value: Value) -> bool {
        if self.gate.open.len() >= MAX_PER_SENDER {
            for id in self.gate.idle(now) {
                self.gate.open.remove(&id);
                if let Some(closer) = self.closers.remove(&id) {
                    closer.close();
                }
            }
        }
        if !self.gate.admit(now, sender, &value) {
            return false;
        }
        let encryption_type = EncryptionType::None;
        let packet = match value {
            Value::StreamHeader(header) => Packet::Header { header: header.into(), encryption_type },
            Value::StreamChunk(chunk) => Packet::Chunk { chunk: chunk.into(), encryption_type },
            Value::StreamTrailer(trailer) => Packet::Trailer { trailer: trailer.into(), encryption_type },
            _ => return false,
        };
        self.input.send(incoming::PacketReceived::new(packet, sender.into()).into()).is_ok()
    }

    /// A participant left: its streams break off.
    pub(crate) fn abort_from(&mut self, sender: &str) {
        self.gate.open.retain(|_, (of, _)| of != sender);
        let _ = self.input.send(incoming::InputEvent::AbortStreamsFrom(sender.into()));
    }

    /// Packets were lost for good: every stream breaks off.
    pub(crate) fn abort_all(&mut self) {
        self.gate.open.clear();
        let _ = self.input.send(incoming::InputEvent::AbortAllStreams);
    }

    /// The next event for the caller. Cancel-safe.
    pub(crate) async fn next(&mut self) -> RtcEvent {
        loop {
            match self.output.recv().await {
                Some(incoming::OutputEvent::StreamOpened(opened)) => {
                    if let Some(event) = self.opened(opened) {
                        return event;
                    }
                }
                Some(incoming::OutputEvent::StreamClosed(closed)) => {
                    self.gate.open.remove(closed.stream_id.as_str());
                    self.closers.remove(closed.stream_id.as_str());
                }
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn opened(&mut self, opened: incoming::StreamOpened) -> Option<RtcEvent> {
        let AnyStreamReader::Text(reader) = opened.stream_reader else { return None };
        let info = reader.info();
        if self.gate.open.contains_key(&info.id) {
            self.closers.insert(info.id.clone(), reader.closer());
        }
        let millis = u64::try_from(info.timestamp.timestamp_millis()).unwrap_or(0);
        let info = TextStreamInfo {
            id: info.id.as_str().into(),
            topic: info.topic.clone(),
            from: opened.participant_identity.0.as_str().into(),
            attributes: info.attributes(),
            total_length: info.total_length,
            timestamp: Duration::from_millis(millis),
        };
        let source = Source { reader, limit: self.limit, over: false };
        Some(RtcEvent::TextStream { reader: TextStreamReader { info, source: Box::new(source) } })
    }
}

struct Source {
    reader: api::TextStreamReader,
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
            api::StreamError::PayloadTooLarge => RtcError::TooLarge { size: self.limit + 1, limit: self.limit },
            _ => RtcError::Closed { what: "the text stream" },
        }))
    }

    fn attributes(&self) -> HashMap<String, String> {
        self.reader.info().attributes()
    }
}

/// Whether a packet belongs to a stream.
pub(crate) fn is_stream(packet: &proto::DataPacket) -> bool {
    matches!(packet.value, Some(Value::StreamHeader(_) | Value::StreamChunk(_) | Value::StreamTrailer(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: &str) -> Value {
        Value::StreamHeader(data_stream::Header {
            stream_id: id.into(),
            topic: "lk.chat".into(),
            content_header: Some(data_stream::header::ContentHeader::TextHeader(data_stream::TextHeader::default())),
            ..data_stream::Header::default()
        })
    }

    fn chunk(id: &str, index: u64, content: &[u8]) -> Value {
        let chunk = data_stream::Chunk {
            stream_id: id.into(),
            chunk_index: index,
            content: content.into(),
            ..Default::default()
        };
        Value::StreamChunk(chunk)
    }

    fn trailer(id: &str, final_: &str) -> Value {
        let attributes = HashMap::from([("lk.transcription_final".to_owned(), final_.to_owned())]);
        Value::StreamTrailer(data_stream::Trailer { stream_id: id.into(), reason: String::new(), attributes })
    }

    async fn reader(incoming: &mut Incoming) -> TextStreamReader {
        match incoming.next().await {
            RtcEvent::TextStream { reader } => reader,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_stream_is_read_with_its_closing_attributes_and_strangers_cannot_write_into_it() {
        let (now, mut incoming) = (Instant::now(), Incoming::new(1_000));
        assert!(incoming.push(now, "ann", header("one")));
        assert!(!incoming.push(now, "eve", chunk("one", 0, b"lies")));
        assert!(!incoming.push(now, "eve", trailer("one", "true")));
        assert!(incoming.push(now, "ann", chunk("one", 0, "hé".as_bytes())));
        assert!(incoming.push(now, "ann", trailer("one", "true")));
        let mut reader = reader(&mut incoming).await;
        assert_eq!(reader.info().from.as_str(), "ann");
        assert_eq!(reader.next().await, Some(Ok("hé".into())));
        assert_eq!(reader.next().await, None);
        assert_eq!(reader.attributes()["lk.transcription_final"], "true");
    }

    #[tokio::test]
    async fn a_stream_that_is_too_long_fails_for_its_reader() {
        let (now, mut incoming) = (Instant::now(), Incoming::new(1_000));
        assert!(incoming.push(now, "ann", header("one")));
        for index in 0..3 {
            incoming.push(now, "ann", chunk("one", index, &[b'x'; 400]));
        }
        let result = reader(&mut incoming).await.read_all().await;
        assert_eq!(result, Err(RtcError::TooLarge { size: 1_001, limit: 1_000 }));
    }

    #[tokio::test]
    async fn open_streams_are_bounded_and_idle_ones_make_room() {
        let (now, mut incoming) = (Instant::now(), Incoming::new(1_000));
        let opened = (0..100).filter(|n| incoming.push(now, "ann", header(&n.to_string()))).count();
        assert_eq!(opened, MAX_PER_SENDER);
        assert!(incoming.push(now, "bob", header("bob's")), "others are not affected");
        assert!(incoming.push(now + IDLE * 2, "ann", header("new")));
        incoming.abort_from("bob");
        assert!(!incoming.push(now, "bob", chunk("bob's", 0, b"late")));
    }
}
