"""Export and import: what comes back is equal to what went out, and what is damaged changes nothing."""

import asyncio
import base64
import io
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.accounts import Account, Accounts
from channels.bridge.bindings import Bindings, bound
from channels.keys import channel_keys
from channels.people.persons import Persons
from channels.people.registries import Registries
from channels.people.rooms import Room, Rooms
from core.agents.rights import Grant
from core.atoms.atoms import OWNER, Principal
from core.atoms.labels import Label
from core.atoms.permissions import Permission
from core.backup.archive import AgentLine, AtomLine, ChangeLine, Header, Line, Past, SpaceLine, Writer, read
from core.backup.checking import already_there, check, new_rights
from core.backup.exporting import export
from core.backup.importing import restore
from core.errors import InvalidInput, NotFound
from core.house import House, open_house
from core.models.embeddings import LocalEmbedder
from core.settings import Settings
from core.spaces.spaces import Actor
from core.store.codec import pack
from core.store.format import FORMAT, check_format
from core.testing import MovableClock
from tests.core.scenes import seat

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer")
BOT = Principal("bot")
REGISTRIES = Registries({})


@pytest_asyncio.fixture
async def other(
    house: House, settings: Settings, clock: MovableClock, embedder: LocalEmbedder, tmp_path: Path
) -> AsyncIterator[House]:
    """A second house on the same Redis, empty."""
    namespace = f"{settings.namespace}-2"
    second = settings.model_copy(update={"namespace": namespace, "home": tmp_path / "second"})
    async with open_house(second, house.url, clock=clock, embedder=embedder) as other:
        yield other
        await wiped(other)


async def wiped(house: House) -> None:
    """Empty a house."""
    keys = await house.store.run("KEYS", f"{house.store.keys.namespace}:*")
    await house.store.run("UNLINK", "-", *keys)


async def lines_of(house: House, *names: str) -> AsyncIterator[Line]:
    wanted = list(names) or await house.spaces.names()
    header = Header(made=datetime(2026, 11, 22, tzinfo=UTC), everything=not names, spaces=wanted)
    async for line in export(house.store, house.attachments.files, header, REGISTRIES.lines(house.store)):
        yield line


async def exported(house: House, *names: str) -> bytes:
    """An export as bytes; everything if nothing is named."""
    file = io.BytesIO()
    writer = Writer(file)
    async for line in lines_of(house, *names):
        writer.write(line)
    writer.finish()
    return file.getvalue()


async def put_back(house: House, lines: Iterable[Line], there: set[str]) -> None:
    files = house.attachments.files
    await restore(house.store, files, lines, registry=REGISTRIES, there=there, progress=lambda _: None)


async def imported(house: House, data: bytes) -> set[str]:
    """Import as the command does; answers what was there already."""
    file = io.BytesIO(data)
    contents = check(file, REGISTRIES)
    there = await already_there(house.store, contents)
    file.seek(0)
    await put_back(house, read(file), there)
    return there


async def furnish(house: House, clock: MovableClock) -> None:
    """Spaces with everything there can be in them."""
    tasks = await house.spaces.create("tasks", description="# Tasks\nWhat is to be done.")
    await house.spaces.create("notes", by=BOT, description="Notes.")
    await tasks.share("bot", "write", comment="for its work")
    await tasks.share("guest", "read", until=clock.now() + timedelta(days=3))
    notes = house.spaces.open("notes", BOT)
    await house.spaces.open("tasks", BOT).subscribe()
    first = await tasks.put("buy milk", metadata={"status": "open", "due": clock.now(), "tags": ["a", "b"], "n": 2})
    second = await notes.put("about milk\n\x1f emoji 🐄", references={"about": [first.ref], "x": ["nowhere"]})
    clock.move(minutes=5)
    await tasks.put(
        "pay", references={"blocked_by": [first.id], "see": [second.ref]}, metadata={"half": 0.5, "y": True}
    )
    await tasks.update(first.id, comment="done", metadata={"status": "done", "tags": None}, content="milk bought")
    await tasks.update(first.id, comment="shorter", replace=("milk ", ""))
    await notes.deprecate(second.id, comment="not needed")
    await house.attachments.attach(tasks, first.id, "receipt.bin", bytes(range(256)) * 5_000)
    await house.attachments.attach(tasks, first.id, "empty.txt", b"")
    third = await tasks.put("sweep", metadata={"status": "pending"})
    await house.spaces.open("tasks", BOT).claim(third.id, lease=60)
    await seat(house)
    await house.store.run("RPUSH", house.store.keys.session("assistant"), '["user","hello"]')
    label = Label()
    label.heard("tool read_letters")
    await house.store.run("SET", house.store.keys.label("assistant"), label.written())
    told = await house.spaces.open("notes", Actor(BOT, label=label)).put("they want money")
    assert told.outside


