"""Makes tests/fixtures/smart_turn: what the original feature code and model of pipecat give for three clips.

    python3 -m venv venv && venv/bin/pip install numpy onnxruntime==1.32.0
    venv/bin/pip install --no-deps pipecat-ai==1.14.0
    ORT_DISABLE_TELEMETRY=1 venv/bin/python tests/py/smart_turn_features.py

Clips: cut from recordings of the moonshine-voice package (MIT), found in the cache that `cargo xtask setup` fills.
For each clip: <name>.pcm, 16 kHz mono i16 little-endian; <name>.features, 80 rows of every 8th frame (100 of 800), f32
little-endian; and a line "<name> <repetitions> <probability>" in expected.txt. A clip is repeated that often before it is
used, so that the 8 s window is also seen overfull without storing more audio.
"""

import importlib.util
import os
import pathlib
import sys
import wave

import numpy as np
import onnxruntime


def features_module():
    """The module alone: importing the package would need all of pipecat's dependencies."""
    for folder in sys.path:
        file = pathlib.Path(folder) / "pipecat/audio/turn/smart_turn/_whisper_features.py"
        if file.exists():
            spec = importlib.util.spec_from_file_location("whisper_features", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    sys.exit("pipecat-ai is not installed")


def window(samples):
    """The last 8 s as f32, zeros in front if there are fewer."""
    audio = samples.astype(np.float32) / 32768
    audio = audio[-128_000:]
    return np.pad(audio, (128_000 - len(audio), 0))


def main():
    cache = pathlib.Path(os.environ.get("STELLA_CACHE", pathlib.Path.home() / ".cache/stella"))
    out = pathlib.Path(__file__).parent.parent / "fixtures/smart_turn"
    out.mkdir(parents=True, exist_ok=True)
    features = features_module().compute_whisper_log_mel_features
    session = onnxruntime.InferenceSession(cache / "models/smart-turn/smart-turn-v3.2-cpu.onnx")
    lines = []
    for name, file, start, end, repetitions in [
        ("unfinished", "clone-test.wav", 1.2, 4.1, 1),
        ("finished", "beckett.wav", 0.5, 3.4, 1),
        ("long", "beckett.wav", 5.0, 7.0, 5),
    ]:
        with wave.open(str(cache / "audio" / file)) as recording:
            assert (recording.getframerate(), recording.getnchannels()) == (16_000, 1)
            samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
        samples = samples[int(start * 16_000) : int(end * 16_000)]
        log_mel = features(window(np.tile(samples, repetitions)))
        probability = session.run(None, {"input_features": log_mel[None]})[0].item()
        samples.astype("<i2").tofile(out / f"{name}.pcm")
        np.ascontiguousarray(log_mel[:, ::8]).astype("<f4").tofile(out / f"{name}.features")
        lines.append(f"{name} {repetitions} {probability:.6f}\n")
    (out / "expected.txt").write_text("".join(lines))


main()
