//! Own tracks. The queue is stella-rtc's, and so are its exact pause, clear and position; libwebrtc gets its audio in
//! direct mode, without a queue of its own, in frames of 10 ms.
//!
//! Frames are given for as long as the track lives, of silence when there is nothing to say: libwebrtc counts time by
//! the samples it gets, so a gap would reach listeners as a delay.

use crate::{convert, error, shared::Shared};
use livekit::{
    options::{AudioEncoding, TrackPublishOptions},
    prelude::{LocalAudioTrack, LocalTrack},
    webrtc::{
        audio_frame::AudioFrame,
        audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use stella_core::audio::AudioFormat;
use stella_rtc::{
    AudioPublishOptions, RtcError,
    backend::{Pacer, SinkShared, SinkState, Taken, Tick},
};
use tokio::{runtime::Handle, sync::Notify};
use tokio_util::sync::CancellationToken;

/// Length of the frames we pace.
const FRAME: Duration = Duration::from_millis(20);
/// How many of libwebrtc's frames make one of ours.
const PARTS: usize = 2;
/// How long the server may take to accept a track.
pub(crate) const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

/// An own track.
#[derive(Debug)]
pub(crate) struct Voice {
    pub(crate) sink: Arc<SinkShared>,
    pub(crate) track: LocalAudioTrack,
    stop: CancellationToken,
    lateness: Arc<Lateness>,
}

impl Voice {
    /// Ends it.
    pub(crate) fn close(&self, state: SinkState) {
        self.stop.cancel();
        self.sink.close(state);
    }

    /// Worst delay of a frame, and frames skipped.
    pub(crate) fn lateness(&self) -> (Duration, u64) {
        let worst = Duration::from_nanos(self.lateness.worst_nanos.load(Ordering::Relaxed));
        (worst, self.lateness.skipped.load(Ordering::Relaxed))
    }
}

/// A voice whose caller may have given up waiting. Unless kept, it is taken back.
pub(crate) struct Published {
    shared: Arc<Shared>,
    voice: Option<Arc<Voice>>,
}

impl Published {
    pub(crate) fn keep(mut self) -> Option<Arc<Voice>> {
        self.voice.take()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        if let (Some(voice), Ok(runtime)) = (self.voice.take(), Handle::try_current()) {
            let shared = self.shared.clone();
            runtime.spawn(async move { unpublish(&shared, &voice.sink.track()).await });
        }
    }
}

/// Publishes a track. To be run in a task of its own.
pub(crate) async fn publish(shared: Arc<Shared>, options: AudioPublishOptions) -> Result<Published, RtcError> {
    let format = options.format;
    let channels = u32::from(format.channels());
    let source = NativeAudioSource::new(AudioSourceOptions::default(), format.sample_rate(), channels, 0);
    let track = LocalAudioTrack::create_audio_track(&options.name, RtcAudioSource::Native(source.clone()));
    let publish_options = TrackPublishOptions {
        source: convert::to_sdk_source(options.source),
        audio_encoding: Some(AudioEncoding { max_bitrate: u64::from(options.bitrate) }),
        dtx: options.dtx,
        red: options.red && shared.red,
        ..TrackPublishOptions::default()
    };
    let local = shared.room.local_participant();
    let published = local.publish_track(LocalTrack::Audio(track.clone()), publish_options).await;
    let publication = published.map_err(|e| error::of_room(e, "publishing a track", PUBLISH_LIMIT, ""))?;

    let sink = Arc::new(SinkShared::new(&options, Arc::new(Notify::new())));
    sink.set_track(convert::sid(&publication.sid()));
    let (stop, lateness) = (CancellationToken::new(), Arc::<Lateness>::default());
    let player = Player { source, format, sink: sink.clone(), held: shared.held.clone(), lateness: lateness.clone() };
    tokio::spawn(stop.clone().run_until_cancelled_owned(player.run()));
    let voice = Arc::new(Voice { sink, track, stop, lateness });
    shared.add_voice(voice.clone());
    Ok(Published { shared, voice: Some(voice) })
}

/// Takes a track back.
pub(crate) async fn unpublish(shared: &Shared, track: &stella_rtc::TrackSid) -> Result<(), RtcError> {
    let voice = shared.remove_voice(track)?;
    voice.close(SinkState::Unpublished);
    let Some(sid) = convert::to_sdk_sid(track) else { return Ok(()) };
    let taken = shared.room.local_participant().unpublish_track(&sid).await;
    taken.map(drop).map_err(|e| shared.explain(error::of_room(e, "taking a track back", PUBLISH_LIMIT, "")))
}

#[derive(Debug, Default)]
struct Lateness {
    worst_nanos: AtomicU64,
    skipped: AtomicU64,
}

impl Lateness {
    fn note(&self, tick: Tick) {
        let nanos = u64::try_from(tick.late.as_nanos()).unwrap_or(u64::MAX);
        self.worst_nanos.fetch_max(nanos, Ordering::Relaxed);
        self.skipped.fetch_add(tick.skipped, Ordering::Relaxed);
    }
}

/// Gives one track's sound to libwebrtc, frame by frame.
struct Player {
    source: NativeAudioSource,
    format: AudioFormat,
    sink: Arc<SinkShared>,
    held: Arc<AtomicBool>,
    lateness: Arc<Lateness>,
}

impl Player {
    async fn run(self) {
        let channels = usize::from(self.format.channels());
        let mut frame = vec![0; usize::try_from(self.format.samples(FRAME)).unwrap_or_default() * channels];
        let mut pacer = Pacer::new(0);
        pacer.start(Instant::now());
        while let Some(due) = pacer.deadline() {
            tokio::time::sleep_until(due.into()).await;
            while let Some(tick) = pacer.tick(Instant::now()) {
                self.lateness.note(tick);
                if self.held.load(Ordering::Acquire) || self.sink.take(&mut frame) == Taken::Nothing {
                    frame.fill(0);
                }
                self.give(&frame).await;
            }
        }
    }

    async fn give(&self, frame: &[i16]) {
        for part in frame.chunks(frame.len() / PARTS) {
            let channels = u32::from(self.format.channels());
            let part = AudioFrame {
                data: part.into(),
                sample_rate: self.format.sample_rate(),
                num_channels: channels,
                samples_per_channel: self.format.sample_rate() / 100,
            };
            if let Err(error) = self.source.capture_frame(&part).await {
                tracing::error!(%error, track = %self.sink.track(), "the SDK refused a frame of sound");
            }
        }
    }
}
