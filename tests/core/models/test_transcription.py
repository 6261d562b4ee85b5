"""Recordings become text by a transcription model behind a network, whatever that answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from core.errors import ModelUnavailable
from core.house import House, open_house
from core.models.transcription import MAX_RECORDING_BYTES, Transcriber
from core.settings import Settings

VOICE = b"OggS and somebody who speaks"


@dataclass
class FakeWhisper:
    """What was sent to OpenAI's transcription endpoint, and how it answers: with these statuses in turn."""

    statuses: list[int]
    url: str = ""
    keys: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def transcribe(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("authorization", ""))
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        told = {"file": file.filename, "type": file.content_type, "data": file.file.read().decode()}
        self.asked.append({"model": str(form["model"]), **told})
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == 0:
            await self.over.wait()
        if status != 200:
            return web.json_response({"error": {"message": "no, sk-1234567890", "type": "error"}}, status=status or 500)
        return web.json_response({"text": " Buy milk, please. "})


@asynccontextmanager
async def fake_whisper(*statuses: int) -> AsyncIterator[FakeWhisper]:
    fake = FakeWhisper(list(statuses or (200,)))
    application = web.Application(client_max_size=MAX_RECORDING_BYTES * 2)
    application.router.add_post("/v1/audio/transcriptions", fake.transcribe)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield fake
    finally:
        fake.over.set()
        await runner.cleanup()


async def test_a_recording_becomes_the_words_that_are_said_in_it() -> None:
    async with fake_whisper() as fake:
        text = await Transcriber("openai/whisper-1", fake.url).text(VOICE, "voice.oga", "audio/ogg; codecs=opus")
    assert text == "Buy milk, please."
    (asked,) = fake.asked
    assert (asked["model"], asked["file"], asked["data"]) == ("whisper-1", "voice.ogg", VOICE.decode())


@pytest.mark.parametrize(
    "name, media_type, called",
    [("a.MP3", "audio/mpeg", "a.MP3"), ("note", "audio/mp4", "note.m4a"), ("x.y", "audio/strange", "x.y")],
)
async def test_a_recording_is_called_as_its_kind_is(name: str, media_type: str, called: str) -> None:
    async with fake_whisper() as fake:
        await Transcriber("openai/whisper-1", fake.url).text(VOICE, name, media_type)
    assert fake.asked[0]["file"] == called


async def test_a_server_of_ones_own_needs_no_key_and_a_provider_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with fake_whisper() as fake:
        await Transcriber("openai/whisper-1", fake.url).text(VOICE, "a.ogg", "audio/ogg")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
        await Transcriber("openai/whisper-1", fake.url).text(VOICE, "a.ogg", "audio/ogg")
    assert fake.keys == ["Bearer none", "Bearer sk-mine"]
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelUnavailable, match="set OPENAI_API_KEY"):
        await Transcriber("openai/whisper-1").text(VOICE, "a.ogg", "audio/ogg")


async def test_what_passes_by_itself_is_tried_again() -> None:
    async with fake_whisper(503, 429, 200) as fake:
        transcriber = Transcriber("openai/whisper-1", fake.url, pause=0.001)
        assert await transcriber.text(VOICE, "a.ogg", "audio/ogg") == "Buy milk, please."
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    "status, words, asked",
    [
        (401, "refused the key", 1),
        (404, "is not known at http", 1),
        (400, "Send the recording in another format", 1),
        (429, "too many requests", 3),
        (500, "an error of its own", 3),
    ],
)
async def test_what_goes_wrong_is_said_in_our_words_without_a_key(status: int, words: str, asked: int) -> None:
    async with fake_whisper(status) as fake:
        with pytest.raises(ModelUnavailable, match=words) as refused:
            await Transcriber("openai/whisper-1", fake.url, pause=0.001).text(VOICE, "a.ogg", "audio/ogg")
    assert len(fake.asked) == asked
    assert "sk-" not in str(refused.value)


async def test_one_that_says_nothing_is_given_up() -> None:
    async with fake_whisper(0) as fake:
        with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.2 seconds"):
            await Transcriber("openai/whisper-1", fake.url, patience=0.2).text(VOICE, "a.ogg", "audio/ogg")
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        await Transcriber("openai/whisper-1", fake.url, pause=0.001).text(VOICE, "a.ogg", "audio/ogg")


async def test_a_recording_that_is_too_large_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ModelUnavailable, match="may have 25,000,000"):
        await Transcriber("openai/whisper-1").text(bytes(MAX_RECORDING_BYTES + 1), "a.ogg", "audio/ogg")


async def test_a_house_has_a_transcriber_where_one_is_set(house: House, settings: Settings) -> None:
    assert house.transcriber is None
    named = settings.model_copy(update={"transcriber": "openai/whisper-1", "transcriber_url": "http://127.0.0.1:1/v1"})
    async with open_house(named, house.url, clock=house.clock, embedder=house.embedder) as other:
        assert other.transcriber
        assert (other.transcriber.name, other.transcriber.url) == ("openai/whisper-1", "http://127.0.0.1:1/v1")
