//! `stella replay`: what it prints, and how it ends.
#![cfg(feature = "cli")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use stella_core::{
    engine::{CloseReason, Engine, Input, Options, Recorder, TypedPolicy, WordListJudge},
    id::{GenerationId, MessageId, ReplyId, SegmentId, SpeakerId},
    llm::FinishReason,
    time::Timestamp,
};

/// A recording of a typed question and its answer.
fn recording() -> String {
    let config = Options::default().validate().expect("valid");
    let mut recorder = Recorder::new(Vec::new(), &config).expect("memory");
    let mut engine = Engine::new(config, Box::new(WordListJudge));
    let (speaker, message) = (SpeakerId(1), MessageId(1));
    let (generation, segment, reply) = (GenerationId(3), SegmentId(4), ReplyId(2));
    let inputs = [
        (0, Input::Joined { speaker }),
        (100, Input::Typed { speaker, message, text: "What is the time?".into(), policy: TypedPolicy::Interrupt }),
        (300, Input::Text { generation, text: "It is noon.".into() }),
        (310, Input::Generated { generation, reason: FinishReason::Stop, usage: None }),
        (400, Input::Audio { segment, samples: 24_000 }),
        (410, Input::Synthesized { segment }),
        (500, Input::Playout { reply, position: 480 }),
        (1_500, Input::Playout { reply, position: 24_000 }),
        (3_000, Input::End { reason: CloseReason::Completed, farewell: None, within: Duration::ZERO }),
    ];
    for (at, input) in inputs {
        let at = Timestamp::from_millis(at);
        recorder.input(at, &input).expect("memory");
        engine.handle(at, input);
        while let Some(output) = engine.poll_output() {
            recorder.output(at, &output).expect("memory");
        }
    }
    String::from_utf8(recorder.into_inner()).expect("text")
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("conversation.jsonl");
        std::fs::write(&path, content).expect("written");
        path
    }

    fn other(&self) -> PathBuf {
        self.0.path().join("small.jsonl")
    }
}

fn folder() -> Folder {
    Folder(tempfile::tempdir().expect("a folder"))
}

fn stella(file: &Path, arguments: &[&str]) -> (Output, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stella"));
    let output = command.arg("replay").arg(file).args(arguments).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[test]
fn a_recording_is_told_and_replays() {
    let folder = folder();
    let file = folder.file(recording());
    let (output, out, err) = stella(&file, &["--width", "90"]);
    assert!(output.status.success(), "{err}");
    assert!(out.contains("types: What is the time?") && out.contains("says: It is noon."), "{out}");
    assert!(out.contains("response after 400 ms"), "{out}");
    assert!(out.contains("9 inputs give the same"), "{out}");
    assert!(
        out.lines().take_while(|line| !line.contains("inputs give")).all(|line| line.chars().count() <= 90),
        "{out}"
    );
    assert!(!out.contains('\x1b'), "colours are for terminals");
    let (_, out, _) = stella(&file, &["--color", "always"]);
    assert!(out.contains("\x1b[32msays: It is noon."), "{out}");
    let (output, out, _) = stella(&file, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(output.status.success() && json["result"]["same"] == true && json["inputs"] == 9, "{json}");
    assert!(json["timeline"].as_array().is_some_and(|rows| rows.iter().any(|row| row["lane"] == "agent")), "{json}");
    let (output, _, err) = stella(&file, &["--quiet", "--minimise", &folder.other().display().to_string()]);
    assert!(output.status.code() == Some(1) && err.contains("nothing to minimise"), "{err}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let folder = folder();
    let whole = recording();
    let (output, _, err) = stella(&folder.0.path().join("none.jsonl"), &[]);
    assert!(output.status.code() == Some(2) && err.contains("none.jsonl"), "{err}");
    let cut = whole[..whole.len() - 20].to_owned();
    let newer = whole.replacen("\"stella_replay\":1", "\"stella_replay\":99", 1);
    let broken = whole.replacen("\"in\"", "\"into\"", 1);
    let table: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"RIFF\x00\xff\xfeWAVE", "not a recording"),
        (b"hello\n", "not a recording"),
        (cut.as_bytes(), "cut off in line"),
        (newer.as_bytes(), "format 99"),
        (broken.as_bytes(), "line 2"),
    ];
    for (content, reason) in table {
        let (output, _, err) = stella(&folder.file(content), &["--quiet"]);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(reason) && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn a_difference_is_shown_and_shrinks() {
    let folder = folder();
    let file = folder.file(recording().replace(r#"{"agent_state":"speaking"}"#, r#"{"agent_state":"listening"}"#));
    let small = folder.other();
    let (output, out, err) = stella(&file, &["--quiet", "--minimise", &small.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(err.contains("differs at line") && err.contains("listening") && err.contains("speaking"), "{err}");
    assert!(out.contains("inputs are left"), "{out}");
    let (output, _, err) = stella(&small, &["--quiet"]);
    assert!(output.status.code() == Some(1) && err.contains("differs at line"), "{err}");
    let inputs = std::fs::read_to_string(&small).expect("written").matches("\"in\":").count();
    assert!(inputs < 8, "{inputs} inputs are left");
}
