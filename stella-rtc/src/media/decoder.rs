//! Opus decoder that fills every gap.

use super::{RTP_CLOCK, jitter::Item};
use crate::{audio_stream::FrameOrigin, error::RtcError};
use stella_core::audio::{AudioFormat, AudioFrame};

/// Longest stretch that one call may give, in units of the RTP clock.
const LONGEST: u32 = RTP_CLOCK / 1000 * 120;

/// Decodes what a jitter buffer gives.
#[derive(Debug)]
pub(crate) struct SpeechDecoder {
    opus: opus::Decoder,
    format: AudioFormat,
}

impl SpeechDecoder {
    /// A decoder to `format`, one of Opus's rates, mono or stereo.
    pub(crate) fn new(format: AudioFormat) -> Result<Self, RtcError> {
        let rate_fits = matches!(format.sample_rate(), 8_000 | 12_000 | 16_000 | 24_000 | 48_000);
        let channels = match format.channels() {
            1 if rate_fits => opus::Channels::Mono,
            2 if rate_fits => opus::Channels::Stereo,
            _ => return Err(RtcError::UnsupportedFormat { format: format!("{format:?}") }),
        };
        let opus = opus::Decoder::new(format.sample_rate(), channels)
            .map_err(|error| RtcError::Media { detail: format!("opus decoder: {error}") })?;
        Ok(Self { opus, format })
    }

    /// Format of the frames.
    pub(crate) fn format(&self) -> AudioFormat {
        self.format
    }

    /// Decodes one item. A packet that cannot be decoded becomes concealment.
    pub(crate) fn decode(&mut self, item: &Item) -> (AudioFrame, FrameOrigin) {
        let (packet, fec, units, origin): (&[u8], _, _, _) = match item {
            Item::Frame { payload, units, redundant, .. } => {
                let origin = if *redundant { FrameOrigin::Redundant } else { FrameOrigin::Packet };
                (payload, false, *units, origin)
            }
            Item::Lost { next: Some(next), units, .. } => (next, true, *units, FrameOrigin::ErrorCorrection),
            Item::Lost { next: None, units, .. } => (&[], false, *units, FrameOrigin::Concealment),
            Item::Silence { units, .. } => return (self.silence(*units), FrameOrigin::Silence),
        };
        match self.run(packet, fec, units) {
            Some(frame) => (frame, origin),
            None => match self.run(&[], false, units) {
                Some(frame) => (frame, FrameOrigin::Concealment),
                None => (self.silence(units), FrameOrigin::Concealment),
            },
        }
    }

    fn run(&mut self, packet: &[u8], fec: bool, units: u32) -> Option<AudioFrame> {
        let mut samples = vec![0; self.len(units)];
        let groups = self.opus.decode(packet, &mut samples, fec).ok()?;
        samples.truncate(groups * usize::from(self.format.channels()));
        AudioFrame::new(self.format, samples).ok()
    }

    fn silence(&self, units: u32) -> AudioFrame {
        AudioFrame::silence(self.format, super::rtp_time(u64::from(units.min(LONGEST))))
    }

    /// Interleaved samples in `units` of the RTP clock.
    fn len(&self, units: u32) -> usize {
        let groups = u64::from(units.min(LONGEST)) * u64::from(self.format.sample_rate()) / u64::from(RTP_CLOCK);
        groups as usize * usize::from(self.format.channels())
    }
}