async def test_what_comes_back_is_equal_to_what_went_out(house: House, other: House, clock: MovableClock) -> None:
    await furnish(house, clock)
    data = await exported(house)
    assert await imported(other, data) == set()
    assert await exported(other) == data
    for name in await house.spaces.names():
        ours, theirs = house.spaces.open(name), other.spaces.open(name)
        assert await theirs.changes() == await ours.changes()
        assert await theirs.description() == await ours.description()
        for atom in await ours.search(deprecated=True, limit=100):
            assert await theirs.get(atom.id) == await ours.get(atom.id)
            assert await theirs.history(atom.id) == await ours.history(atom.id)
    assert await other.agents.list() == await house.agents.list()
    (bought,) = await other.spaces.search(OWNER, metadata={"n": 2})
    space = other.spaces.open("tasks")
    assert await other.attachments.read(space, bought.id, "receipt.bin") == bytes(range(256)) * 5_000


async def test_what_was_imported_is_found_and_permitted_as_before(
    house: House, other: House, clock: MovableClock
) -> None:
    await furnish(house, clock)
    await imported(other, await exported(house))
    (pay,) = await other.spaces.search(OWNER, "money", references={"blocked_by": {"any": {"status": "done"}}})
    assert pay.content == "pay"
    assert await other.spaces.search(OWNER, metadata={"n": {"gte": 2}}) == [await other.spaces.open("tasks").get(
        pay.references["blocked_by"][0]
    )]  # fmt: skip
    assert await other.spaces.held(BOT) == {"notes": Permission.GRANT, "tasks": Permission.WRITE}
    clock.move(days=4)
    assert await other.spaces.held(Principal("guest")) == {}
    (sweep,) = await other.spaces.search(OWNER, metadata={"status": "pending"})
    assert sweep.content == "sweep"  # the claim that came along has ended since
    await other.spaces.open("tasks", BOT).put("life goes on")
    assert [change.seq for change in await other.spaces.open("tasks").changes()][-2:] == [12, 13]


async def test_importing_again_changes_nothing(house: House, other: House, clock: MovableClock) -> None:
    await furnish(house, clock)
    data = await exported(house)
    await imported(other, data)
    await other.spaces.open("tasks").put("written since")
    before = await exported(other)
    assert await imported(other, data) == {"chat", "notes", "tasks"}
    assert await imported(house, data) == {"chat", "notes", "tasks"}
    assert await exported(other) == before


async def test_one_space_can_be_moved_alone(house: House, other: House, clock: MovableClock) -> None:
    await furnish(house, clock)
    data = await exported(house, "notes")
    await imported(other, data)
    assert await other.spaces.names() == ["notes"]
    assert await other.agents.list() == []
    assert await exported(other, "notes") == data


async def test_another_space_of_the_same_name_is_refused_and_nothing_written(
    house: House, other: House, clock: MovableClock
) -> None:
    await furnish(house, clock)
    await other.spaces.create("tasks", description="others")
    before = await exported(other)
    with pytest.raises(InvalidInput, match="already another space tasks here"):
        await imported(other, await exported(house))
    assert await exported(other) == before


