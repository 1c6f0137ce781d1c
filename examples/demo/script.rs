//! What the user does: read, ask, talk over the agent, say goodbye; or play a file.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use stella_agent::SessionHandle;
use stella_core::{
    engine::{CloseReason, ReplyEnd, TurnOutcome},
    id::ReplyId,
    tts::{Tts, TtsRequest},
};
use stella_examples::clip::Clip;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    agent::FAREWELL,
    progress::Progress,
    scene::{Scene, Turn},
    user::User,
};

/// The user's voice for questions; the agent has another.
const VOICE: &str = "am_michael";
/// What the user asks.
const QUESTIONS: [&str; 2] = ["What is the capital of France?", "How many days are there in a week?"];
/// What the user asks to have something to talk over.
const REQUEST: &str = "Please tell me a long story about a lighthouse.";
/// What the user says over it.
const INTERRUPTION: &str = "Stop. What is two plus two?";
/// How long the agent is listened to before the user talks over it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Longest wait for an answer.
const ANSWER_BY: Duration = Duration::from_secs(45);
/// Rest of both sides after which a file counts as answered: longer than any wait of the agent for more words.
const REST: Duration = Duration::from_millis(3_200);

/// One thing the user said.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// What it is, for the report.
    pub(crate) name: &'static str,
    /// When its first voiced sample was spoken.
    pub(crate) first: Instant,
    /// When its last voiced sample was spoken.
    pub(crate) last: Instant,
}

/// The one time the user talked over the agent.
#[derive(Debug, Clone)]
pub(crate) struct TalkedOver {
    /// The reply that was cut.
    pub(crate) reply: ReplyId,
    /// From the user's first voiced sample to the agent's last audible one, at the user.
    pub(crate) to_silence: Duration,
}

/// What was done, for the report.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) acts: Vec<Act>,
    pub(crate) talked_over: Option<TalkedOver>,
}

/// Does things and waits for what they lead to, never without a deadline.
#[derive(Debug)]
pub(crate) struct Director {
    pub(crate) user: Arc<User>,
    pub(crate) scene: watch::Receiver<Scene>,
    pub(crate) session: SessionHandle,
    pub(crate) progress: Progress,
    pub(crate) record: Record,
}

impl Director {
    /// Waits until the agent is heard for the first time.
    pub(crate) async fn hear_first_word(&mut self) -> Result<()> {
        let heard = |scene: &Scene| scene.ear.is_audible(Duration::from_secs(1));
        self.until(Duration::from_secs(20), "the agent's greeting was not heard", heard).await
    }

    /// Waits until the agent has greeted.
    pub(crate) async fn hear_greeting(&mut self) -> Result<()> {
        let rests = |scene: &Scene| {
            scene.talk.replies.first().is_some_and(|r| r.ended.is_some()) && scene.rests_for(Duration::from_millis(300))
        };
        self.until(Duration::from_secs(20), "the agent's greeting did not end", rests).await
    }

    /// The whole script.
    pub(crate) async fn play_script(&mut self, recorded: &Clip, tts: Arc<dyn Tts>) -> Result<()> {
        // Synthesised while the recorded speech is played, so that nobody waits for it.
        let mut lines = Lines::prepare(tts, [QUESTIONS[0], QUESTIONS[1], REQUEST, INTERRUPTION]);
        self.progress.line("user", format!("(plays {:.0} s of recorded speech)", recorded.duration().as_secs_f64()));
        let read = self.say("reading", recorded).await?;
        self.answered(read.first).await?;
        for _ in QUESTIONS {
            let asked = self.say("question", &lines.next().await?).await?;
            self.answered(asked.first).await?;
        }
        let asked = self.say("request", &lines.next().await?).await?;
        let over = lines.next().await?;
        self.talk_over(asked.last, &over).await
    }

    /// Plays a file and waits until all of it is answered.
    pub(crate) async fn play_file(&mut self, clip: &Clip) -> Result<()> {
        let length = clip.duration();
        self.progress.line("user", format!("(plays {:.1} s of the file)", length.as_secs_f64()));
        self.say("file", clip).await?;
        let rests = |scene: &Scene| scene.rests_for(REST);
        self.until(ANSWER_BY + length, "the agent did not come to an end", rests).await
    }

    /// Lets the agent say goodbye and leave.
    pub(crate) async fn part(&mut self) -> Result<()> {
        let within = Duration::from_secs(15);
        let ended = self.session.end(CloseReason::Completed, Some(FAREWELL.to_owned()), within).await;
        ended.context("the agent cannot say goodbye")?;
        let closed = |scene: &Scene| scene.talk.closed && !scene.ear.is_audible(Duration::from_millis(200));
        self.until(within + Duration::from_secs(3), "the agent did not say goodbye", closed).await
    }

