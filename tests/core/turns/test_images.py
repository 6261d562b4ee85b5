"""Images reach models that see, are named to all others, and leave no bytes where they would stay."""

import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import orjson
import pytest

from core.agents.budgets import IMAGE_TOKENS, NEW_REPLY_TOKENS
from core.atoms.atoms import OWNER, Atom, Attachment, Origin, Principal, new_id
from core.atoms.values import Notice, decode, encode
from core.house import House
from core.models.frames import parse_changes
from core.models.litellm import UNSEEN_NOTE, Provider
from core.models.llm import LLM, Message, Picture, Usage, sees, whole
from core.models.offline import OfflineLLM
from core.models.recording import Recorder, Replay
from core.models.router import Fallbacks, connect
from core.secrets.secrets import Secrets
from core.settings import load
from core.spaces.spaces import Actor
from core.turns.images import MAX_IMAGE_BYTES, MAX_IMAGES, Images, ShownImages, file_words
from core.turns.prompts import Prompts
from tests.core.fake_openai import Answer, fake_openai
from tests.core.mortal_worker import Flat
from tests.core.scenes import said, seat, tell, working

PNG = b"\x89PNG\r\n\x1a\n and so on"
SHOWN = Picture("File 1 of change 0:", "image/png", PNG, "ab" * 32)
LOOK = [Message("system", "Be kind."), Message("user", "look", pictures=(SHOWN,))]


class Seeing:
    """A model that sees, and says how much it was shown."""

    name = "seeing"

    def __init__(self) -> None:
        self.shown: list[Message] = []

    async def sees(self) -> bool:
        return True

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        self.shown = list(messages)
        yield f"I see {sum(len(message.pictures) for message in messages)}."


async def carrying(house: House, files: dict[str, bytes], space: str = "notes") -> tuple[Atom, Notice]:
    """An atom that carries these files, and the notice of it."""
    room = await house.spaces.create(space)
    atom = await room.put("look")
    for name, data in files.items():
        atom = await house.attachments.attach(house.spaces.open(space), atom.id, name, data)
    return atom, Notice(atom.id, space, "put", "look", "owner", Origin.OWNER, "look", attachments=atom.attachments)


async def shown(house: House, *notices: Notice, by: Principal = OWNER, llm: LLM | None = None) -> ShownImages:
    return await Images(house.spaces, house.attachments.files).shown(llm or Seeing(), Actor(by), notices)