async def test_a_file_cut_anywhere_is_refused_and_nothing_written(
    house: House, other: House, clock: MovableClock
) -> None:
    await furnish(house, clock)
    data = await exported(house)
    lines = data.splitlines(keepends=True)
    cuts = [data[: len(data) * part // 23] for part in range(23)]
    cuts += [b"".join(lines[:-1]), b"".join([*lines[:3], *lines[4:]]), data.replace(b"buy milk", b"buy wine"), data * 2]
    for cut in cuts:
        with pytest.raises(InvalidInput, match=r"export|cut off|Line|whole|written|wrongly|empty"):
            await imported(other, cut)
    assert await other.spaces.names() == []


async def test_a_file_of_a_newer_format_is_refused(other: House) -> None:
    line = b'{"kind":"stoa-export","format":%d,"new":1}\n' % (FORMAT + 1)
    with pytest.raises(InvalidInput, match=f"reads up to {FORMAT}"):
        await imported(other, line)


async def test_an_import_cut_off_is_seen_by_nobody_and_completed_by_the_next(
    house: House, other: House, clock: MovableClock
) -> None:
    await furnish(house, clock)
    data = await exported(house)

    def until(kind: str, count: int) -> Sequence[Line]:
        lines = list(read(io.BytesIO(data)))
        at = [number for number, line in enumerate(lines) if line.kind == kind][count]
        return lines[:at]

    for kind, count in (("atom", 0), ("space", 1), ("atom", 2), ("change", 8)):
        lines = until(kind, count)
        there = await already_there(other.store, check(io.BytesIO(data), REGISTRIES))
        with pytest.raises(RuntimeError, match="killed"):
            await put_back(other, _then_killed(lines), there)
        assert "tasks" not in await other.spaces.names()
        with pytest.raises(NotFound):
            await other.spaces.open("tasks").search()
    with pytest.raises(InvalidInput, match="under way or was cut off"):
        await other.spaces.create("tasks")
    await imported(other, data)
    assert await exported(other) == data


def _then_killed(lines: Sequence[Line]) -> Iterator[Line]:
    yield from lines
    raise RuntimeError("killed")


async def test_a_right_that_is_taken_back_meanwhile_does_not_come_back_with_the_export(
    house: House, other: House
) -> None:
    space = await house.spaces.create("notes")
    for who in ("ann", "bot"):
        await space.share(who, "read")
    await space.put("one")
    file = io.BytesIO()
    writer = Writer(file)
    async for line in lines_of(house, "notes"):
        writer.write(line)
        if isinstance(line, AtomLine):
            await space.revoke("bot")
            await space.describe("Notes.")
    writer.finish()
    await imported(other, file.getvalue())
    notes = other.spaces.open("notes", BOT)
    assert await notes.permission() == Permission.NONE
    assert await other.spaces.open("notes", Principal("ann")).description() == "Notes."
    assert await exported(other, "notes") == await exported(house, "notes")


async def test_what_is_written_meanwhile_is_in_the_export_as_a_whole(house: House, other: House) -> None:
    busy = await house.spaces.create("busy")
    ids = [(await busy.put(f"atom {number}")).id for number in range(100)]
    lines: list[Line] = []
    async for line in lines_of(house, "busy"):
        lines.append(line)
        if isinstance(line, AtomLine) and len(lines) in (3, 70, 105):
            await busy.update(ids[0], comment="again", content=f"changed at {len(lines)}")
            await busy.put("new")
    file = io.BytesIO()
    writer = Writer(file)
    for line in lines:
        writer.write(line)
    writer.finish()
    await imported(other, file.getvalue())
    assert await other.spaces.open("busy").changes() == await busy.changes()
    for atom in await busy.search(limit=200):
        assert await other.spaces.open("busy").history(atom.id) == await busy.history(atom.id)


VALUES = st.one_of(
    st.text(max_size=20), st.integers(-(2**53), 2**53), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
    st.datetimes(timezones=st.just(UTC)), st.lists(st.text(max_size=5), max_size=3),
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=200), st.dictionaries(st.sampled_from("abcde"), VALUES)), max_size=6))
async def test_any_atoms_come_back_equal(
    house: House, other: House, atoms: list[tuple[str, dict[str, object]]]
) -> None:
    await wiped(house)
    await wiped(other)
    space = await house.spaces.create("any")
    for content, metadata in atoms:
        await space.put(content, metadata=metadata)  # type: ignore[arg-type]
    data = await exported(house, "any")
    await imported(other, data)
    assert await exported(other, "any") == data


