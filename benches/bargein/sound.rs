//! Recorded sounds of the cache as clips: WAV, Ogg Vorbis, or bare 16 kHz samples.

use std::{fs::File, path::Path};

use anyhow::{Context, Result, bail};
use stella_core::audio::{AudioFormat, AudioFrame};
use stella_examples::clip::Clip;
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    errors::Error,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

/// Reads a sound, as loud as it is near a microphone.
pub(crate) fn read(path: &Path) -> Result<Clip> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let frame = match extension {
        "wav" => stella_agent::wav::read(path).map_err(Into::into),
        "ogg" => vorbis(path),
        "raw" => raw(path),
        _ => bail!("{} is no known kind of sound", path.display()),
    };
    let frame = frame.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Clip::recorded(&frame))
}

/// Bare 16-bit samples at 16 kHz.
fn raw(path: &Path) -> Result<AudioFrame> {
    let bytes = std::fs::read(path)?;
    let samples: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(AudioFrame::new(AudioFormat::SPEECH, samples)?)
}

fn vorbis(path: &Path) -> Result<AudioFrame> {
    let source = MediaSourceStream::new(Box::new(File::open(path)?), Default::default());
    let (hint, format, meta) = (Hint::new(), FormatOptions::default(), MetadataOptions::default());
    let mut reader = symphonia::default::get_probe().probe(&hint, source, format, meta)?;
    let track = reader.default_track(TrackType::Audio).context("it holds no sound")?;
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio()).context("its coding is not given")?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    let (mut mono, mut rate) = (Vec::new(), 0);
    let mut part: Vec<f32> = Vec::new();
    while let Some(packet) = reader.next_packet()? {
        if packet.track_id != id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(audio) => {
                rate = audio.spec().rate();
                let channels = audio.spec().channels().count().max(1);
                part.resize(audio.samples_interleaved(), 0.0);
                audio.copy_to_slice_interleaved(&mut part);
                let sample = |group: &[f32]| group.iter().sum::<f32>() / channels as f32 * f32::from(i16::MAX);
                mono.extend(part.chunks_exact(channels).map(|group| sample(group).round() as i16));
            }
            Err(Error::DecodeError(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if mono.is_empty() {
        bail!("it is empty");
    }
    Ok(AudioFrame::new(AudioFormat::new(rate, 1)?, mono)?)
}
