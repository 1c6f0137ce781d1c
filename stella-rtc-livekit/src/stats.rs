//! Counters, from libwebrtc's reports.

use crate::{error, listen::Heard, playout::Voice, shared::Shared};
use livekit::webrtc::stats::{CandidatePairStats, IceCandidatePairState, InboundRtpStats, RtcStats as Report};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use stella_rtc::{ReceiveStats, RtcError, RtcStats, SendStats, TrackSid};

/// Samples of 20 ms at 48 kHz, in which libwebrtc counts.
const FRAME: u64 = 960;
/// For errors only; libwebrtc answers from memory.
const LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn read(shared: &Shared) -> Result<RtcStats, RtcError> {
    let reports = shared.room.get_stats().await;
    let reports = reports.map_err(|e| shared.explain(error::of_engine(e, "reading counters", LIMIT, "")))?;
    let mut stats = RtcStats::default();
    let publishing = selected_pair(&reports.publisher_stats);
    // With a single peer connection there is no second report.
    let receiving = selected_pair(&reports.subscriber_stats).or(publishing);
    let reports = || reports.publisher_stats.iter().chain(&reports.subscriber_stats);
    stats.round_trip = publishing.or(receiving).and_then(round_trip);
    stats.over_tcp = (is_tcp(publishing, reports()), is_tcp(receiving, reports()));
    stats.resumes = shared.resumes.load(Ordering::Relaxed);
    stats.full_reconnects = shared.full_reconnects.load(Ordering::Relaxed);
    stats.events_dropped = shared.events_dropped.load(Ordering::Relaxed);
    for voice in shared.voices() {
        stats.sent.push(sent(&voice).await);
    }
    let heard = shared.heard.lock().clone();
    for (sid, heard) in heard {
        stats.received.push(received(sid, heard).await);
    }
    Ok(stats)
}

fn selected_pair(reports: &[Report]) -> Option<&CandidatePairStats> {
    reports.iter().find_map(|report| match report {
        Report::CandidatePair(pair)
            if pair.candidate_pair.nominated && pair.candidate_pair.state == Some(IceCandidatePairState::Succeeded) =>
        {
            Some(pair)
        }
        _ => None,
    })
}

fn round_trip(pair: &CandidatePairStats) -> Option<Duration> {
    let seconds = pair.candidate_pair.current_round_trip_time;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}

fn is_tcp<'a>(pair: Option<&CandidatePairStats>, mut reports: impl Iterator<Item = &'a Report>) -> bool {
    let Some(pair) = pair else { return false };
    reports.any(|report| match report {
        Report::LocalCandidate(local) => {
            local.rtc.id == pair.candidate_pair.local_candidate_id && local.local_candidate.protocol == "tcp"
        }
        _ => false,
    })
}

async fn sent(voice: &Arc<Voice>) -> SendStats {
    let mut stats = SendStats::new(voice.sink.track());
    (stats.worst_lateness, stats.skipped_frames) = voice.lateness();
    for report in voice.track.get_stats().await.unwrap_or_default() {
        match report {
            Report::OutboundRtp(out) => {
                stats.packets += out.sent.packets_sent;
                stats.bytes += out.sent.bytes_sent;
            }
            Report::Codec(codec) => stats.red |= codec.codec.mime_type.eq_ignore_ascii_case("audio/red"),
            _ => {}
        }
    }
    stats
}

async fn received(sid: TrackSid, heard: Heard) -> ReceiveStats {
    let mut stats = ReceiveStats::new(sid, heard.participant.clone());
    stats.overflowed = heard.overflowed();
    for report in heard.track.get_stats().await.unwrap_or_default() {
        if let Report::InboundRtp(inbound) = report {
            add(&mut stats, &inbound);
        }
    }
    stats
}

/// libwebrtc counts packets lost on the way and samples made up, not frames: the rest is estimated.
fn add(stats: &mut ReceiveStats, report: &InboundRtpStats) {
    let (received, inbound) = (&report.received, &report.inbound);
    let silent = inbound.silent_concealed_samples / FRAME;
    stats.packets += received.packets_received;
    stats.lost += u64::try_from(received.packets_lost).unwrap_or(0);
    stats.recovered += inbound.fec_packets_received.saturating_sub(inbound.fec_packets_discarded);
    stats.concealed += (inbound.concealed_samples / FRAME).saturating_sub(silent);
    stats.silence_frames += silent;
    stats.discarded += inbound.packets_discarded;
    if inbound.jitter_buffer_emitted_count > 0 {
        let mean = inbound.jitter_buffer_target_delay / inbound.jitter_buffer_emitted_count as f64;
        stats.reorder_target = Duration::try_from_secs_f64(mean).unwrap_or_default();
    }
}