async def test_data_of_a_newer_format_is_refused(house: House) -> None:
    store, keys = house.store, house.store.keys
    await house.spaces.create("old")
    assert await store.run("GET", keys.format()) == b"%d" % FORMAT
    await store.run("SET", keys.format(), FORMAT + 1)
    with pytest.raises(InvalidInput, match="newer Stoa"):
        await check_format(store)
    theirs = b"#!lua name=stoa_spaces\nredis.register_function('stoa_put', function() return 'newer' end)"
    await store.run("FUNCTION", "LOAD", "REPLACE", theirs)
    try:
        async with asyncio.timeout(5):
            with pytest.raises(InvalidInput, match="Update Stoa"):
                async with open_house(house.settings, house.url):
                    pass
        assert await store.run("FCALL", "stoa_put", 1, keys.space("old")) == b"newer"
    finally:
        await store.load()


async def known_people(house: House) -> None:
    """A person who was let in, one who is gone, a room, an account and a conversation."""
    people, store = Persons(house.store), house.store
    ana = await people.add("Ana", ["slack/U1"])
    await people.remove((await people.add("Bob", ["slack/U2"])).id)
    await Accounts(store).save(Account(id="slack", platform="slack"))
    await Rooms(store).save(Room(id="slack/C1", name="kitchen"))
    await Bindings(store).save(bound("slack", "D1", ana.chat, ana.id, sender="U1"))


async def test_people_rooms_and_accounts_move_along(house: House, other: House) -> None:
    await known_people(house)
    data = await exported(house)
    await imported(other, data)
    assert await exported(other) == data
    there = Persons(other.store)
    assert (await there.find("slack/U1")) == (await Persons(house.store).find("slack/U1"))
    assert (await there.add("Bob")).id == "bob-2"
    assert [room.name for room in await Rooms(other.store).all()] == ["kitchen"]
    assert [account.id for account in await Accounts(other.store).all()] == ["slack"]
    assert [binding.person for binding in await Bindings(other.store).of("slack")] == ["ana"]


async def test_people_come_whole_where_an_import_broke_off_among_them(house: House, other: House) -> None:
    await known_people(house)
    data = await exported(house)
    await other.store.run("SADD", in_the_way := channel_keys(other.store).identities(), "no hash")
    with pytest.raises(InvalidInput, match="WRONGTYPE"):
        await imported(other, data)
    await other.store.run("DEL", in_the_way)
    await imported(other, data)
    assert await exported(other) == data


async def test_no_strangers_come_among_the_people_of_a_house(house: House, other: House) -> None:
    await known_people(house)
    await Persons(other.store).add("Cleo", ["slack/U1"])
    data = await exported(house)
    contents = check(io.BytesIO(data), REGISTRIES)
    assert await new_rights(house.store, REGISTRIES, contents, set()) == {}
    await imported(other, data)
    assert [person.id for person in await Persons(other.store).all()] == ["cleo"]
    assert await Accounts(other.store).all() == []


async def test_who_would_speak_as_whom_is_told_before_an_import(house: House, other: House) -> None:
    await known_people(house)
    await (await house.spaces.create("notes")).share("bot", "read")
    await house.agents.rights.give(Grant("g", (await seat(house)).id, "tool", "web_fetch"))
    told = await new_rights(other.store, REGISTRIES, check(io.BytesIO(await exported(house)), REGISTRIES), set())
    assert told["slack/U1"] == ["to speak as ana"]
    assert told["slack/C1"] == ["to speak as a room"]
    assert told["bot"] == ["read on 'notes'"]
    assert "the tool web_fetch" in told["assistant"]
    assert "write on 'chat'" in told["assistant"]


async def test_subscriptions_with_a_filter_move_along(house: House, other: House) -> None:
    space = await house.spaces.create("tasks")
    await space.share("bot", "read")
    await house.spaces.open("tasks", BOT).subscribe(3600, {"status": "done"})
    for status in ("done", "open"):
        await space.put(status, metadata={"status": status})
    await imported(other, data := await exported(house, "tasks"))
    assert await imported(other, data) == {"tasks"}
    assert await exported(other, "tasks") == data
    _, news = await other.notifications.news("tasks", BOT, 0)
    assert [change.comment for change in news] == ["done"]


