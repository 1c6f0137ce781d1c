//! A signalling proxy that changes what the server says.

use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{SignalResponse, signal_response::Message as Said};
use prost::Message as _;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    accept_hdr_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
    },
};

/// What is sent on in place of one message.
pub(crate) type Change = Box<dyn FnMut(Said) -> Vec<Said> + Send>;

/// Forwards signalling to the server at `url`, with `change` applied to all that it says. Returns its address.
pub(crate) async fn tampering(url: &str, change: Change) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (url, change) = (url.trim_end_matches('/').to_owned(), Arc::new(Mutex::new(change)));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(forward(client, url.clone(), change.clone()));
        }
    });
    format!("ws://127.0.0.1:{port}")
}

async fn forward(client: TcpStream, url: String, change: Arc<Mutex<Change>>) {
    let mut asked = None;
    #[allow(clippy::result_large_err)] // the library's signature
    let note = |request: &Request, response: Response| {
        asked = Some((request.uri().clone(), request.headers().get("authorization").cloned()));
        Ok(response)
    };
    let Ok(client) = accept_hdr_async(client, note).await else { return };
    let (path, authorization) = asked.expect("noted during the handshake");
    let mut request = format!("{url}{path}").into_client_request().expect("an address");
    if let Some(authorization) = authorization {
        request.headers_mut().insert("authorization", authorization);
    }
    let Ok((server, _)) = connect_async(request).await else { return };
    let ((mut to_client, mut from_client), (mut to_server, mut from_server)) = (client.split(), server.split());
    let outward = async {
        while let Some(Ok(message)) = from_client.next().await {
            if to_server.send(message).await.is_err() {
                return;
            }
        }
    };
    let inward = async {
        while let Some(Ok(message)) = from_server.next().await {
            let Message::Binary(bytes) = message else { continue };
            let Some(said) = SignalResponse::decode(bytes).ok().and_then(|response| response.message) else { continue };
            let changed = (*change.lock().expect("no panic"))(said);
            for said in changed {
                let bytes = SignalResponse { message: Some(said) }.encode_to_vec();
                if to_client.send(Message::Binary(bytes.into())).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = outward => {}
        () = inward => {}
    }
}