    /// Speaks, and returns when the last voiced sample was spoken.
    async fn say(&mut self, name: &'static str, clip: &Clip) -> Result<Act> {
        let mut speech = self.user.say(clip)?;
        let limit = clip.duration() + Duration::from_secs(5);
        let both = async { anyhow::Ok((speech.begun().await?, speech.ended().await?)) };
        let (first, last) = tokio::time::timeout(limit, both).await.context("the microphone is stuck")??;
        let act = Act { name, first, last };
        self.record.acts.push(act.clone());
        Ok(act)
    }

    /// Waits until all that was said since `begun` is answered to the end.
    async fn answered(&mut self, begun: Instant) -> Result<()> {
        let done = |scene: &Scene| {
            let answered = |turn: &Turn| {
                matches!(turn.outcome, Some(TurnOutcome::Answered { .. }))
                    && scene.talk.reply_to(turn.id).is_some_and(|reply| reply.ended.is_some())
            };
            let mut turns = scene.talk.turns_since(begun).peekable();
            turns.peek().is_some() && turns.all(answered) && scene.rests_for(Duration::from_millis(800))
        };
        self.until(ANSWER_BY, "the user got no answer", done).await
    }

    /// Waits until the agent speaks, and talks over it.
    async fn talk_over(&mut self, asked: Instant, clip: &Clip) -> Result<()> {
        let reply_since = |scene: &Scene| {
            let turn = scene.talk.turns_since(asked).last()?;
            scene.talk.reply_to(turn.id).cloned()
        };
        let ready = |scene: &Scene| {
            let Some(reply) = reply_since(scene) else { return false };
            reply.ended.is_some()
                || (scene.ear.audible_since(asked) >= PATIENCE && scene.ear.is_audible(Duration::from_millis(20)))
        };
        self.until(ANSWER_BY, "the agent did not begin its story", ready).await?;
        let reply = reply_since(&self.scene.borrow()).context("the agent has no story")?;
        if reply.ended.is_some() {
            bail!("the agent's story was too short to talk over it: {:?}", reply.text());
        }
        self.progress.line("user", "(talks over the agent)");
        let act = self.say("interruption", clip).await?;
        let id = reply.id;
        let over = move |scene: &Scene| scene.talk.replies.iter().any(|r| r.id == id && r.ended.is_some());
        self.until(ANSWER_BY, "the agent did not stop", over).await?;
        let talked_over = {
            let scene = self.scene.borrow();
            let Some((stopped, end)) = scene.talk.replies.iter().find(|r| r.id == id).and_then(|r| r.ended) else {
                bail!("the agent did not stop");
            };
            if end != ReplyEnd::Interrupted {
                bail!("the agent was not interrupted: its story ended as {end:?}");
            }
            let last = scene.ear.last_within(act.first, stopped.max(act.last));
            let to_silence = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(act.first));
            TalkedOver { reply: id, to_silence }
        };
        let ms = talked_over.to_silence.as_millis();
        self.progress.line("user", format!("(the agent was silent {ms} ms after the user's first sound)"));
        self.record.talked_over = Some(talked_over);
        self.answered(act.first).await
    }

    /// Waits for something to become true.
    async fn until(&mut self, within: Duration, problem: &str, done: impl Fn(&Scene) -> bool) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            {
                let scene = self.scene.borrow_and_update();
                if done(&scene) {
                    return Ok(());
                }
                if let Some(reason) = &scene.over {
                    bail!("{problem}: {reason}");
                }
                if Instant::now() >= deadline {
                    let failed =
                        scene.talk.failures.last().map(|(stage, error)| format!(" ({stage:?} failed: {error})"));
                    bail!("{problem} within {} s{}", within.as_secs(), failed.unwrap_or_default());
                }
            }
            // The scene changes with every frame that is heard; the sleep is for when nothing is.
            let _ = tokio::time::timeout(Duration::from_millis(100), self.scene.changed()).await;
        }
    }
}

/// The user's lines in order, each as soon as it is synthesised.
struct Lines {
    receiver: tokio::sync::mpsc::Receiver<Result<Clip>>,
    task: JoinHandle<()>,
}

impl Lines {
    fn prepare(tts: Arc<dyn Tts>, texts: [&'static str; 4]) -> Self {
        let (sender, receiver) = tokio::sync::mpsc::channel(texts.len());
        let task = tokio::spawn(async move {
            for text in texts {
                let request = TtsRequest { voice: Some(VOICE.to_owned()), ..TtsRequest::new(text) };
                let clip = Clip::spoken(&*tts, request).await.context("the user's voice failed");
                if sender.send(clip).await.is_err() {
                    return;
                }
            }
        });
        Self { receiver, task }
    }

    async fn next(&mut self) -> Result<Clip> {
        let next = tokio::time::timeout(ANSWER_BY, self.receiver.recv()).await;
        next.context("the user's voice is too slow")?.context("the user has no further line")?
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.task.abort();
    }
}