PAST = Past(version=1, at=datetime.now(UTC), author="owner", operation="put", comment="one", content="one")


def _packed(value: object) -> str:
    return f"base64:{base64.b64encode(pack(value)).decode()}"


def _hostile(line: Line, **changed: object) -> Line:
    return line.model_copy(update=changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../../.profile"},
        {"id": "another#1"},
        {"id": ""},
        {"metadata": {"attachments": ["../../../etc/passwd 9 text/plain a.txt"]}},
        {"metadata": {"attachments": [f"{'a' * 64} 9 text/plain ../../a.txt"]}},
        {"metadata": {"attachments": [f"{'a' * 64} 9 text/plain .."]}},
        {"metadata": {"due": {"when": "now"}}},
        {"metadata": {"due": {"time": "now"}}},
        {"references": {"of\x1f": ["x"]}},
        {"more": {"sp": "text:another"}},
        {"more": {"kv": "text:status=done"}},
        {"more": {"cl": "base64:a"}},
        {"more": {"cl": "text:mine"}},
        {"more": {"cl": _packed(["bot", "chat/1", "0", [["status", False, [], [1]]]])}},
        {"more": {"hc": "text:one"}},
        {"created": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))},
        {"history": [PAST.model_copy(update={"origin": "anybody"})]},
        {"version": 7},
        {"history": []},
    ],
)
async def test_an_atom_as_no_store_has_it_is_refused(house: House, changed: dict[str, object]) -> None:
    await (await house.spaces.create("tasks")).put("one")
    lines = list(read(io.BytesIO(await exported(house, "tasks"))))
    file = io.BytesIO()
    writer = Writer(file)
    for line in lines:
        writer.write(_hostile(line, **changed) if isinstance(line, AtomLine) else line)
    writer.finish()
    file.seek(0)
    with pytest.raises(InvalidInput, match="Line 3 of the file"):
        check(file, REGISTRIES)


@pytest.mark.parametrize(
    "changed",
    [
        {"fields": {}},
        {"fields": {"creator": "owner", "seq": "9"}},
        {"grants": {"bot": [["owner", "all"]]}},
        {"grants": {"bot": [["owner"]]}},
        {"grants": {"bot": [["owner", 9]]}},
        {"fields": {"creator": "owner", "description": "x" * 2_000_000}},
        {"subscribers": {"bot": "soon"}},
        {"subscribers": {"bot": "base64:kQE="}},
    ],
)
async def test_a_space_as_no_store_has_it_is_refused(house: House, changed: dict[str, object]) -> None:
    await (await house.spaces.create("tasks")).put("one")
    lines = list(read(io.BytesIO(await exported(house, "tasks"))))
    file = io.BytesIO()
    writer = Writer(file)
    for line in lines:
        writer.write(_hostile(line, **changed) if isinstance(line, SpaceLine) else line)
    writer.finish()
    file.seek(0)
    with pytest.raises(InvalidInput, match="Line 2 of the file"):
        check(file, REGISTRIES)


@pytest.mark.parametrize("changed", [{"more": {"op": "deprecate"}}, {"more": {"w": "all"}}])
async def test_a_change_as_no_store_has_it_is_refused(house: House, changed: dict[str, object]) -> None:
    await (await house.spaces.create("tasks")).put("one")
    lines = list(read(io.BytesIO(await exported(house, "tasks"))))
    file = io.BytesIO()
    writer = Writer(file)
    for line in lines:
        writer.write(_hostile(line, **changed) if isinstance(line, ChangeLine) else line)
    writer.finish()
    file.seek(0)
    with pytest.raises(InvalidInput, match="Line 4 of the file"):
        check(file, REGISTRIES)


async def test_a_space_that_goes_on_after_an_agent_is_refused(house: House) -> None:
    await seat(house)
    lines = list(read(io.BytesIO(await exported(house))))
    file = io.BytesIO()
    writer = Writer(file)
    again = [line for line in lines if isinstance(line, SpaceLine)][-1:]
    for line in [*lines, *again]:
        writer.write(line)
    writer.finish()
    file.seek(0)
    with pytest.raises(InvalidInput, match=f"the space '{again[0].name}' stands in it twice"):
        check(file, REGISTRIES)


