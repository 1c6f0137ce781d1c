//! Adapter around `livekit-signaling`: one task owns the client, so that nothing else ever waits for its socket.
//!
//! Requests leave in the order they were given. Dropping the handle closes the connection: the client itself would go
//! on answering pings after it was dropped, and a dead session would look alive to the server.

use super::convert;
use crate::error::{DisconnectReason, RtcError};
use livekit_protocol::{self as proto, signal_request, signal_response};
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalEvents, SignalOptions};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How long one request may take to leave. A socket that takes longer is dead, and its ping will say so.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// How long the server may take to answer a goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);
/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(4);
/// Longest text of the server that is put into an error.
const MAX_DETAIL: usize = 200;
const NO_TLS: &str = "the server does not speak TLS; use ws:// instead of wss://";

/// What the server or the connection said.
pub(crate) enum SignalInput {
    Message(Box<signal_response::Message>),
    /// The connection is gone.
    Closed(String),
    /// The end of a [`Signal::restart`].
    Restarted(Result<proto::ReconnectResponse, RestartError>),
}

/// Why a connection could not be restarted.
#[derive(Debug)]
pub(crate) enum RestartError {
    /// The server no longer knows the session. Join anew.
    Refused,
    /// Joining anew would fail too.
    Fatal(DisconnectReason),
    /// Try again.
    Failed(String),
}

enum Request {
    Send(Box<signal_request::Message>),
    Restart(proto::ReconnectReason),
    Reconnected,
    Close(Option<proto::LeaveRequest>, oneshot::Sender<()>),
}

/// Handle to the signalling task of one join.
pub(crate) struct Signal {
    requests: mpsc::UnboundedSender<Request>,
    inputs: mpsc::UnboundedReceiver<SignalInput>,
}

impl Signal {
    /// Connects and joins.
    pub(crate) async fn join(url: &str, token: &str) -> Result<(Self, proto::JoinResponse), RtcError> {
        let mut options = SignalOptions::default();
        options.auto_subscribe = false; // the session asks for what it can receive
        options.protocol_version = 16; // data channels opened in-band, no packet trailers
        options.client_capabilities = vec![proto::client_info::Capability::CapCompressionDeflateRaw];
        let (client, join, events) =
            SignalClient::connect(url, token, options, None).await.map_err(|error| convert_error(error, token))?;
        // The client asserts on these two later, in its own task.
        if join.ping_interval <= 0 || join.ping_timeout <= 0 || join.participant.is_none() {
            client.close().await;
            return Err(RtcError::Protocol { detail: "join response without participant or ping interval".into() });
        }
        let (requests, inbox) = mpsc::unbounded_channel();
        let (outbox, inputs) = mpsc::unbounded_channel();
        tokio::spawn(Task { client: Arc::new(client), events, outbox }.run(inbox));
        Ok((Self { requests, inputs }, join))
    }

    /// Queues a request.
    pub(crate) fn send(&self, message: signal_request::Message) {
        let _ = self.requests.send(Request::Send(Box::new(message)));
    }

    /// Opens a new connection for the same session; ends in [`SignalInput::Restarted`]. Until then nothing comes from
    /// the old connection.
    pub(crate) fn restart(&self, reason: proto::ReconnectReason) {
        let _ = self.requests.send(Request::Restart(reason));
    }

    /// The resume is complete: requests held back since the restart may leave.
    pub(crate) fn reconnected(&self) {
        let _ = self.requests.send(Request::Reconnected);
    }

    /// Says goodbye, if there is something to say, and closes. Waits until it is done.
    pub(crate) async fn close(self, leave: Option<proto::LeaveRequest>) {
        let (done, wait) = oneshot::channel();
        if self.requests.send(Request::Close(leave, done)).is_ok() {
            let _ = tokio::time::timeout(CLOSE_LIMIT + SEND_LIMIT, wait).await;
        }
    }

    /// What comes next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> SignalInput {
        match self.inputs.recv().await {
            Some(input) => input,
            None => std::future::pending().await,
        }
    }
}

