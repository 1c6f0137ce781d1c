//! What the models make of a turn: voice, words and scores at each pause, heard once and replayed often.

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    id::UtteranceId,
    stt::{Stt, SttEventKind, SttOptions},
    turn_detector::{TurnDetector, TurnDetectorRequest},
    vad::{Segmenter, Vad, VadEvent, VadOptions, silent_tail},
};
use stella_providers::{moonshine::Moonshine, silero::Silero, smart_turn::SmartTurn};

use super::turns::{SECOND, Turn};

/// Sound given to the recogniser from before the voice began, and most sound given to the detector: as in a session.
const PRE_ROLL: usize = SECOND * 3 / 10;
const KEPT: usize = 8 * SECOND;

/// The models.
pub(crate) struct Models {
    pub(crate) vad: Silero,
    pub(crate) detector: SmartTurn,
    pub(crate) stt: Moonshine,
}

/// Something noticed, at the sample at which it was noticed.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) enum Heard {
    /// A voice began.
    Started { noticed: usize, since: usize },
    /// It ended.
    Ended {
        noticed: usize,
        last_voiced: usize,
        /// What Moonshine understands of everything so far.
        text: String,
        /// Seconds of speech it was given.
        speech: f64,
        /// smart-turn's score.
        score: f32,
    },
}

impl Heard {
    /// When it was noticed.
    pub(crate) fn noticed(&self) -> usize {
        match self {
            Self::Started { noticed, .. } | Self::Ended { noticed, .. } => *noticed,
        }
    }
}

/// Lets the models hear a turn, as a session would.
pub(crate) async fn hear(models: &Models, turn: &Turn) -> Result<Vec<Heard>> {
    let mut stream = models.vad.open()?;
    let mut segmenter = Segmenter::new(VadOptions::default(), models.vad.window());
    let mut session = models.stt.open(&SttOptions::default()).await?;
    let (mut heard, mut fed, mut begin, mut checkpoint, mut voice) = (Vec::new(), None, 0, 0, 0);
    for window in turn.samples.chunks_exact(models.vad.window()) {
        let probability = stream.predict(window).await?;
        let event = segmenter.push_with(probability, |at| silent_tail(&turn.samples[voice..at as usize]));
        let noticed = segmenter.position() as usize;
        match event {
            Some(VadEvent::Started { at }) => {
                voice = at as usize;
                heard.push(Heard::Started { noticed, since: voice });
                if fed.is_none() {
                    session.input.start(UtteranceId(1));
                    begin = voice.saturating_sub(PRE_ROLL);
                    fed = Some(begin);
                }
            }
            Some(VadEvent::Ended { at }) => {
                let Some(from) = fed.replace(noticed) else { continue };
                for part in turn.samples[from..noticed].chunks(SECOND) {
                    session.input.push(&AudioFrame::new(AudioFormat::SPEECH, part)?)?;
                }
                checkpoint += 1;
                session.input.checkpoint(checkpoint);
                let text = loop {
                    let event = session.events.next().await.context("the recogniser ended")??;
                    match event.kind {
                        SttEventKind::Final { checkpoint: answered } if answered == checkpoint => break event.text,
                        SttEventKind::Final { .. } => bail!("another checkpoint was answered"),
                        SttEventKind::Interim | SttEventKind::TurnEnd => {}
                    }
                };
                let audio = &turn.samples[noticed.saturating_sub(KEPT)..noticed];
                let audio = Some(AudioFrame::new(AudioFormat::SPEECH, audio)?);
                let silence = AudioFormat::SPEECH.duration(noticed as u64 - at);
                let request = TurnDetectorRequest { audio, silence, ..Default::default() };
                let score = models.detector.predict(request).await?;
                let speech = (noticed - begin) as f64 / SECOND as f64;
                heard.push(Heard::Ended { noticed, last_voiced: at as usize, text, speech, score });
            }
            None => {}
        }
        // Nothing is said any more.
        if noticed > turn.end + 2 * SECOND {
            break;
        }
    }
    Ok(heard)
}
