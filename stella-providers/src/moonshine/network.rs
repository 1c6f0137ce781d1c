//! The two networks: the encoder hears, the decoder writes, one token at a time, always the likeliest.
//!
//! Encoder: `input_values` f32 \[1, n\] (16 kHz, ±1), `attention_mask` i64 \[1, n\] of ones → `last_hidden_state`
//! f32 \[1, t, 288\], t about n / 384. Decoder: `input_ids` i64 \[1, l\], `encoder_hidden_states`,
//! `encoder_attention_mask` i64 \[1, n\] (of the samples, not of the t frames), `use_cache_branch` bool \[1\] and for each
//! of six layers `past_key_values.L.{decoder,encoder}.{key,value}` f32 \[1, 8, past, 36\] → `logits` f32 \[1, l, 32768\]
//! and `present.…` in the shape of the past. The encoder's keys and values come from the first run (without cache) and
//! are given again in every later one, whose own are empty.

use std::{borrow::Cow, slice::ChunksExact, sync::Arc};

use ort::{
    session::{Session, SessionInputValue},
    value::{DynValue, Tensor, TensorRef},
};
use stella_core::error::ProviderError;

use super::{
    NAME,
    activity::{Activity, STEP},
    signs::{self, Signs},
    vocabulary::{END, START, Vocabulary},
};
use crate::runtime::{Cache, Model, ModelOptions, failed, misshapen};

const LAYERS: usize = 6;
const HEADS: usize = 8;
const HEAD_SIZE: usize = 36;
/// Fewest samples the encoder's convolutions can take, with some room: shorter audio is padded.
const SHORTEST: usize = 4_000;
/// Tokens a second of speech can have; the model's authors stop at 6 or 6.5 (Moonshine paper, section on decoding).
const TOKENS_PER_SECOND: f32 = 6.5;
/// A run of the same few tokens this long is a loop of the decoder, not speech.
const LOOP: usize = 16;
/// Shortest part, in steps, that audio is cut into to find the words behind a loop: 3 s.
const LEAST_PART: usize = 48_000 / STEP;

/// What the decoder wrote.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Transcript {
    pub(super) tokens: Vec<i64>,
    /// Geometric mean of the probabilities of the tokens and the end, less where brief audio may be a sign of listening;
    /// 0 if nothing was written.
    pub(super) confidence: f32,
    /// Natural logarithm of the probability of all of it.
    log_probability: f32,
    /// Whether the decoder was lost in a loop: words may be missing behind it.
    looped: bool,
}

impl Transcript {
    fn new(tokens: Vec<i64>, log_probability: f32, looped: bool) -> Self {
        let confidence = if tokens.is_empty() { 0.0 } else { (log_probability / (tokens.len() + 1) as f32).exp() };
        Self { tokens, confidence, log_probability, looped }
    }

    /// This and what was said after it.
    fn and_then(mut self, next: Self) -> Self {
        self.tokens.extend(next.tokens);
        Self::new(self.tokens, self.log_probability + next.log_probability, self.looped || next.looped)
    }
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) encoder: Arc<Model>,
    decoder: Arc<Model>,
    vocabulary: usize,
    /// Names of the cache: of the decoder's input, of its output, and whether it belongs to the encoder's attention.
    cache: Vec<(String, String, bool)>,
    signs: Signs,
}

impl Network {
    pub(super) fn load(
        cache: &Cache,
        folder: &str,
        vocabulary: &Vocabulary,
        concurrency: usize,
    ) -> Result<Self, ProviderError> {
        let options = ModelOptions { concurrency, ..ModelOptions::default() };
        let encoder = Model::load(cache, NAME, cache.model(folder, "encoder_model.ort"), options)?;
        let decoder = Model::load(cache, NAME, cache.model(folder, "decoder_model_merged.ort"), options)?;
        let mut names = Vec::with_capacity(4 * LAYERS);
        for layer in 0..LAYERS {
            for (side, of_encoder) in [("decoder", false), ("encoder", true)] {
                for part in ["key", "value"] {
                    let rest = format!("{layer}.{side}.{part}");
                    names.push((format!("past_key_values.{rest}"), format!("present.{rest}"), of_encoder));
                }
            }
        }
        Ok(Self { encoder, decoder, vocabulary: vocabulary.len(), cache: names, signs: Signs::new(vocabulary) })
    }

