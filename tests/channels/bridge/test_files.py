"""Files go both ways: a photo is seen, a voice note heard, a table sent, each by real servers on loopback."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from channels.bridge.attachments import MAX_GUEST_VOICE_NOTES, FileTransfer
from channels.bridge.bindings import bound
from channels.bridge.bridge import Bridge
from channels.bridge.session import TerminalSession
from channels.contract import File
from channels.loopback import Loopback
from core.house import House
from core.models.litellm import Provider
from core.models.transcription import Transcriber
from tests.channels.scenes import bridge_of
from tests.core.fake_openai import Answer, fake_openai
from tests.core.models.test_transcription import VOICE, fake_whisper
from tests.core.scenes import seat, working
from tests.core.turns.test_images import PNG

SENDS = """```python
spaces["chat"].put("Here.", metadata={"role": "assistant"}, files={"colours.csv": "cat,colour\\nTom,grey\\n"})
```"""
KEPT = {"cat.png": PNG, "voice.oga": VOICE}


class Post(Loopback):
    """A platform whose messages carry files."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()

    async def read(self, file: File) -> bytes:
        return KEPT[file.place]

    async def send_file(self, conversation: str, name: str, media_type: str, data: bytes, key: str) -> str:
        self.shown.put_nowait((name, media_type, data))
        return key


async def test_a_photo_and_a_voice_note_are_answered_with_a_file(house: House) -> None:
    await seat(house)
    post = Post()
    async with fake_openai(Answer((SENDS,)), Answer(("",))) as model, fake_whisper() as whisper:
        enclosures = FileTransfer(house.attachments, house.store, Transcriber("openai/whisper-1", whisper.url).text)
        bridge = TerminalSession(Bridge(house.spaces, post, enclosures), bound("loopback", "hall"))
        serving = asyncio.create_task(bridge.serve())
        async with working(house, Provider("openai/gpt-4o", model.url)):
            photo = File("cat.png", "image/png", len(PNG), "cat.png")
            voice = File("voice.oga", "audio/ogg", len(VOICE), "voice.oga", recorded=True)
            await post.say("which colour has it?", files=(photo, voice))
            assert await post.shown.get() == ("colours.csv", "text/csv", b"cat,colour\nTom,grey\n")
            while len(model.requests) < 2:
                await asyncio.sleep(0.01)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    _, image, text = model.requests[0]["messages"][-1]["content"]
    assert image["type"] == "image_url"
    assert "which colour has it?\n\n(voice note) Buy milk, please." in text["text"]
    assert "cat.png (image/png, 18 bytes, shown this once); voice.oga (audio/ogg, 28 bytes)" in text["text"]
    assert [sent.text for sent in post.sent if sent.text] == ["Here."]


def is_kept(data: bytes, home: Path) -> bool:
    return any(path.read_bytes() == data for path in home.rglob("*") if path.is_file())


async def test_no_byte_is_kept_of_a_message_that_finds_no_room(house: House, tmp_path: Path) -> None:
    await seat(house)
    house.spaces.limits = replace(house.spaces.limits, file_bytes=10)
    post = Post()
    bridge = TerminalSession(bridge_of(house, post), bound("loopback", "hall"))
    serving = asyncio.create_task(bridge.serve())
    await post.say("look", files=(File("cat.png", "image/png", len(PNG), "cat.png"),))
    (told,) = await post.heard(1)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    assert "are the most" in told
    assert not is_kept(PNG, tmp_path)


async def test_where_no_file_can_be_shown_it_is_said_how_to_save_it(house: House) -> None:
    await seat(house)
    plain = Loopback()
    bridge = TerminalSession(bridge_of(house, plain), bound("loopback", "hall"))
    serving = asyncio.create_task(bridge.serve())
    table = await house.attachments.keep("my tasks.csv", b"task\n")
    atom = await house.spaces.open("chat").put("Here.", metadata={"role": "assistant"}, attachments=[table])
    told = await plain.heard(2)
    assert told == ["Here.", f"[my tasks.csv, 5 bytes: `stoa space save {atom.ref} 'my tasks.csv'`]"]
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def test_of_others_than_the_owner_only_so_many_voice_notes_a_day_are_written_down(house: House) -> None:
    heard: list[str] = []

    async def transcribe(data: bytes, name: str, media_type: str) -> str:
        heard.append(name)
        return "Hello."

    notes = [
        File(f"{number}.oga", "audio/ogg", len(VOICE), "voice.oga", recorded=True)
        for number in range(MAX_GUEST_VOICE_NOTES)
    ]
    enclosures = FileTransfer(house.attachments, house.store, transcribe)
    full = await enclosures.fetched(Post(), notes, guest=True)
    over = await enclosures.fetched(Post(), notes[:1], guest=True)
    mine = await enclosures.fetched(Post(), notes[:1])
    assert (len(full.texts), full.trouble) == (MAX_GUEST_VOICE_NOTES, "")
    assert (len(over.files), over.texts) == (1, ())
    assert over.trouble.startswith("I could not hear 0.oga: I've reached my limit of voice notes for today.")
    house.clock.move(days=1)  # type: ignore[attr-defined]
    later = await enclosures.fetched(Post(), notes[:1], guest=True)
    assert mine.texts == later.texts == ("(voice note) Hello.",)
