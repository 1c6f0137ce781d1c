//! Serves the page, and holds the line that the page opens to the test.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender},
    },
};
use tokio_tungstenite::tungstenite::Message;

const PAGE: &str = include_str!("page.html");

type Queue = Arc<Mutex<UnboundedReceiver<Value>>>;

/// Serves the page with the text of livekit-client, until dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    library: String,
    commands: UnboundedReceiver<Value>,
    events: UnboundedSender<Value>,
) {
    let library = Arc::new(library);
    let commands = Arc::new(Mutex::new(commands));
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(answer(connection, library.clone(), commands.clone(), events.clone()));
    }
}

async fn answer(mut connection: TcpStream, library: Arc<String>, commands: Queue, events: UnboundedSender<Value>) {
    let mut head = [0; 4_096];
    let Ok(length) = connection.peek(&mut head).await else { return };
    let request = String::from_utf8_lossy(&head[..length]);
    let (status, kind, body) = match request.split(' ').nth(1).unwrap_or_default() {
        "/line" => return hold(connection, commands, events).await,
        "/" => ("200 OK", "text/html", PAGE),
        "/livekit-client.js" => ("200 OK", "text/javascript", library.as_str()),
        _ => ("404 Not Found", "text/plain", ""),
    };
    // What was only looked at is taken now, or closing the connection would cut off the answer.
    let _ = connection.read(&mut head).await;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = connection.write_all(answer.as_bytes()).await;
}

/// Passes commands to the page and its events to the test.
async fn hold(connection: TcpStream, commands: Queue, events: UnboundedSender<Value>) {
    let Ok(line) = tokio_tungstenite::accept_async(connection).await else { return };
    let (mut to_page, mut from_page) = line.split();
    let mut commands = commands.lock().await;
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some(command) = command else { return };
                let _ = to_page.send(Message::text(command.to_string())).await;
            }
            message = from_page.next() => {
                let Some(Ok(message)) = message else { return };
                let _ = message.to_text().map(serde_json::from_str).map(|event| event.map(|event| events.send(event)));
            }
        }
    }
}
