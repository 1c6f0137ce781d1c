"""The people of the benchmark `turn`: microphones and ears over the official Python SDK of LiveKit, in one process.

The same program speaks with Stella, with the peer, and, to measure the way alone, with itself. One task is given as JSON
on the standard input, its result comes as JSON on the standard output. Times are those of this process's monotonic clock
in milliseconds: a sample of the microphone counts as spoken when its frame of 10 ms is due to leave the SDK's queue for
the encoder, a sample that is heard counts as heard when its frame of 10 ms comes out of the SDK, plus its place in that
frame.

The SDK is asked for as little as can be, because each of its events is offered to every stream and every pending request
of the process: with ten people and events every 10 ms, the people would be busier than the agents they measure. So the
SDK makes the silence of a microphone that says nothing itself, and hands over what is heard five frames at once.
"""

import asyncio
import contextlib
import gc
import json
import math
import os
import resource
import sys
import wave

import numpy as np
from livekit import api, rtc

RATE = 48_000
FRAME = RATE // 100
# Root mean square from which 5 ms are audible: -48 dBFS, as everywhere in the benchmarks.
AUDIBLE = 130.0
WINDOW = RATE // 200
# What is said is handed over in such pieces, and so much of it may wait in the SDK.
PIECE = RATE // 5
# Frames that are heard come so many at once.
HEARD_MS = 50
# The agent's turn is over when it was silent for so long.
QUIET = 0.5
ANSWER_BY = 10.0
OVER_BY = 15.0
JOIN_BY = 60.0


def first_audible(samples: np.ndarray) -> float | None:
    """Seconds into a frame at which it becomes audible."""
    windows = samples.astype(np.float32).reshape(-1, WINDOW)
    loud = np.flatnonzero(np.sqrt((windows * windows).mean(axis=1)) > AUDIBLE)
    return None if loud.size == 0 else float(loud[0]) * WINDOW / RATE


