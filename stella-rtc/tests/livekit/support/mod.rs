//! What every test needs: a server, tokens, peers, deadlines.

mod peer;
mod proxy;
mod server;
mod tamper;
mod tone;

pub(crate) use peer::Peer;
pub(crate) use proxy::Proxy;
pub(crate) use server::OwnServer;
pub(crate) use tamper::tampering;
pub(crate) use tone::{Analysis, Tone, analyse, tone};

use std::{
    sync::{Arc, Once},
    time::Duration,
};
use stella_core::audio::AudioFormat;
use stella_rtc::{
    AudioSink, AudioStream, ConnectOptions, EventStream, PureEngine, RtcEngine, RtcEvent, RtcSession, TrackInfo,
    token::{self, ApiKey, TokenOptions},
};

/// How long anything may take. Machines that run tests are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An environment variable that the test runner sets.
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// Address of the server under test.
pub(crate) fn url() -> String {
    setting("STELLA_TEST_LIVEKIT_URL")
}

/// Its key.
pub(crate) fn key() -> ApiKey {
    ApiKey::new(setting("STELLA_TEST_LIVEKIT_KEY"), setting("STELLA_TEST_LIVEKIT_SECRET"))
}

/// A token with every default.
pub(crate) fn token(room: &str, identity: &str) -> String {
    token::mint(&key(), &TokenOptions::new(room, identity)).expect("valid options")
}

/// A room name nobody else uses.
pub(crate) fn room(name: &str) -> String {
    format!("{name}-{:08x}", rand::random::<u32>())
}

/// A session of ours with its events.
pub(crate) struct Us {
    pub(crate) session: Arc<dyn RtcSession>,
    pub(crate) events: EventStream,
}

impl Us {
    /// Joins as `us`.
    pub(crate) async fn join(room: &str) -> Self {
        Self::join_at(&url(), room, ConnectOptions::default()).await
    }

    pub(crate) async fn join_at(url: &str, room: &str, options: ConnectOptions) -> Self {
        Self::join_as(url, TokenOptions::new(room, "us"), options).await
    }

    pub(crate) async fn join_as(url: &str, who: TokenOptions, options: ConnectOptions) -> Self {
        log_to_stderr();
        let token = token::mint(&key(), &who).expect("valid options");
        let (session, events) = PureEngine::new().connect(url, &token, options).await.expect("joins the room");
        let mut us = Self { session, events };
        us.wait("connected", |event| matches!(event, RtcEvent::Connected { .. }).then_some(())).await;
        us
    }

    /// The first event that `pick` likes.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(&RtcEvent) -> Option<T>) -> T {
        let next = async {
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("the session ended before {what}"));
                if let Some(found) = pick(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
    }

    /// The first event that `pick` takes.
    pub(crate) async fn take<T>(&mut self, what: &str, mut pick: impl FnMut(RtcEvent) -> Option<T>) -> T {
        let next = async {
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("the session ended before {what}"));
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
    }

    /// Waits until a track of `identity` can be heard.
    pub(crate) async fn hears(&mut self, identity: &str) -> TrackInfo {
        self.wait("a subscribed track", |event| match event {
            RtcEvent::TrackSubscribed { participant, track } if participant.as_str() == identity => Some(track.clone()),
            _ => None,
        })
        .await
    }

    /// Waits for the end of a reconnect; whether it was a resume.
    pub(crate) async fn reconnected(&mut self) -> bool {
        self.wait("the reconnect", |event| match event {
            RtcEvent::Reconnected { resumed } => Some(*resumed),
            _ => None,
        })
        .await
    }

    /// Publishes a voice and keeps it sounding at `frequency` until the guard is dropped.
    pub(crate) async fn sound(&self, frequency: f32) -> (Arc<dyn AudioSink>, Sounding) {
        let sink = self.session.publish_audio(Default::default()).await.expect("publishes");
        let task = tokio::spawn({
            let sink = sink.clone();
            async move {
                let mut samples = tone(frequency, AudioFormat::VOICE);
                while sink.push(samples.next(Duration::from_millis(50))).await.is_ok() {}
            }
        });
        (sink, Sounding(task))
    }
}

/// A voice that sounds.
pub(crate) struct Sounding(tokio::task::JoinHandle<()>);

impl Drop for Sounding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads `duration` of sound and analyses it.
pub(crate) async fn listen(stream: &mut AudioStream, duration: Duration) -> Analysis {
    let (wanted, mut samples) = (stream.format().samples(duration), Vec::new());
    let reading = async {
        while (samples.len() as u64) < wanted {
            let frame = stream.next().await.expect("the track goes on");
            samples.extend_from_slice(frame.audio.samples());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("sound keeps coming");
    analyse(&samples, stream.format().sample_rate())
}

/// Asks `probe` until it gives something.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let polling = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        loop {
            pace.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, polling).await.unwrap_or_else(|_| panic!("timed out waiting until {what}"))
}

fn log_to_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    });
}
