//! How fast each model is on this machine, one at a time.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use stella_benches::figures::{Figure, median};
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    chat::{ChatContext, Role},
    id::UtteranceId,
    llm::{Llm, LlmEvent, LlmRequest},
    stt::{Stt, SttEventKind, SttOptions},
    tts::{Tts, TtsEvent, TtsRequest},
    turn_detector::{TurnDetector, TurnDetectorRequest},
    vad::Vad,
};
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::{Moonshine, MoonshineOptions},
    openai::OpenAiLlm,
    runtime::{Cache, InferencePool},
    silero::Silero,
    smart_turn::SmartTurn,
};

/// Runs of each slow model.
const RUNS: usize = 5;
/// Speech that is recognised at once.
const SPEECH: Duration = Duration::from_secs(8);
/// What is spoken: one clause, so that nothing is done beside it.
const TEXT: &str = "The old lighthouse stood on a rock above the cold grey sea";

/// Every local model, and the language model if there is one.
pub(crate) async fn measure(cache: &Cache, llm: Option<(&str, &str)>) -> Result<Vec<Figure>> {
    let recorded = stella_agent::wav::read(&cache.audio("two_cities.wav")).context("run `cargo xtask setup speech`")?;
    let mut figures = vec![silero(cache, &recorded).await?];
    figures.push(smart_turn(cache, &recorded).await?);
    figures.push(moonshine(cache, &recorded).await?);
    figures.extend(kokoro(cache).await?);
    if let Some((url, model)) = llm {
        figures.extend(language_model(url, model).await?);
    }
    Ok(figures)
}

async fn silero(cache: &Cache, recorded: &AudioFrame) -> Result<Figure> {
    let vad = Silero::load(cache)?;
    let mut stream = vad.open()?;
    let mut times = Vec::new();
    for window in recorded.samples().chunks_exact(vad.window()) {
        let start = Instant::now();
        stream.predict(window).await?;
        times.push(ms(start.elapsed()));
    }
    let runs = times.len();
    let figure = Figure::new("silero: a window of 32 ms", median(times), "ms", runs);
    Ok(figure.beside("sherpa-onnx 2.0.1, same model", 0.194))
}

async fn smart_turn(cache: &Cache, recorded: &AudioFrame) -> Result<Figure> {
    let detector = SmartTurn::load(cache)?;
    let mut times = Vec::new();
    for _ in 0..=2 * RUNS {
        let request = TurnDetectorRequest { audio: Some(first(recorded, SPEECH)?), ..TurnDetectorRequest::default() };
        let start = Instant::now();
        detector.predict(request).await?;
        times.push(ms(start.elapsed()));
    }
    // The first run pays for memory.
    times.remove(0);
    Ok(Figure::new("smart-turn: a decision", median(times), "ms", 2 * RUNS).beside("onnxruntime 1.32 in Python", 97.0))
}

async fn moonshine(cache: &Cache, recorded: &AudioFrame) -> Result<Figure> {
    let options = MoonshineOptions { interim: false };
    let stt = Moonshine::load_on(cache, InferencePool::global(), options)?;
    let speech = first(recorded, SPEECH)?;
    let mut times = Vec::new();
    for run in 0..=RUNS {
        let mut session = stt.open(&SttOptions::default()).await?;
        session.input.start(UtteranceId(1));
        for part in speech.samples().chunks(320) {
            session.input.push(&AudioFrame::new(AudioFormat::SPEECH, part)?)?;
        }
        let start = Instant::now();
        session.input.checkpoint(1);
        loop {
            let event = session.events.next().await.context("the recogniser ended")??;
            if let SttEventKind::Final { .. } = event.kind {
                if event.text.is_empty() {
                    bail!("the recogniser understood nothing");
                }
                break;
            }
        }
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() / SPEECH.as_secs_f64());
        }
    }
    let figure = Figure::new("moonshine: time for a second of speech, 8 s at once", median(times), "s/s", RUNS);
    Ok(figure.beside("sherpa-onnx 2.0.1, same model", 0.045))
}

async fn kokoro(cache: &Cache) -> Result<Vec<Figure>> {
    let tts = Kokoro::load(cache, KokoroOptions::default())?;
    let (mut times, mut firsts) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let start = Instant::now();
        let mut stream = tts.synthesize(TtsRequest::new(TEXT)).await?;
        let (mut audio, mut heard) = (Duration::ZERO, None);
        while let Some(event) = stream.next().await {
            if let TtsEvent::Audio(frame) = event? {
                heard.get_or_insert(start.elapsed());
                audio += frame.duration();
            }
        }
        if run > 0 {
            times.push(start.elapsed().as_secs_f64() / audio.as_secs_f64());
            firsts.push(ms(heard.context("nothing was spoken")?));
        }
    }
    let whole = Figure::new("kokoro: time for a second of speech", median(times), "s/s", RUNS);
    Ok(vec![
        whole.beside("onnxruntime 1.32, same model, 3.7 s", 0.71),
        Figure::new("kokoro: first audio of a clause of 11 words", median(firsts), "ms", RUNS),
    ])
}

async fn language_model(url: &str, model: &str) -> Result<Vec<Figure>> {
    let llm = OpenAiLlm::builder(url, model).temperature(0.0).max_tokens(40).build()?;
    let (mut firsts, mut paces) = (Vec::new(), Vec::new());
    for run in 0..=RUNS {
        // A question of its own each time: only the instructions are in the server's cache.
        let mut question = String::from("Describe the sea in two sentences");
        write!(question, ", version {run}.").context("the question cannot be written")?;
        let chat = ChatContext::new()
            .with(Role::System, "You are a voice assistant. Answer in short, plain sentences.")
            .with(Role::User, question);
        let start = Instant::now();
        let mut stream = llm.generate(LlmRequest { chat, ..LlmRequest::default() }).await?;
        let (mut first, mut last, mut count) = (None, Duration::ZERO, 0_u32);
        while let Some(event) = stream.next().await {
            if let LlmEvent::Text(_) = event? {
                last = start.elapsed();
                first.get_or_insert(last);
                count += 1;
            }
        }
        let first = first.context("the language model said nothing")?;
        if run > 0 && count > 1 {
            firsts.push(ms(first));
            paces.push(ms(last - first) / f64::from(count - 1));
        }
    }
    let runs = firsts.len();
    Ok(vec![
        Figure::new("language model: first token, instructions cached", median(firsts), "ms", runs)
            .beside("llama.cpp, 0.5B, 2 threads", 180.0),
        Figure::new("language model: each further token", median(paces), "ms", runs)
            .beside("llama.cpp, 0.5B, 1 thread", 52.6),
    ])
}

/// The beginning of a recording.
fn first(recorded: &AudioFrame, length: Duration) -> Result<AudioFrame> {
    let count = AudioFormat::SPEECH.samples(length) as usize;
    let samples = recorded.samples().get(..count).context("the recording is too short")?;
    Ok(AudioFrame::new(AudioFormat::SPEECH, samples)?)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