def speech(task: dict) -> np.ndarray:
    """Recorded speech that begins and ends within a word, so that its last sample is voiced."""
    with wave.open(task["recording"]) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        file.setpos(RATE * task["from_ms"] // 1000)
        samples = np.frombuffer(file.readframes(RATE * task["length_ms"] // 1000), dtype=np.int16)
    loud = np.clip(samples.astype(np.float32) * task["gain"], -32768, 32767).astype(np.int16)
    ends = loud[:WINDOW], loud[-WINDOW:]
    assert all(first_audible(end) is not None for end in ends), "the recording does not speak where it should"
    return loud


def ping() -> np.ndarray:
    """A fifth of a second of sound that is audible from its first sample on."""
    t = np.arange(RATE // 5) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * t + 0.5) / k for k in range(1, 9)) / 2
    return (voice * 9_000).astype(np.int16)


class Person:
    """Somebody in a room: a microphone that is never off, and an ear for the first one who is audible there."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.loop = asyncio.get_running_loop()
        self.room = rtc.Room()
        self.source = rtc.AudioSource(RATE, 1, queue_size_ms=1000 * PIECE // RATE)
        self.listening_for: tuple[float, asyncio.Future[float]] | None = None
        self.last_audible = 0.0
        self.hears = asyncio.Event()
        self.tasks: list[asyncio.Task] = []

    async def join(self, task: dict, room: str, identity: str) -> None:
        grants = api.VideoGrants(room_join=True, room=room)
        token = api.AccessToken().with_identity(identity).with_grants(grants)
        if task.get("dispatch"):
            dispatch = api.RoomAgentDispatch(agent_name=task["dispatch"])
            token = token.with_room_config(api.RoomConfiguration(agents=[dispatch]))
        self.room.on("track_subscribed", self.subscribed)
        await self.room.connect(os.environ["LIVEKIT_URL"], token.to_jwt())
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)

    def subscribed(self, track, _publication, _participant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and not self.hears.is_set():
            self.hears.set()
            self.tasks.append(asyncio.create_task(self.ear(track)))

    async def say(self, what: np.ndarray) -> tuple[float, float]:
        """When the frames with the first and with the last sample left.

        A piece is taken as soon as no more than one piece waits: at that moment all before that one have left. The
        earliest such moment, as seen from the first piece, is the clock the frames leave by; the others were told late.
        """
        assert what.size % FRAME == 0
        # Silence behind it, so that two pieces tell the time at least, and nothing is missing right after the last word.
        samples = np.concatenate([what, np.zeros(-what.size % PIECE + 2 * PIECE, dtype=np.int16)])
        first = math.inf
        for number, piece in enumerate(samples.reshape(-1, PIECE)):
            await self.source.capture_frame(rtc.AudioFrame(piece.tobytes(), RATE, 1, PIECE))
            if number > 0:
                first = min(first, self.loop.time() - (number * PIECE - FRAME) / RATE)
        return first, first + (what.size - FRAME) / RATE

    async def ear(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=HEARD_MS):
            samples = np.frombuffer(event.frame.data, dtype=np.int16)
            # When the first of its 10 ms came.
            now = self.loop.time() - (samples.size - FRAME) / RATE
            # The peak is looked at first because that costs little.
            if samples.max() <= AUDIBLE or (into := first_audible(samples)) is None:
                continue
            self.last_audible = now
            if self.listening_for and now + into >= self.listening_for[0]:
                _, heard = self.listening_for
                self.listening_for = None
                if not heard.done():
                    heard.set_result(now + into)

    def first_from(self, at: float) -> asyncio.Future[float]:
        """The first audible sample not before a moment."""
        heard = self.loop.create_future()
        self.listening_for = at, heard
        return heard

    async def quiet(self) -> bool:
        """Waits until nobody is audible any more."""
        end = self.loop.time() + OVER_BY
        while (now := self.loop.time()) < end:
            left = self.last_audible + QUIET - now
            if left <= 0:
                return True
            await asyncio.sleep(left)
        return False

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.room.disconnect()


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


async def turns_of(person: Person, task: dict, clip: np.ndarray, start: float, result: dict) -> None:
    """Asks again and again. The first turn only warms up."""
    slot, count = task["slot_ms"] / 1000, task["calls"]
    for number in range(task["turns"] + 1):
        # Calls begin one after the other, and never twice at the same place of the clocks that tick every 10, 20, 32 ms.
        shift = (number * 37 + person.number * 11) % 64 / 1000
        await until(start + slot * (number + person.number / count) + shift)
        if not await person.quiet():
            result["endless"] += 1
            return
        begun = person.loop.time()
        _, last = await person.say(clip)
        cut_in = person.last_audible > begun
        heard = person.first_from(last)
        try:
            first = await asyncio.wait_for(heard, ANSWER_BY)
        except asyncio.TimeoutError:
            result["unanswered"] += number > 0
            continue
        if number > 0:
            result["cut_in"] += cut_in
            result["responses"].append((first - last) * 1000)
    await person.quiet()


async def hold_calls(task: dict) -> dict:
    """Everybody talks with the agent of their own room."""
    clip = speech(task)
    people = [Person(n) for n in range(task["calls"])]
    result = {"responses": [], "unanswered": 0, "cut_in": 0, "endless": 0, "joined": 0}
    for person, room in zip(people, task["rooms"]):
        await person.join(task, room, f"user-{person.number}")
    waits = [asyncio.wait_for(person.hears.wait(), JOIN_BY) for person in people]
    there = await asyncio.gather(*waits, return_exceptions=True)
    answered = [person for person, heard in zip(people, there) if heard is True]
    result["joined"] = len(answered)
    start = asyncio.get_running_loop().time() + task["settle_ms"] / 1000
    used = processor()
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(turns_of(person, task, clip, start, result) for person in answered))
    result["cores"] = (processor() - used) / (asyncio.get_running_loop().time() - begun)
    await asyncio.gather(*(person.leave() for person in people))
    return result


async def measure_way(task: dict) -> dict:
    """Pairs in rooms of their own call each other: only transport, encoder, decoder and jitter buffer lie between."""
    sound = ping()
    people = [Person(n) for n in range(2 * len(task["rooms"]))]
    for person in people:
        await person.join(task, task["rooms"][person.number // 2], f"user-{person.number}")
    await asyncio.gather(*(asyncio.wait_for(person.hears.wait(), JOIN_BY) for person in people))
    start = asyncio.get_running_loop().time() + task["settle_ms"] / 1000
    result = {"ways": [], "lost": 0}
    slot = task["slot_ms"] / 1000

    async def pair(one: Person, other: Person) -> None:
        for number in range(task["turns"]):
            speaker, listener = (one, other) if number % 2 == 0 else (other, one)
            await until(start + slot * (number + one.number / len(people)) + number * 37 % 64 / 1000)
            heard = listener.first_from(listener.loop.time())
            began, _ = await speaker.say(sound)
            try:
                result["ways"].append((await asyncio.wait_for(heard, 2.0) - began) * 1000)
            except asyncio.TimeoutError:
                result["lost"] += 1

    used = processor()
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(pair(one, other) for one, other in zip(people[::2], people[1::2])))
    result["cores"] = (processor() - used) / (asyncio.get_running_loop().time() - begun)
    await asyncio.gather(*(person.leave() for person in people))
    return result


def processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    task = json.load(sys.stdin)
    result = await (hold_calls(task) if task["kind"] == "calls" else measure_way(task))
    print(json.dumps(result), flush=True)
    # The SDK's threads may still call into an interpreter that is being taken down, and then abort the process.
    os._exit(0)


if __name__ == "__main__":
    # A collection in the middle of a turn would be measured as somebody's delay; the process is short.
    gc.disable()
    # The SDK's threads hand over sound every millisecond; they must not wait 5 ms for the interpreter.
    sys.setswitchinterval(0.0005)
    # The users are the measuring instrument, and in truth have machines of their own: nobody should hold them up.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    asyncio.run(main())