struct Task {
    client: Arc<SignalClient>,
    events: SignalEvents,
    outbox: mpsc::UnboundedSender<SignalInput>,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Request>) {
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    let input = match event {
                        Some(SignalEvent::Message(message)) => SignalInput::Message(message),
                        Some(SignalEvent::Close(why)) => SignalInput::Closed(why.into_owned()),
                        None => break,
                    };
                    if self.outbox.send(input).is_err() {
                        break;
                    }
                }
                request = inbox.recv() => match request {
                    Some(Request::Send(message)) => self.send(*message).await,
                    Some(Request::Restart(reason)) => self.restart(reason).await,
                    Some(Request::Reconnected) => self.client.set_reconnected().await,
                    Some(Request::Close(leave, done)) => {
                        if let Some(leave) = leave {
                            self.send(signal_request::Message::Leave(leave)).await;
                            self.parted().await;
                        }
                        self.close().await;
                        let _ = done.send(());
                        return;
                    }
                    None => break,
                },
            }
        }
        self.close().await;
    }

    async fn send(&self, message: signal_request::Message) {
        if tokio::time::timeout(SEND_LIMIT, self.client.send(message)).await.is_err() {
            tracing::debug!("a signalling request did not leave within {SEND_LIMIT:?}");
        }
    }

    /// The old connection is closed first, so that its last events, its own end among them, can be told from those of
    /// the new one.
    async fn restart(&mut self, reason: proto::ReconnectReason) {
        self.close().await;
        while let Ok(event) = self.events.try_recv() {
            if let SignalEvent::Message(message) = event
                && !is_negotiation(&message)
            {
                let _ = self.outbox.send(SignalInput::Message(message));
            }
        }
        let client = self.client.clone();
        // In a task of its own: a panic in the client must not take this task with it.
        let restarted = match tokio::spawn(async move { client.restart(reason).await }).await {
            Ok(result) => result.map_err(restart_error),
            Err(_) => Err(RestartError::Failed("the signalling client failed".into())),
        };
        let _ = self.outbox.send(SignalInput::Restarted(restarted));
    }

    /// Waits until the server has answered a goodbye. If the connection is closed before, and the server is writing to it
    /// at that moment, it does not read the goodbye any more.
    async fn parted(&mut self) {
        let parting = async {
            loop {
                match self.events.recv().await {
                    Some(SignalEvent::Message(message)) if !matches!(*message, signal_response::Message::Leave(_)) => {}
                    Some(SignalEvent::Message(_) | SignalEvent::Close(_)) | None => return,
                }
            }
        };
        if tokio::time::timeout(GOODBYE_LIMIT, parting).await.is_err() {
            tracing::debug!("the server did not answer the goodbye within {GOODBYE_LIMIT:?}");
        }
    }

    async fn close(&self) {
        if tokio::time::timeout(CLOSE_LIMIT, self.client.close()).await.is_err() {
            tracing::debug!("the signalling connection did not close within {CLOSE_LIMIT:?}");
        }
    }
}

/// Whether a message is about media connections, and so worthless once its connection is gone.
fn is_negotiation(message: &signal_response::Message) -> bool {
    use signal_response::Message;
    matches!(message, Message::Offer(_) | Message::Answer(_) | Message::Trickle(_))
}

fn restart_error(error: SignalError) -> RestartError {
    match error {
        SignalError::LeaveRequest { reason, action } => {
            if action == proto::leave_request::Action::Disconnect {
                RestartError::Fatal(convert::disconnect_reason(reason as i32))
            } else {
                RestartError::Refused
            }
        }
        SignalError::Handshake { status } if (400..500).contains(&status.as_u16()) => RestartError::Refused,
        other => RestartError::Failed(other.to_string()),
    }
}

/// `token` is cut out of whatever the server said: its messages may quote it.
fn convert_error(error: SignalError, token: &str) -> RtcError {
    let clean = |text: String| {
        let text = if token.is_empty() { text } else { text.replace(token, "…") };
        one_line(&text)
    };
    match error {
        SignalError::UrlParse(reason) => RtcError::InvalidUrl { reason: clean(reason) },
        SignalError::TokenFormat => RtcError::Unauthorized { detail: "the token has invalid characters".into() },
        SignalError::Client(status, detail) | SignalError::Server(status, detail) => {
            http_error(status.as_u16(), clean(detail))
        }
        SignalError::Handshake { status } => http_error(status.as_u16(), "WebSocket handshake refused".into()),
        SignalError::Timeout(_) => {
            RtcError::Timeout { what: "joining the signalling server", limit: livekit_signaling::JOIN_RESPONSE_TIMEOUT }
        }
        SignalError::LeaveRequest { reason, .. } => {
            RtcError::Disconnected { reason: convert::disconnect_reason(reason as i32) }
        }
        SignalError::ProtoParse(error) => RtcError::Protocol { detail: clean(error.to_string()) },
        other => {
            let detail = clean(other.to_string());
            // What rustls says of an answer that is not TLS.
            let plain = detail.contains("InvalidContentType");
            RtcError::Unreachable { detail: if plain { NO_TLS.into() } else { detail } }
        }
    }
}

/// What a server said, as a part of one line: without line ends, and without the web page of a server of another kind.
fn one_line(text: &str) -> String {
    if text.trim_start().starts_with('<') {
        return "a web page".into();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_DETAIL).collect()
}

fn http_error(status: u16, detail: String) -> RtcError {
    match status {
        401 => RtcError::Unauthorized { detail },
        403 => RtcError::NotPermitted { what: detail },
        404 => RtcError::Server { status, detail: format!("{detail} (is this the address of a LiveKit server?)") },
        _ => RtcError::Server { status, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_never_shows_in_an_error() {
        let status = "401".parse().expect("a status");
        let error =
            convert_error(SignalError::Client(status, "invalid token: s3cret, error: expired".into()), "s3cret");
        assert_eq!(error, RtcError::Unauthorized { detail: "invalid token: …, error: expired".into() });
    }

    #[test]
    fn an_error_is_one_short_line() {
        let not_found = |text: &str| {
            let error = convert_error(SignalError::Client("404".parse().expect("a status"), text.into()), "token");
            assert!(matches!(error, RtcError::Server { status: 404, .. }), "{error:?}");
            error.to_string()
        };
        assert!(not_found("404 page not found\n").starts_with("server answered 404: 404 page not found (is this"));
        assert!(not_found("\n<!DOCTYPE html>\n<html>").starts_with("server answered 404: a web page (is this"));
        let long = not_found(&"two\r\nlines ".repeat(1_000));
        assert!(!long.contains(['\n', '\r']) && long.len() < 300, "{long}");
    }
}
