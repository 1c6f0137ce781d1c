"""The peer of the benchmark `turn`: a livekit-agents worker with scripted providers, otherwise as it comes.

Production mode (`start`), a process for each call, its own bundled voice detection, preemptive generation on. The gate
that refuses calls by load is off, because the machine is meant to be busy. The providers are fakes whose delays are those
of Stella's: recognition 50 ms after it is flushed at the end of the voice, 20 tokens 10 ms apart, the first after 100 ms,
audio 50 ms after the first text, then five times faster than real time.
"""

import asyncio
import math

from livekit.agents import APIConnectOptions, Agent, AgentServer, AgentSession, JobContext, cli, inference, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN

NAME = "stella-bench-peer"
WAIT = 0.3
RECOGNITION = 0.05
FIRST_TOKEN = 0.1
TOKEN = 0.01
FIRST_AUDIO = 0.05
RATE = 24_000
PART = RATE // 10
SPEED = 5
# As long as Stella's scripted voice takes for the same text.
REPLY_PARTS = 9
WORDS = (
    "I heard you, and this is a scripted answer. It says nothing of use, but it takes its time to say".split()
)


class ScriptedStt(stt.STT):
    def __init__(self) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=False, offline_recognize=False, manual_flush=True
            )
        )

    async def _recognize_impl(self, buffer, *, language=NOT_GIVEN, conn_options):
        raise NotImplementedError("it only recognises streams")

    def stream(self, *, language=NOT_GIVEN, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS):
        return ScriptedRecognition(stt=self, conn_options=conn_options)


class ScriptedRecognition(stt.RecognizeStream):
    async def _run(self) -> None:
        async for data in self._input_ch:
            if isinstance(data, self._FlushSentinel):
                await asyncio.sleep(RECOGNITION)
                said = stt.SpeechData(language="en", text="What is the weather like today?")
                event = stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])
                self._event_ch.send_nowait(event)


class ScriptedLlm(llm.LLM):
    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_options):
        return ScriptedGeneration(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class ScriptedGeneration(llm.LLMStream):
    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + FIRST_TOKEN
        for number, word in enumerate(WORDS):
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += TOKEN
            text = word if number == 0 else f" {word}"
            delta = llm.ChoiceDelta(role="assistant", content=text)
            self._event_ch.send_nowait(llm.ChatChunk(id="scripted", delta=delta))


class ScriptedTts(tts.TTS):
    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=True), sample_rate=RATE, num_channels=1)

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        raise NotImplementedError("it only speaks streams")

    def stream(self, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return ScriptedVoice(tts=self, conn_options=conn_options)


class ScriptedVoice(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="scripted", sample_rate=RATE, num_channels=1, mime_type="audio/pcm", stream=True
        )
        loop = asyncio.get_running_loop()
        speaking = None
        async for text in self._input_ch:
            if isinstance(text, str) and speaking is None:
                speaking = asyncio.create_task(self._speak(output_emitter, loop.time() + FIRST_AUDIO))
        if speaking:
            await speaking

    async def _speak(self, output_emitter: tts.AudioEmitter, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._mark_started()
        for number in range(REPLY_PARTS):
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += PART / RATE / SPEED
            if number == 0:
                output_emitter.start_segment(segment_id="scripted")
            output_emitter.push(HUM)
        output_emitter.end_segment()


def hum() -> bytes:
    """A tenth of a second of sound with overtones, audible from its first sample on."""
    samples = bytearray()
    for n in range(PART):
        t = 2 * math.pi * 140 * n / RATE + 0.5
        voice = sum(math.sin(k * t) / k for k in range(1, 9)) / 2
        samples += int(voice * 9_000).to_bytes(2, "little", signed=True)
    return bytes(samples)


HUM = hum()
server = AgentServer(load_fnc=lambda _: 0.0, load_threshold=math.inf, host="127.0.0.1", port=0)


@server.rtc_session(agent_name=NAME)
async def converse(job: JobContext) -> None:
    session = AgentSession(
        stt=ScriptedStt(),
        llm=ScriptedLlm(),
        tts=ScriptedTts(),
        vad=inference.VAD(),
        turn_handling={
            "turn_detection": "vad",
            "endpointing": {"min_delay": WAIT, "max_delay": WAIT},
            "interruption": {"mode": "vad"},
        },
    )
    await session.start(agent=Agent(instructions="Answer."), room=job.room)


if __name__ == "__main__":
    server.on("worker_registered", lambda *_: print("ready", flush=True))
    cli.run_app(server)
