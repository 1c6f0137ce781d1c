//! What cannot work fails with the right error, in time.

use crate::support::{OwnServer, PATIENCE, Peer, Us, key, room, setting, token, url};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use stella_rtc::{
    ConnectOptions, ConnectionState, DisconnectReason, PureEngine, ReconnectOptions, RtcEngine, RtcError, RtcEvent,
    Scenario,
    server::RoomServer,
    token::{self, ApiKey, TokenOptions},
};

async fn refusal(url: &str, token: &str) -> RtcError {
    let began = Instant::now();
    let error = PureEngine::new().connect(url, token, ConnectOptions::default()).await.expect_err("cannot work");
    assert!(began.elapsed() < Duration::from_secs(15), "{error} only after {:?}", began.elapsed());
    assert!(!format!("{error} {error:?}").contains(token), "the token shows: {error:?}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_accepted_says_so() {
    let error = refusal(&url(), "nonsense").await;
    assert!(matches!(error, RtcError::Unauthorized { .. }), "{error:?}");
    let wrong_key = ApiKey::new("devkey", "another secret, just as long as it has to be");
    let forged = token::mint(&wrong_key, &TokenOptions::new("room", "us")).expect("valid options");
    let error = refusal(&url(), &forged).await;
    assert!(matches!(error, RtcError::Unauthorized { .. }) && !error.retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_says_so() {
    let options = TokenOptions { ttl: Duration::from_secs(1), ..TokenOptions::new("room", "us") };
    let token = token::mint(&key(), &options).expect("valid options");
    // The server allows a minute of clock difference, so a token made now cannot be used: make it look old.
    let error = refusal(&url(), &expired(&token)).await;
    assert!(matches!(error, RtcError::Unauthorized { .. }), "{error:?}");
}

/// Signs the claims of `token` again with times of an hour ago, which no builder of tokens would do.
fn expired(token: &str) -> String {
    let script = "import base64, hashlib, hmac, json, sys, time\n\
        code = lambda b: base64.urlsafe_b64encode(b).rstrip(b'=')\n\
        head, body, _ = sys.argv[1].encode().split(b'.')\n\
        claims = json.loads(base64.urlsafe_b64decode(body + b'=='))\n\
        claims['nbf'], claims['exp'] = int(time.time()) - 7200, int(time.time()) - 3600\n\
        text = head + b'.' + code(json.dumps(claims).encode())\n\
        sign = code(hmac.new(sys.argv[2].encode(), text, hashlib.sha256).digest())\n\
        print((text + b'.' + sign).decode(), end='')";
    let secret = setting("STELLA_TEST_LIVEKIT_SECRET");
    let output =
        Command::new(setting("STELLA_TEST_PYTHON")).args(["-c", script, token, &secret]).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_used_says_so() {
    for url in ["", "nonsense", "ftp://127.0.0.1", "ws://"] {
        let error = refusal(url, "token").await;
        assert!(matches!(error, RtcError::InvalidUrl { .. }), "{url:?}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_says_so() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let error = refusal(&format!("ws://{closed}"), &token("room", "us")).await;
    assert!(matches!(error, RtcError::Unreachable { .. }) && error.retryable(), "{error:?}");

    // Accepts connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound");
    let error = refusal(&format!("ws://{address}"), &token("room", "us")).await;
    assert!(matches!(error, RtcError::Timeout { .. }) && error.retryable(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_token_does_not_allow_is_refused() {
    let room = room("quiet");
    let who = TokenOptions {
        can_publish: false,
        can_publish_data: false,
        can_update_own_metadata: false,
        ..TokenOptions::new(&*room, "us")
    };
    let us = Us::join_as(&url(), who, ConnectOptions::default()).await;
    let permitted = |error: RtcError| assert!(matches!(error, RtcError::NotPermitted { .. }), "{error:?}");
    permitted(us.session.publish_audio(Default::default()).await.expect_err("may not publish"));
    permitted(us.session.publish_data(Default::default()).await.expect_err("may not send"));
    permitted(us.session.send_text(Default::default(), "text").await.expect_err("may not send"));
    permitted(us.session.set_name("name".into()).await.expect_err("may not change itself"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_sent_away_says_why() {
    let room = room("away");
    let mut us = Us::join(&room).await;
    let server = RoomServer::new(&url(), &key());
    let there = server.participants(&room).await.expect("the server answers");
    assert!(there.iter().any(|participant| participant.identity.as_str() == "us" && participant.active));
    server.delete_room(&room).await.expect("the server answers");
    let reason = us
        .wait("the end", |event| match event {
            RtcEvent::Disconnected { reason } => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, DisconnectReason::RoomDeleted);
    assert_eq!(us.session.state(), ConnectionState::Disconnected);
    let error = us.session.publish_data(Default::default()).await.expect_err("over");
    assert_eq!(error, RtcError::Disconnected { reason });
    assert!(us.events.recv().await.is_none());
    server.delete_room(&room).await.expect("no such room is no error");
    assert!(server.participants(&room).await.expect("the server answers").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_mid_call_ends_the_session_after_its_attempts() {
    let mut server = OwnServer::start();
    let options = ConnectOptions {
        reconnect: ReconnectOptions { first_delay: Duration::from_millis(50), attempts: 4, ..Default::default() },
        ..Default::default()
    };
    let mut us = Us::join_at(&server.url(), &room("killed"), options).await;
    let (sink, _sounding) = us.sound(440.0).await;
    server.kill();
    us.wait("the loss", |event| matches!(event, RtcEvent::Reconnecting).then_some(())).await;
    let reason = us
        .wait("the end", |event| match event {
            RtcEvent::Disconnected { reason } => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, DisconnectReason::ReconnectFailed);
    let drained = tokio::time::timeout(PATIENCE, sink.drained()).await;
    drained.expect("nobody waits for a dead session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_subscribe_still_joins_and_comes_back() {
    let room = room("deaf");
    let who = TokenOptions { can_subscribe: false, ..TokenOptions::new(&*room, "us") };
    let mut us = Us::join_as(&url(), who, ConnectOptions::default()).await;
    assert!(us.session.local().permissions.is_some_and(|permissions| !permissions.can_subscribe));
    let (_sink, _sounding) = us.sound(440.0).await;
    us.session.simulate(Scenario::SignalReconnect).await.expect("connected");
    us.reconnected().await;
    let mut python = Peer::join(&room, "python").await;
    python.wait("track_subscribed", |event| event["identity"] == "us").await;
}