    /// Writes down 16 kHz mono audio. `draft` is what was written before of about the same audio: all of it that is
    /// still right costs one run of the decoder instead of one for each token; the result does not depend on it.
    /// Words behind a loop of the decoder are found in shorter parts of the audio.
    pub(super) fn transcribe(&self, audio: &[i16], draft: &[i64]) -> Result<Transcript, ProviderError> {
        let transcript = self.decode(audio, draft)?;
        if !transcript.looped || audio.len() <= (2 * LEAST_PART + 5) * STEP {
            return Ok(transcript);
        }
        let mut activity = Activity::default();
        activity.push(audio);
        let (first, second) = audio.split_at(activity.halves(LEAST_PART) * STEP);
        Ok(self.transcribe(first, &[])?.and_then(self.transcribe(second, &[])?))
    }

    fn decode(&self, audio: &[i16], draft: &[i64]) -> Result<Transcript, ProviderError> {
        let limit = (audio.len() as f32 / 16_000.0 * TOKENS_PER_SECOND).ceil() as usize + 4;
        let mut samples: Vec<f32> = audio.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        samples.resize(samples.len().max(SHORTEST), 0.0);
        let mask = vec![1_i64; samples.len()];
        let heard = self.encoder.with_session(|session| encode(session, &samples, &mask))?;
        self.decoder.with_session(|session| {
            let mut writer = Writer { network: self, session, heard: &heard, mask: &mask, past: Vec::new() };
            let mut transcript = writer.write(draft, limit)?;
            if audio.len() <= signs::LONGEST && self.signs.may_be(&transcript.tokens) {
                let mut likeliest = f32::NEG_INFINITY;
                for sign in self.signs.iter() {
                    likeliest = likeliest.max(writer.log_probability(sign)?);
                }
                transcript.confidence *= signs::believed(likeliest - transcript.log_probability);
            }
            Ok(transcript)
        })
    }
}

fn encode(session: &mut Session, samples: &[f32], mask: &[i64]) -> Result<DynValue, ProviderError> {
    let failed = failed(NAME);
    let shape = [1, samples.len()];
    let mut outputs = session
        .run(ort::inputs! {
            "input_values" => TensorRef::from_array_view((shape, samples)).map_err(&failed)?,
            "attention_mask" => TensorRef::from_array_view((shape, mask)).map_err(&failed)?,
        })
        .map_err(&failed)?;
    outputs.remove("last_hidden_state").ok_or_else(|| misshapen(NAME, "last_hidden_state"))
}

/// One decoding.
struct Writer<'a> {
    network: &'a Network,
    session: &'a mut Session,
    heard: &'a DynValue,
    mask: &'a [i64],
    /// Keys and values in the order of [`Network::cache`]; empty before the first run.
    past: Vec<DynValue>,
}

