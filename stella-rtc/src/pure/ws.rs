//! WebSocket connections without Nagle's delay, which would hold back small signalling messages by 40 ms.

use async_trait::async_trait;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{net::TcpStream, sync::Mutex};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue},
        protocol::WebSocketConfig,
    },
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Largest signalling message, in bytes.
const MAX_MESSAGE: usize = 4 << 20;

/// A connection that says nothing for this long is dead: pings are answered every few seconds. Without a limit, a server
/// that accepts connections and stays silent would keep a task and a socket of ours forever after each failed join.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// Makes signalling use this client, once for the process, unless the application has set one or uses a proxy.
pub(crate) fn install() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // Both providers may be built in, and then TLS has no default of its own. An error means that one is set.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
        let behind_proxy = proxies.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        if !livekit_net::has_ws_client() && !behind_proxy {
            livekit_net::set_ws_client(Arc::new(Client));
        }
    });
}

struct Client;

#[async_trait]
impl WsClient for Client {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let connection = |error: Error| TransportError::Connection(error.to_string());
        let mut request = url.into_client_request().map_err(connection)?;
        for header in headers {
            let name = HeaderName::try_from(header.name);
            let value = HeaderValue::try_from(header.value);
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(TransportError::Other("invalid header".into()));
            };
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        match tokio::time::timeout(Duration::from_millis(timeout_ms), connecting).await {
            Err(_) => Err(TransportError::Timeout),
            Ok(Err(Error::Http(response))) => Err(TransportError::Http { status: response.status().as_u16() }),
            Ok(Err(error)) => Err(connection(error)),
            Ok(Ok((socket, _))) => {
                let (writer, reader) = socket.split();
                let connection = Connection { writer: Mutex::new(writer), reader: Mutex::new(reader) };
                Ok(WsConnectResult { connection: Arc::new(connection) })
            }
        }
    }
}

struct Connection {
    writer: Mutex<SplitSink<Socket, Message>>,
    reader: Mutex<SplitStream<Socket>>,
}

#[async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let sent = self.writer.lock().await.send(Message::Binary(frame.into())).await;
        sent.map_err(|error| TransportError::Connection(error.to_string()))
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            let Ok(next) = tokio::time::timeout(MAX_SILENCE, reader.next()).await else { return Ok(None) };
            match next {
                Some(Ok(Message::Binary(frame))) => return Ok(Some(frame.into())),
                Some(Ok(Message::Ping(_))) => {
                    // The answer is queued by the library; writing is what sends it.
                    let _ = self.writer.lock().await.flush().await;
                }
                Some(Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed)) | None => {
                    return Ok(None);
                }
                Some(Ok(Message::Text(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(Error::Io(_) | Error::Protocol(_))) => return Ok(None), // cut off
                Some(Err(error)) => return Err(TransportError::Connection(error.to_string())),
            }
        }
    }

    async fn close(&self) {
        let _ = self.writer.lock().await.close().await;
    }
}
