//! One conversation with the real models, over a recording of somebody's voice: no fakes at all.
#![cfg(all(feature = "integration", feature = "local"))]

use std::time::Duration;

use stella_agent::{
    AgentSession, BasicAgent, LlmOptions,
    local::{LocalModels, LocalOptions},
    transport::wav::{WavOptions, WavTransport},
    wav,
};
use stella_core::{
    chat::{ChatItem, Role},
    engine::Options,
    testing::wer::wer,
};
use stella_providers::runtime::Cache;

/// What is said in `clone-test.wav`, a file of the cache.
const SAID: &str = "I think that America could do it very well.";

/// An environment variable that the test runner sets.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_understood_and_answered_aloud() {
    let cache = Cache::from_env();
    let speech = wav::read(&cache.audio("clone-test.wav")).expect("run `cargo xtask setup`");
    let (url, model) = (setting("STELLA_TEST_LLM_URL"), setting("STELLA_TEST_LLM_MODEL"));
    let options = LocalOptions { cache, llm_url: Some(url), llm_model: Some(model), ..LocalOptions::from_env() };
    let models = LocalModels::load(options).await.expect("run `cargo xtask setup`");
    let mut options = Options::default();
    // Machines that run tests are slow.
    options.recovery.first_token_by = Duration::from_secs(30);
    options.recovery.first_audio_by = Duration::from_secs(30);
    let session = AgentSession::builder()
        .local(&models)
        .llm_options(LlmOptions { temperature: Some(0.0), max_tokens: Some(24) })
        .options(options)
        .agent(BasicAgent::new("Answer in one short, plain sentence."))
        .build()
        .expect("complete");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("conversation.wav");
    let transport = WavTransport::new(speech, WavOptions::default()).write_to(&file);
    let talk = tokio::time::timeout(Duration::from_secs(120), session.run(transport));
    let end = talk.await.expect("it ends").expect("nothing breaks down");

    let texts = |role: Role| {
        let messages = end.history.iter().filter_map(|item| match item {
            ChatItem::Message(message) if message.role == role => Some(message.text.clone()),
            _ => None,
        });
        messages.collect::<Vec<_>>().join(" ")
    };
    let (heard, answer) = (texts(Role::User), texts(Role::Assistant));
    assert!(wer(SAID, &heard) <= 0.34, "{heard:?}");
    assert!(answer.split_whitespace().count() >= 2, "{answer:?}");
    assert_eq!(end.latencies.len(), 1, "{:?}", end.latencies);

    let mut both = hound::WavReader::open(&file).expect("was written");
    let spec = both.spec();
    assert_eq!(spec.channels, 2);
    let agent = both.samples::<i16>().skip(1).step_by(2);
    let loud = agent.filter(|sample| sample.as_ref().is_ok_and(|sample| sample.unsigned_abs() > 1_000)).count();
    let spoken = Duration::from_secs_f64(loud as f64 / f64::from(spec.sample_rate));
    assert!(spoken > Duration::from_millis(200), "the agent is audible for {spoken:?} only");
}