async def test_an_agent_that_nobody_could_read_is_refused(house: House, other: House) -> None:
    await seat(house)
    file = io.BytesIO()
    writer = Writer(file)
    for line in read(io.BytesIO(await exported(house))):
        writer.write(_hostile(line, record={"id": "assistant"}) if isinstance(line, AgentLine) else line)
    writer.finish()
    with pytest.raises(InvalidInput, match="the record of the agent 'assistant' cannot be read"):
        await imported(other, file.getvalue())


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    with open("/dev/zero", "rb") as endless, pytest.raises(InvalidInput, match=r"Line 1 .* more than 1,000,000 bytes"):
        list(read(endless, 1_000_000))


async def test_an_atom_that_no_import_could_take_is_named_when_it_is_exported(house: House) -> None:
    space = await house.spaces.create("tasks")
    atom = await space.put("much " * 300)
    lines = [one async for one in lines_of(house, "tasks")]
    writer = Writer(io.BytesIO(), 1_000)
    with pytest.raises(InvalidInput, match=rf"{atom.ref} has .* STOA_CONTENTS_KEPT"):
        writer.write(next(line for line in lines if isinstance(line, AtomLine)))


async def test_an_agent_s_budget_and_what_it_spent_of_it_move_along(house: House, other: House) -> None:
    await seat(house)
    await house.budgets.allow("agent:assistant", {"turns": 20, "dollars": 0.5})
    purse = house.budgets.purse("assistant", [], "chat/1", "turn-1", datetime.now(UTC), 1)
    await purse.begin()
    data = await exported(house)
    await imported(other, data)
    (before,) = await house.budgets.accounts(["agent:assistant"])
    assert (before.limits["turns"], before.used.turns) == (20, 1)
    assert await other.budgets.accounts(["agent:assistant"]) == [before]
    assert await exported(other) == data
    lines = data.replace(b'"u1":1', b'"u1":-1')
    with pytest.raises(InvalidInput, match=r"account\.u1"):
        await imported(other, lines)


async def test_what_an_agent_was_given_moves_along_and_what_was_used_up_stays_so(house: House, other: House) -> None:
    agent = await seat(house)
    rights, theirs = house.agents.rights, other.agents.rights
    await rights.give(Grant("standing", agent.id, "tool", "web_fetch"))
    once = await rights.give(Grant("once", agent.id, "secret", "mail", scope="once"))
    assert await rights.use(once, "posted")
    data = await exported(house)
    await imported(other, data)
    held = await theirs.held(agent.id)
    assert held.names("tool") == (await rights.held(agent.id)).names("tool")
    assert "web_fetch" in held.names("tool")
    assert held.names("secret") == []
    assert await exported(other) == data
    lines, end = data.rsplit(b"\n", 2)[:2]
    for damaged in (b'"to\\":\\"bob', b'"to\\":7,\\"x'):
        odd = lines.replace(b'"to\\":\\"assistant', damaged)
        with pytest.raises(InvalidInput, match="agent 'assistant'"):
            await imported(other, odd + b"\n" + end)


def apart(text: str) -> str:
    return unicodedata.normalize("NFD", text)


async def test_text_that_another_program_wrote_in_parts_is_kept_in_one_form(house: House, other: House) -> None:
    notes = await house.spaces.create("notes")
    atom = await notes.put("Josée", comment="née", metadata={"who": "José", "where": ["Orléans"]})
    lines: list[Line] = []
    async for line in lines_of(house, "notes"):
        if isinstance(line, AtomLine):
            metadata = {"who": apart("José"), "where": [apart("Orléans")]}
            line = line.model_copy(update={"content": apart(line.content), "metadata": metadata})
        lines.append(line)

    await put_back(other, lines, set())

    (found,) = await other.spaces.open("notes").search(metadata={"who": "José"})
    assert (found.id, found.content, found.metadata["where"]) == (atom.id, "Josée", ["Orléans"])
