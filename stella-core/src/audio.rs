//! Typed audio: formats and frames of signed 16-bit PCM.
//!
//! PCM inside Stella is `i16`, interleaved, little-endian in memory order of the host. A frame always carries its
//! format, so that audio of one rate can never be taken for audio of another.

use std::{fmt, sync::Arc, time::Duration};

/// Sample rate and channel count of PCM audio.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    sample_rate: u32,
    channels: u8,
}

/// Why an [`AudioFormat`] or an [`AudioFrame`] could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The sample rate lies outside 8,000-192,000 Hz.
    #[error("sample rate {0} Hz is outside 8,000-192,000 Hz")]
    SampleRate(u32),
    /// The channel count lies outside 1-8.
    #[error("{0} channels are outside 1-8")]
    Channels(u16),
    /// The samples do not fill whole sample groups (one sample for each channel).
    #[error("{samples} samples do not divide into {channels} channels")]
    Ragged {
        /// Number of samples given.
        samples: usize,
        /// Channels of the format.
        channels: u8,
    },
}

impl AudioFormat {
    /// 16 kHz mono: what speech recognition, voice activity and turn detection take.
    pub const SPEECH: Self = Self { sample_rate: 16_000, channels: 1 };
    /// 24 kHz mono: what most speech synthesis gives.
    pub const VOICE: Self = Self { sample_rate: 24_000, channels: 1 };
    /// 48 kHz mono: the clock of Opus and WebRTC audio.
    pub const WEBRTC: Self = Self { sample_rate: 48_000, channels: 1 };

    /// A format of `sample_rate` Hz with `channels` interleaved channels.
    ///
    /// # Errors
    /// [`AudioError::SampleRate`] outside 8,000-192,000 Hz, [`AudioError::Channels`] outside 1-8.
    pub const fn new(sample_rate: u32, channels: u16) -> Result<Self, AudioError> {
        if sample_rate < 8_000 || sample_rate > 192_000 {
            return Err(AudioError::SampleRate(sample_rate));
        }
        if channels == 0 || channels > 8 {
            return Err(AudioError::Channels(channels));
        }
        Ok(Self { sample_rate, channels: channels as u8 })
    }

    /// A mono format of `sample_rate` Hz.
    ///
    /// # Errors
    /// As [`AudioFormat::new`].
    pub const fn mono(sample_rate: u32) -> Result<Self, AudioError> {
        Self::new(sample_rate, 1)
    }

    /// Sample groups a second, in Hz.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Interleaved channels.
    #[must_use]
    pub const fn channels(self) -> u8 {
        self.channels
    }

    /// How long `samples` sample groups (samples of one channel) last, rounded down to a nanosecond.
    #[must_use]
    pub fn duration(self, samples: u64) -> Duration {
        let rate = u64::from(self.sample_rate);
        Duration::new(samples / rate, ((samples % rate) * 1_000_000_000 / rate) as u32)
    }

    /// How many whole sample groups fit in `duration`.
    #[must_use]
    pub fn samples(self, duration: Duration) -> u64 {
        let samples = duration.as_nanos() * u128::from(self.sample_rate) / 1_000_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz × {}", self.sample_rate, self.channels)
    }
}

/// A stretch of PCM audio. Cloning shares the samples.
#[derive(Clone, PartialEq, Eq)]
pub struct AudioFrame {
    format: AudioFormat,
    samples: Arc<[i16]>,
}

impl AudioFrame {
    /// A frame of interleaved samples.
    ///
    /// # Errors
    /// [`AudioError::Ragged`] if the samples do not divide into the format's channels.
    pub fn new(format: AudioFormat, samples: impl Into<Arc<[i16]>>) -> Result<Self, AudioError> {
        let samples = samples.into();
        if samples.len() % usize::from(format.channels) != 0 {
            return Err(AudioError::Ragged { samples: samples.len(), channels: format.channels });
        }
        Ok(Self { format, samples })
    }

    /// `duration` of digital silence.
    #[must_use]
    pub fn silence(format: AudioFormat, duration: Duration) -> Self {
        let len = format.samples(duration) as usize * usize::from(format.channels);
        Self { format, samples: vec![0; len].into() }
    }

    /// Rate and channels of the samples.
    #[must_use]
    pub fn format(&self) -> AudioFormat {
        self.format
    }

    /// The interleaved samples.
    #[must_use]
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Sample groups: samples of one channel.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.samples.len() / usize::from(self.format.channels)) as u64
    }

    /// Whether the frame holds no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How long the frame plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.format.duration(self.len())
    }

    /// The same audio with its channels averaged into one; mono comes back as it is.
    #[must_use]
    pub fn to_mono(&self) -> Self {
        let channels = usize::from(self.format.channels);
        if channels == 1 {
            return self.clone();
        }
        let mix = |group: &[i16]| (group.iter().map(|&s| i32::from(s)).sum::<i32>() / channels as i32) as i16;
        let samples: Arc<[i16]> = self.samples.chunks_exact(channels).map(mix).collect();
        Self { format: AudioFormat { channels: 1, ..self.format }, samples }
    }
}

impl fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AudioFrame({:?}, {:?})", self.format, self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_and_samples_agree() {
        let format = AudioFormat::VOICE;
        assert_eq!(format.samples(Duration::from_millis(20)), 480);
        assert_eq!(format.duration(480), Duration::from_millis(20));
        assert_eq!(format.duration(u64::MAX).as_secs(), u64::MAX / 24_000);
    }

    #[test]
    fn impossible_formats_are_refused() {
        assert_eq!(AudioFormat::new(7_999, 1), Err(AudioError::SampleRate(7_999)));
        assert_eq!(AudioFormat::new(16_000, 0), Err(AudioError::Channels(0)));
        let stereo = AudioFormat::new(48_000, 2).expect("valid");
        assert_eq!(AudioFrame::new(stereo, vec![0; 3]), Err(AudioError::Ragged { samples: 3, channels: 2 }));
    }

    #[test]
    fn stereo_is_averaged_to_mono() {
        let stereo = AudioFormat::new(48_000, 2).expect("valid");
        let frame = AudioFrame::new(stereo, vec![100, 200, i16::MAX, i16::MAX]).expect("even");
        assert_eq!(frame.to_mono().samples(), [150, i16::MAX]);
    }
}
