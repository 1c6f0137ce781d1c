"""Somebody who calls the agent, on the official SDK, driven by the tests: one JSON command a line in, one JSON event a
line out. Environment: CALLER_URL, CALLER_TOKEN.

Commands: {"do": "speak", "ms": N} hums for N ms; {"do": "type", "text": T}; {"do": "leave"}.
Events: "joined"; "loud" and "quiet" when the agent's sound starts and stops (with times in seconds, and for "quiet" how
long it sounded); "text" for each text stream; "transcription" for each older packet; "state"; "spoke" when a hum is over.
"""
import asyncio
import json
import os
import sys
import time

import numpy as np
from livekit import rtc

RATE = 48_000
FRAME = RATE // 100
QUIET_AFTER = 0.4
room = None
tasks = set()
hum_until = 0.0


def out(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def keep(coroutine):
    task = asyncio.create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def listen(track):
    """Tells loud from quiet by blocks of 10 ms."""
    began = last = None
    async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
        samples = np.frombuffer(event.frame.data, np.int16).astype(float)
        now = time.time()
        if np.sqrt((samples**2).mean()) > 300:
            if began is None:
                began = now
                out("loud", at=now)
            last = now
        elif began is not None and now - last > QUIET_AFTER:
            out("quiet", at=last, ms=round((last - began) * 1000))
            began = None


async def microphone():
    """Sends sound without a pause: a hum while there is something to hum, silence otherwise."""
    source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await room.local_participant.publish_track(track, options)
    out("published", track=publication.sid)
    n, humming = 0, False
    while True:
        loud = time.time() < hum_until
        at = (np.arange(FRAME) + n) / RATE
        wave = sum(np.sin(2 * np.pi * 150 * k * at) / k for k in range(1, 6)) * 6000 * loud
        n += FRAME
        if humming and not loud:
            out("spoke", at=time.time())
        humming = loud
        await source.capture_frame(rtc.AudioFrame(wave.astype(np.int16).tobytes(), RATE, 1, FRAME))


async def read(reader, identity):
    text = await reader.read_all()
    out("text", topic=reader.info.topic, identity=identity, text=text, attributes=dict(reader.info.attributes or {}))


def on_attributes(changed, participant):
    if "lk.agent.state" in changed:
        out("state", identity=participant.identity, state=changed["lk.agent.state"])


def on_transcription(segments, participant, publication):
    for segment in segments:
        identity = participant.identity if participant else None
        out("transcription", identity=identity, text=segment.text, final=segment.final, id=segment.id)


async def main():
    global room, hum_until
    room = rtc.Room()
    room.on("track_subscribed", lambda track, *_: keep(listen(track)))
    room.on("participant_attributes_changed", on_attributes)
    room.on("transcription_received", on_transcription)
    room.on("participant_disconnected", lambda who: out("left", identity=who.identity))
    room.register_text_stream_handler("lk.transcription", lambda reader, who: keep(read(reader, who)))
    await room.connect(os.environ["CALLER_URL"], os.environ["CALLER_TOKEN"])
    out("joined", identity=room.local_participant.identity)
    keep(microphone())
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        command = json.loads(line)
        if command["do"] == "speak":
            hum_until = time.time() + command["ms"] / 1000
            out("speaking", at=time.time())
        elif command["do"] == "type":
            await room.local_participant.send_text(command["text"], topic="lk.chat")
        elif command["do"] == "leave":
            break
    await room.disconnect()
    out("gone")
    os._exit(0)


asyncio.run(main())
