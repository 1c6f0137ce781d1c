//! Opus encoder, set up for speech.

use crate::error::RtcError;
use stella_core::audio::AudioFormat;

/// Largest packet we send, in bytes: with a repeated frame and headers it stays below any common packet size limit.
const MAX_PACKET: usize = 600;

/// Encodes frames of 20 ms.
#[derive(Debug)]
pub(crate) struct SpeechEncoder {
    opus: opus::Encoder,
    frame_len: usize,
}

impl SpeechEncoder {
    /// An encoder for `format`, one of Opus's rates, mono or stereo.
    pub(crate) fn new(format: AudioFormat, bitrate: u32, dtx: bool) -> Result<Self, RtcError> {
        let build = || -> opus::Result<opus::Encoder> {
            let channels = if format.channels() == 1 { opus::Channels::Mono } else { opus::Channels::Stereo };
            let mut opus = opus::Encoder::new(format.sample_rate(), channels, opus::Application::Voip)?;
            opus.set_bitrate(opus::Bitrate::Bits(i32::try_from(bitrate).unwrap_or(i32::MAX)))?;
            opus.set_complexity(5)?;
            opus.set_signal(opus::Signal::Voice)?;
            opus.set_inband_fec(true)?;
            opus.set_packet_loss_perc(5)?;
            opus.set_dtx(dtx)?;
            Ok(opus)
        };
        let opus = build().map_err(|error| RtcError::Media { detail: format!("opus encoder: {error}") })?;
        let frame_len = format.sample_rate() as usize / 50 * usize::from(format.channels());
        Ok(Self { opus, frame_len })
    }

    /// Interleaved samples of one frame.
    pub(crate) fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// Encodes one frame.
    pub(crate) fn encode(&mut self, frame: &[i16]) -> Result<Vec<u8>, RtcError> {
        let packet = self.opus.encode_vec(frame, MAX_PACKET);
        packet.map_err(|error| RtcError::Media { detail: format!("opus encode: {error}") })
    }
}