impl Writer<'_> {
    fn write(&mut self, draft: &[i64], limit: usize) -> Result<Transcript, ProviderError> {
        let mut tokens = Vec::with_capacity(limit);
        let mut known = 0.0;
        // The first run sees the start and the draft, and says after each of them what should follow.
        let draft = &draft[..draft.len().min(limit)];
        let input: Vec<i64> = std::iter::once(START).chain(draft.iter().copied()).collect();
        let mut choices = self.run(&input)?.into_iter();
        let mut drafted = draft.iter();
        let mut next = choices.next().ok_or_else(|| misshapen(NAME, "logits"))?;
        while drafted.next() == Some(&next.token) {
            tokens.push(next.token);
            known += next.log_probability;
            next = choices.next().ok_or_else(|| misshapen(NAME, "logits"))?;
        }
        if tokens.len() < draft.len() {
            self.forget_after(1 + tokens.len())?;
        }
        while next.token != END && tokens.len() < limit && !loops(&tokens) {
            tokens.push(next.token);
            known += next.log_probability;
            next = self.run(&[next.token])?.pop().ok_or_else(|| misshapen(NAME, "logits"))?;
        }
        let looped = loops(&tokens);
        unloop(&mut tokens);
        Ok(Transcript::new(tokens, known + next.log_probability, looped))
    }

    /// The natural logarithm of the probability that exactly these tokens are written.
    fn log_probability(&mut self, tokens: &[i64]) -> Result<f32, ProviderError> {
        self.past.clear();
        let input: Vec<i64> = std::iter::once(START).chain(tokens.iter().copied()).collect();
        let next = tokens.iter().copied().chain(std::iter::once(END));
        self.run_and(&input, |logits| logits.zip(next).map(|(logits, token)| log_probability(logits, token)).sum())
    }

    /// Gives the decoder the next tokens and returns what it would write after each.
    fn run(&mut self, input: &[i64]) -> Result<Vec<Choice>, ProviderError> {
        self.run_and(input, |logits| logits.map(choice).collect())
    }

    /// Gives the decoder the next tokens and lets `read` look at the logits after each.
    fn run_and<T>(&mut self, input: &[i64], read: impl FnOnce(ChunksExact<'_, f32>) -> T) -> Result<T, ProviderError> {
        let failed = failed(NAME);
        let cached = !self.past.is_empty();
        if !cached {
            for _ in &self.network.cache {
                let none = Tensor::<f32>::new(self.session.allocator(), [1, HEADS, 0, HEAD_SIZE]).map_err(&failed)?;
                self.past.push(none.into_dyn());
            }
        }
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = ort::inputs! {
            "input_ids" => TensorRef::from_array_view(([1, input.len()], input)).map_err(&failed)?,
            "encoder_hidden_states" => self.heard,
            "encoder_attention_mask" => TensorRef::from_array_view(([1, self.mask.len()], self.mask)).map_err(&failed)?,
            "use_cache_branch" => Tensor::from_array(([1], vec![cached])).map_err(&failed)?,
        };
        for ((name, ..), value) in self.network.cache.iter().zip(&self.past) {
            inputs.push((name.as_str().into(), value.into()));
        }
        let mut outputs = self.session.run(inputs).map_err(&failed)?;
        let (_, logits) = outputs["logits"].try_extract_tensor::<f32>().map_err(&failed)?;
        if logits.len() != input.len() * self.network.vocabulary {
            return Err(misshapen(NAME, "logits"));
        }
        let read = read(logits.chunks_exact(self.network.vocabulary));
        for ((_, name, of_encoder), value) in self.network.cache.iter().zip(&mut self.past) {
            if !(cached && *of_encoder) {
                *value = outputs.remove(name).ok_or_else(|| misshapen(NAME, name))?;
            }
        }
        Ok(read)
    }

    /// Shortens the decoder's own keys and values to `length` tokens.
    fn forget_after(&mut self, length: usize) -> Result<(), ProviderError> {
        let failed = failed(NAME);
        for ((_, name, of_encoder), value) in self.network.cache.iter().zip(&mut self.past) {
            if *of_encoder {
                continue;
            }
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(&failed)?;
            let had = shape.get(2).and_then(|&had| usize::try_from(had).ok()).unwrap_or_default();
            if had < length || data.len() != HEADS * had * HEAD_SIZE {
                return Err(misshapen(NAME, name));
            }
            let heads = data.chunks_exact(had * HEAD_SIZE);
            let kept: Vec<f32> = heads.flat_map(|head| &head[..length * HEAD_SIZE]).copied().collect();
            *value = Tensor::from_array(([1, HEADS, length, HEAD_SIZE], kept)).map_err(&failed)?.into_dyn();
        }
        Ok(())
    }
}

/// The likeliest token at one place.
#[derive(Debug, Clone, Copy)]
struct Choice {
    token: i64,
    log_probability: f32,
}

fn choice(logits: &[f32]) -> Choice {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (token, logit);
        }
    }
    Choice { token: best.0 as i64, log_probability: log_probability(logits, best.0 as i64) }
}

/// The natural logarithm of a token's probability.
fn log_probability(logits: &[f32], token: i64) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
    let logit = usize::try_from(token).ok().and_then(|token| logits.get(token));
    logit.map_or(f32::NEG_INFINITY, |logit| logit - most - sum.ln())
}

/// Length of the group of at most four tokens that repeats over the last [`LOOP`] tokens.
fn period(tokens: &[i64]) -> Option<usize> {
    let last = tokens.len().checked_sub(LOOP).map(|from| &tokens[from..])?;
    (1..=4).find(|&period| last.iter().zip(&last[period..]).all(|(a, b)| a == b))
}

fn loops(tokens: &[i64]) -> bool {
    period(tokens).is_some()
}

/// Cuts a loop at the end down to its first round.
fn unloop(tokens: &mut Vec<i64>) {
    let Some(period) = period(tokens) else { return };
    while tokens.len() >= 2 * period && tokens[tokens.len() - period..] == tokens[tokens.len() - 2 * period..][..period]
    {
        tokens.truncate(tokens.len() - period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_token_is_chosen_with_its_probability() {
        let choice = choice(&[0.0, 2.0_f32.ln(), 0.0]);
        assert_eq!(choice.token, 1);
        assert!((choice.log_probability.exp() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_loop_is_cut_to_one_round_and_a_repeated_word_is_not() {
        let mut tokens: Vec<i64> = [9, 8].into_iter().chain([5, 6, 7].into_iter().cycle().take(18)).collect();
        assert!(loops(&tokens));
        unloop(&mut tokens);
        assert_eq!(tokens, [9, 8, 5, 6, 7]);
        assert!(!loops(&[4; LOOP - 1]));
    }
}
