"""A participant on libwebrtc, driven by the tests: one JSON command a line in, one JSON event a line out.

Environment: PEER_URL, PEER_TOKEN. Every command may carry "id", which its answer repeats.
"""
import asyncio, base64, json, os, sys, time
import numpy as np
from livekit import rtc

RATE = 48_000
heard = {}      # track sid -> {"identity", "chunks": [(time, samples)], "mark"}
room = None  # made inside the event loop, which it binds to
tasks, sources, writers = [], {}, {}


def out(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


async def listen(track, identity):
    entry = heard[track.sid] = {"identity": identity, "chunks": [], "mark": 0.0}
    stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
    async for frame in stream:
        entry["chunks"].append((time.time(), np.frombuffer(frame.frame.data, np.int16).copy()))


def analyse(entry):
    """Tone, loudness, continuity of what was heard since the mark."""
    chunks = [(t, x) for t, x in entry["chunks"] if t >= entry["mark"]]
    if not chunks:
        return {"samples": 0}
    x = np.concatenate([c for _, c in chunks]).astype(float) / 32768
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    peak = int(spectrum.argmax())
    share = spectrum[max(0, peak - 5):peak + 6].sum() / max(spectrum.sum(), 1e-12)
    blocks = (x[: len(x) // 480 * 480].reshape(-1, 480) ** 2).mean(1)
    loud = blocks > 1e-4
    runs, longest, run = [], 0, 0
    first, last = (int(np.argmax(loud)), len(loud) - int(np.argmax(loud[::-1]))) if loud.any() else (0, 0)
    for is_loud in loud[first:last]:
        run = 0 if is_loud else run + 1
        longest = max(longest, run)
    times = [t for t, _ in chunks]
    return {
        "samples": len(x),
        "frequency": peak * RATE / len(x),
        "share": float(share),
        "dbfs": float(20 * np.log10(max(1e-9, np.sqrt((x ** 2).mean())))),
        "loud_ms": int(loud.sum()) * 10,
        "longest_silence_ms": longest * 10,
        "largest_frame_gap_ms": int(1000 * max(np.diff(times), default=0)),
    }


async def play(source, frequency):
    n = 0
    while True:
        wave = 0.5 * 32767 * np.sin(2 * np.pi * frequency * (np.arange(480) + n) / RATE)
        n += 480
        await source.capture_frame(rtc.AudioFrame(wave.astype(np.int16).tobytes(), RATE, 1, 480))


async def on_text(reader, identity):
    text = await reader.read_all()
    info = reader.info
    out("text", identity=identity, topic=info.topic, text=text, attributes=dict(info.attributes or {}), stream=info.stream_id)


async def do(command):
    local, what = room.local_participant, command["do"]
    if what == "tone":
        source = rtc.AudioSource(RATE, 1)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=command.get("dtx", False), red=command.get("red", True))
        publication = await local.publish_track(track, options)
        task = asyncio.create_task(play(source, command["frequency"]))
        sources[publication.sid] = (task, source, track)
        return {"track": publication.sid}
    if what == "untone":
        for sid, (task, _, _) in list(sources.items()):
            task.cancel()
            await local.unpublish_track(sid)
            del sources[sid]
    elif what == "hush":  # the track stays, its sound stops
        for task, _, _ in sources.values():
            task.cancel()
    elif what == "mute":
        for _, _, track in sources.values():
            track.mute() if command["on"] else track.unmute()
    elif what == "video":
        source = rtc.VideoSource(64, 64)
        track = rtc.LocalVideoTrack.create_video_track("camera", source)
        publication = await local.publish_track(track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA))
        async def frames():
            while True:
                source.capture_frame(rtc.VideoFrame(64, 64, rtc.VideoBufferType.RGBA, bytes(64 * 64 * 4)))
                await asyncio.sleep(0.1)
        tasks.append(asyncio.create_task(frames()))
        return {"track": publication.sid}
    elif what == "data":
        payload = base64.b64decode(command["payload"])
        await local.publish_data(payload, reliable=command["reliable"], topic=command["topic"])
    elif what == "text":
        info = await local.send_text(command["text"], topic=command["topic"], attributes=command.get("attributes", {}))
        return {"stream": info.stream_id}
    elif what == "open_text":
        writer = await local.stream_text(topic=command["topic"], attributes=command.get("attributes", {}))
        writers[writer.info.stream_id] = writer
        return {"stream": writer.info.stream_id}
    elif what == "write_text":
        await writers[command["stream"]].write(command["text"])
    elif what == "close_text":
        await writers.pop(command["stream"]).aclose(attributes=command.get("attributes", {}))
    elif what == "attributes":
        await local.set_attributes(command["attributes"])
    elif what == "mark":
        for entry in heard.values():
            entry["mark"] = time.time()
    elif what == "heard":
        tracks = {e["identity"]: analyse(e) for e in heard.values() if e["chunks"] and e["chunks"][-1][0] >= e["mark"]}
        return {"tracks": tracks}
    elif what == "participants":
        return {"participants": {p.identity: {"name": p.name, "metadata": p.metadata, "attributes": dict(p.attributes)} for p in room.remote_participants.values()}}
    elif what == "leave":
        await room.disconnect()
    return {}


async def run(command):
    try:
        out("done", id=command.get("id"), **await do(command))
    except Exception as error:
        out("failed", id=command.get("id"), error=repr(error))


async def main():
    global room
    room = rtc.Room()

    @room.on("track_subscribed")
    def _(track, publication, participant):
        out("track_subscribed", identity=participant.identity, track=publication.sid, mime=publication.mime_type)
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            tasks.append(asyncio.create_task(listen(track, participant.identity)))

    @room.on("track_unsubscribed")
    def _(track, publication, participant):
        out("track_unsubscribed", identity=participant.identity, track=publication.sid)

    @room.on("track_muted")
    def _(participant, publication):
        out("track_muted", identity=participant.identity, track=publication.sid)

    @room.on("track_unmuted")
    def _(participant, publication):
        out("track_unmuted", identity=participant.identity, track=publication.sid)

    @room.on("participant_connected")
    def _(participant):
        out("participant_connected", identity=participant.identity)

    @room.on("participant_disconnected")
    def _(participant):
        out("participant_disconnected", identity=participant.identity, reason=participant.disconnect_reason)

    @room.on("data_received")
    def _(packet):
        out("data", identity=packet.participant.identity if packet.participant else None, topic=packet.topic,
            reliable=packet.kind == rtc.DataPacketKind.KIND_RELIABLE, payload=base64.b64encode(bytes(packet.data)).decode())

    @room.on("transcription_received")
    def _(segments, participant, publication):
        out("transcription", identity=participant.identity if participant else None,
            segments=[{"id": s.id, "text": s.text, "final": s.final} for s in segments])

    for topic in ("lk.transcription", "lk.chat"):
        room.register_text_stream_handler(topic, lambda reader, who: tasks.append(asyncio.create_task(on_text(reader, who))))
    await room.connect(os.environ["PEER_URL"], os.environ["PEER_TOKEN"], rtc.RoomOptions(auto_subscribe=True))
    out("connected", participants=[p.identity for p in room.remote_participants.values()])
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        tasks.append(asyncio.create_task(run(json.loads(line))))
    await room.disconnect()


asyncio.run(main())