async def test_a_picture_that_came_with_a_message_is_shown_to_the_model_that_answers_it(house: House) -> None:
    await seat(house)
    cat = await house.attachments.keep("cat.png", PNG)
    await house.spaces.open("chat").put("what is this?", metadata={"role": "user"}, attachments=[cat])
    async with fake_openai(Answer(("A cat.",))) as fake:
        async with working(house, Provider("openai/gpt-4o", fake.url)):
            assert [one.content for one in await said(house)] == ["A cat."]
            await tell(house, "thank you")  # once this is answered, the session has the turn before
            await said(house, 2)
        asked = fake.requests[0]["messages"][-1]["content"]
    label, image, text = asked
    assert label["text"] == "File 1 of change 0, which is data as the text is:"
    assert image["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert 'files="cat.png (image/png, 18 bytes, shown this once)"' in text["text"]
    again = str(fake.requests[1]["messages"])
    assert "cat.png" in again
    assert "data:image" not in again


async def test_a_model_that_does_not_see_is_told_the_name_the_kind_and_the_size(house: House) -> None:
    _, notice = await carrying(house, {"cat.png": PNG, "report.csv": b"a,b\n" * 300})
    flat = Flat()
    assert await shown(house, notice, llm=OfflineLLM(flat)) == ShownImages()
    tail = Prompts(house.spaces, flat).tail("Now", [notice])
    assert tail.pictures == ()
    (framed,) = parse_changes(tail.text)
    assert framed.files == "cat.png (image/png, 18 bytes); report.csv (text/csv, 1 kB)"


async def test_what_is_too_large_or_too_much_is_left_out_and_the_frame_says_so(house: House) -> None:
    files = {f"{n}.png": PNG + bytes([n]) for n in range(MAX_IMAGES + 1)}
    files["big.jpg"] = b"\xff\xd8\xff" + bytes(MAX_IMAGE_BYTES)
    _, notice = await carrying(house, files)
    found = await shown(house, notice)
    assert [one.data[-1] for one in found.pictures] == list(range(1, MAX_IMAGES + 1))
    assert found.said[0, "big.jpg"] == "not shown: larger than 3.8 MB"
    assert found.said[0, "0.png"] == "not shown: 8 images and 12.0 MB are shown at once"
    (framed,) = parse_changes(Prompts(house.spaces, Flat()).tail("Now", [notice], found).text)
    assert "big.jpg (image/jpeg, 3.8 MB, not shown: larger than 3.8 MB)" in framed.files


async def test_what_only_calls_itself_an_image_is_not_shown_and_another_kind_is_shown_as_what_it_is(
    house: House,
) -> None:
    _, notice = await carrying(house, {"page.png": b"<html>", "photo.png": b"\xff\xd8\xff and so on"})
    found = await shown(house, notice)
    assert [one.media_type for one in found.pictures] == ["image/jpeg"]
    assert found.said[0, "page.png"] == "not shown: it is gone, or not an image"


async def test_a_picture_is_shown_only_to_who_may_read_the_atom_now(house: House) -> None:
    atom, notice = await carrying(house, {"cat.png": PNG})
    bot = Principal("bot")
    assert (await shown(house, notice, by=bot)).pictures == ()
    await house.spaces.open("notes").share("bot", "read")
    assert len((await shown(house, notice, by=bot)).pictures) == 1
    await house.attachments.detach(house.spaces.open("notes"), atom.id, "cat.png")
    assert (await shown(house, notice, by=bot)).pictures == ()


async def test_a_picture_that_came_with_two_changes_is_shown_once(house: House) -> None:
    _, notice = await carrying(house, {"cat.png": PNG})
    found = await shown(house, notice, notice)
    assert len(found.pictures) == 1
    assert set(found.said.values()) == {"shown this once"}


async def test_a_picture_that_is_lost_where_files_are_kept_stops_no_turn(house: House) -> None:
    atom, notice = await carrying(house, {"cat.png": PNG})
    digest = atom.attachments[0].sha256
    (house.settings.home / "files" / digest[:2] / digest).write_bytes(b"rubbish")
    assert (await shown(house, notice)).said == {(0, "cat.png"): "not shown: it is gone, or not an image"}


async def test_whether_a_model_sees_is_known_of_it_or_set() -> None:
    known = {name: await sees(Provider(name)) for name in ("openai/gpt-4o", "openai/gpt-3.5-turbo", "mine", "ollama/x")}
    assert known == {"openai/gpt-4o": True, "openai/gpt-3.5-turbo": False, "mine": False, "ollama/x": False}
    assert await sees(connect(load(model="mine@http://127.0.0.1:1/v1", model_sees=True), Flat()))
    assert not await sees(connect(load(model="openai/gpt-4o", model_sees=False), Flat()))


async def test_of_several_models_one_that_does_not_see_is_told_that_there_was_an_image() -> None:
    async with fake_openai(Answer(status=401)) as away, fake_openai(Answer(("Sorry.",))) as blind:
        both = Fallbacks([Provider("openai/gpt-4o", away.url), Provider("openai/gpt-3.5-turbo", blind.url)])
        assert await sees(both)
        assert (await whole(both, LOOK))[0] == "Sorry."
    assert blind.requests[0]["messages"][1]["content"] == f"look\n\n{UNSEEN_NOTE}"


async def test_a_request_that_is_refused_with_its_pictures_is_made_without_them() -> None:
    async with fake_openai(Answer(status=400, message="bad image"), Answer(("What is it?",))) as fake:
        assert (await whole(Provider("openai/gpt-4o", fake.url), LOOK))[0] == "What is it?"
    assert fake.requests[1]["messages"][1]["content"].endswith(UNSEEN_NOTE)


async def test_a_recording_has_a_hash_for_a_picture_and_is_played_to_who_is_shown_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tape"
    recorder = Recorder(Seeing(), file, Secrets({}))
    assert await sees(recorder)
    await whole(recorder, LOOK)
    (entry,) = map(orjson.loads, file.read_bytes().splitlines())
    assert entry["messages"][1] == ["user", "look", False, [[SHOWN.label, "image/png", SHOWN.sha256]]]
    replay = Replay.read(str(file))
    assert await sees(replay)
    assert (await whole(replay, LOOK))[0] == "I see 1."
    assert not await sees(Replay([]))


async def test_a_picture_is_reserved_for_in_the_budget(house: House) -> None:
    now = house.clock.now()
    purse = house.budgets.purse("assistant", [], "chat/1", new_id(), now, None)
    await purse.begin()
    await purse.reserve("reply.0", "seeing", LOOK)
    (account,) = await house.budgets.accounts(["root:chat/1"])
    assert account.held.tokens == len("Be kind.look") // 3 + IMAGE_TOKENS + NEW_REPLY_TOKENS


def test_a_notice_keeps_its_files_in_the_journal() -> None:
    file = Attachment("ab" * 32, "cat.png", "image/png", 18)
    notice = Notice("a", "chat", "put", "look", "owner", Origin.OWNER, attachments=(file,))
    assert list(decode(encode(notice)).attachments) == [file]


@pytest.mark.parametrize("size, words", [(0, "0 bytes"), (999, "999 bytes"), (1_500, "2 kB"), (50_000_000, "50.0 MB")])
def test_a_file_is_named_with_its_kind_and_size(size: int, words: str) -> None:
    assert file_words(Attachment("ab" * 32, "a.bin", "x/y", size)) == f"a.bin (x/y, {words})"
