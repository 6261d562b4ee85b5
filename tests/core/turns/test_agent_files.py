"""Agents' code sends files and reads the ones it is sent, as far as it may, and each once."""

from pathlib import Path

import pytest

from core.atoms.atoms import OWNER, Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound, PermissionDenied, StoaError
from core.house import House
from core.secrets.secrets import Secrets
from core.spaces.spaces import Space
from core.testing import ScriptedLLM
from core.turns.agent_files import MAX_PUT_BYTES, MAX_READ_CHARS, AgentFiles
from core.turns.signatures import Reach, describe
from tests.core.scenes import said, seat, tell, working
from tests.core.spaces.test_attachments import pdf

SEND = """```python
spaces["chat"].put("Here.", metadata={"role": "assistant"}, files={"tasks.csv": "task\\nbuy milk\\n"})
```"""
READ = """```python
print(spaces["chat"].read(change.id, change.attachments[0].name))
```"""


@pytest.fixture
async def space(house: House) -> Space:
    return await house.spaces.create("notes")


def filed(house: House, holder: Principal = OWNER) -> AgentFiles:
    return AgentFiles(house.spaces.open("notes", holder), house.attachments, house.secrets.piece)


async def test_an_agent_sends_a_file_with_a_message(house: House) -> None:
    await seat(house)
    await tell(house, "send me my tasks")
    async with working(house, ScriptedLLM(SEND, "")):
        (answer,) = await said(house)
    (file,) = answer.attachments
    assert (answer.content, file.name, file.media_type) == ("Here.", "tasks.csv", "text/csv")
    assert await house.attachments.read(house.spaces.open("chat"), answer.id, "tasks.csv") == b"task\nbuy milk\n"


async def test_an_agent_reads_the_file_that_came_with_a_message(house: House) -> None:
    await seat(house)
    report = await house.attachments.keep("report.pdf", pdf("Ana is seven."))
    await house.spaces.open("chat").put("read this", metadata={"role": "user"}, attachments=[report])
    llm = ScriptedLLM(READ, lambda messages: messages[-1].text)
    async with working(house, llm):
        (answer,) = await said(house)
    assert "Ana is seven." in answer.content
    assert 'files="report.pdf (application/pdf, 546 bytes)"' in llm.seen[0][-1].text


async def test_the_same_act_twice_is_one_atom_with_one_file(house: House, space: Space) -> None:
    for _ in range(2):
        await filed(house).put("Here.", files={"a.txt": "once"}, operation="turn.1")
    (atom,) = await space.search()
    assert [one.name for one in atom.attachments] == ["a.txt"]
    assert len(await space.history(atom.id)) == 1


async def test_code_can_claim_no_file_by_its_hash(house: House) -> None:
    await seat(house)
    secret = await house.attachments.keep("secret.txt", b"secret")
    await tell(house, "go on")
    code = f"""```python
try:
    spaces["chat"].put("mine", attachments=["{secret}"])
except Exception as error:
    print(error)
```"""
    async with working(house, ScriptedLLM(code, lambda messages: messages[-1].text)):
        (answer,) = await said(house)
    assert "attachments" in answer.content
    assert "Call it as" in answer.content
    assert not answer.attachments


async def test_files_are_put_and_read_with_the_rights_of_the_holder(house: House, space: Space) -> None:
    atom = await filed(house).put("the plan", files={"plan.txt": "Plan"})
    bot = Principal("bot")
    with pytest.raises(NotFound):
        await filed(house, bot).read(atom.id, "plan.txt")
    await space.share("bot", "read")
    assert await filed(house, bot).read(atom.id, "plan.txt") == "Plan"
    kept = set(_kept(house))
    with pytest.raises(PermissionDenied, match="needs append"):
        await filed(house, bot).put("more", files={"more.txt": "more"})
    assert set(_kept(house)) == kept
    await space.share("bot", "append")
    assert (await filed(house, bot).put("more", files={"more.txt": "more"})).attachments


def _kept(house: House) -> list[Path]:
    return [file for file in (house.settings.home / "files").rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "files, words",
    [
        (["a.txt"], "dict of names and texts"),
        ({"a.txt": b"bytes"}, "dict of names and texts"),
        ({f"{n}.txt": "" for n in range(11)}, "11 files are too many"),
        ({"a/x.txt": "", "b/x.txt": ""}, "the same name"),
        ({"..": ""}, "cannot be a file's name"),
        ({"big.txt": "x" * (MAX_PUT_BYTES + 1)}, "takes 5,000,000"),
    ],
)
async def test_what_is_no_file_or_too_much_is_refused_in_a_sentence(
    house: House, space: Space, files: object, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        await filed(house).put("x", files=files)  # type: ignore[arg-type]
    assert await space.search() == []


async def test_a_long_file_is_read_piece_by_piece(house: House, space: Space) -> None:
    atom = await filed(house).put("long", files={"long.txt": "a" * MAX_READ_CHARS + "the end"})
    assert await filed(house).read(atom.id, "long.txt") == "a" * MAX_READ_CHARS
    assert await filed(house).read(atom.id, "long.txt", MAX_READ_CHARS) == "the end"
    with pytest.raises(InvalidInput, match="start is -1"):
        await filed(house).read(atom.id, "long.txt", -1)


async def test_a_secret_in_a_file_is_read_in_no_two_halves(house: House, space: Space) -> None:
    secrets = Secrets({"STOA_SECRET_BANK": "hunter2-hunter2"})
    atom = await filed(house).put("keys", files={"env": f"{'x' * (MAX_READ_CHARS - 8)}hunter2-hunter2 and more"})
    theirs = AgentFiles(space, house.attachments, secrets.piece)
    pieces = [await theirs.read(atom.id, "env", start) for start in (0, MAX_READ_CHARS - 4, MAX_READ_CHARS)]
    assert not [one for one in pieces if "hunter2" in one or "ter2" in one]


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("script.py", b"print('Ana')", "print('Ana')"),
        ("page.html", b"<p>Ana &amp; Bo</p>", "Ana & Bo"),
        ("broken.pdf", b"%PDF-1.4 and no more", InvalidInput),
        ("cat.png", b"\x89PNG\r\n\x1a\n\0", InvalidInput),
        ("odd.bin", bytes(range(9)), InvalidInput),
    ],
)
async def test_text_is_read_where_there_is_any(
    house: House, space: Space, name: str, data: bytes, words: str | type[StoaError]
) -> None:
    atom = await space.put("x", attachments=[await house.attachments.keep(name, data)])
    if isinstance(words, str):
        assert (await filed(house).read(atom.id, name)).strip() == words
    else:
        with pytest.raises(words, match=rf"{name}: (No text can be read|It is damaged)"):
            await filed(house).read(atom.id, name)


async def test_a_file_that_is_not_there_or_damaged_is_said_to_be(house: House, space: Space) -> None:
    atom = await filed(house).put("x", files={"a.py": "1"})
    with pytest.raises(NotFound, match=r"it carries a\.py"):
        await filed(house).read(atom.id, "b.py")
    digest = atom.attachments[0].sha256
    (house.settings.home / "files" / digest[:2] / digest).write_bytes(b"rubbish")
    with pytest.raises(InvalidInput, match="damaged"):
        await filed(house).read(atom.id, "a.py")


def test_agents_are_told_how_files_are_put_and_read() -> None:
    told = describe(Reach({"chat": Permission.WRITE}, {}, {}))
    assert "- put(content, comment='', metadata=None, references=None, files=None): Add an atom" in told
    assert "- read(id, name, start=0): The text in a file" in told
