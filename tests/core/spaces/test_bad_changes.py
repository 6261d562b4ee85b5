"""Whatever is given to a change of a space: it is done as it was said, or refused in words with nothing written."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import Atom, Principal, new_id
from core.atoms.validation import MAX_METADATA_BYTES
from core.errors import Conflict, InvalidInput, NotFound, StoaError
from core.house import House
from core.spaces.spaces import Space
from core.store.codec import pack

Written = list[object]
FIRST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
READ: dict[str, tuple[str | int, ...]] = {
    "hash": ("HGETALL",),
    "set": ("SMEMBERS",),
    "string": ("GET",),
    "list": ("LRANGE", 0, -1),
    "zset": ("ZRANGE", 0, -1),
    "stream": ("XRANGE", "-", "+"),
}
"""How the whole of a key is read, by its kind."""
odd_text = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(["a\x1fb", "a\x00b", "{x}", "x" * 5000])
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(),
    odd_text,
    st.binary(max_size=3),
    st.datetimes() | st.datetimes(timezones=st.sampled_from([UTC, FIRST.tzinfo])),
    st.lists(odd_text | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
odd_metadata = st.dictionaries(odd_text | st.integers(), odd_values, max_size=4) | odd_values
odd_references = (
    st.dictionaries(odd_text, st.lists(odd_text | st.none(), max_size=3) | odd_values, max_size=3) | odd_values
)


async def everything(house: House, space: Space) -> Written:
    """All that is written in a space, key by key."""
    store = house.store
    found: Written = []
    for key in sorted(await store.run("KEYS", f"{store.keys.namespace}:*{{{space.id}}}*")):
        kind = (await store.run("TYPE", key)).decode()
        answer = await store.run(READ[kind][0], key, *READ[kind][1:])
        found.append((key, sorted(answer) if kind == "set" else answer))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["put", "update", "claim"]),
    odd_text | odd_values,
    st.text(max_size=310) | odd_values,
    odd_metadata,
    odd_references,
)
async def test_any_change_is_done_as_said_or_refused_with_nothing_written(
    house: House, kind: str, content: Any, comment: Any, metadata: Any, references: Any
) -> None:
    space = await house.spaces.create(f"s-{new_id()}")
    atom = await space.put("before", metadata={"status": "pending"})
    calls: dict[str, Callable[[], Any]] = {
        "put": lambda: space.put(content, comment=comment, metadata=metadata, references=references),
        "update": lambda: space.update(
            atom.id, content=content, comment=comment, metadata=metadata, references=references
        ),
        "claim": lambda: space.claim(atom.id, comment=comment, metadata=metadata),
    }
    before = await everything(house, space)
    try:
        done = await calls[kind]()
    except StoaError:
        assert await everything(house, space) == before
        return
    again = await house.spaces.open(space.id).get(done.id)
    assert again == done
    assert kind == "claim" or content is None or again.content == content
    for key, value in (metadata or {}).items():
        assert value is None or kind == "claim" or again.metadata[key] == value
    for name, targets in (references or {}).items() if kind == "put" else ():
        assert again.references.get(name, []) == ([targets] if isinstance(targets, str) else list(targets))
    assert [found.id for found in await space.search(metadata={"status": "claimed"})] in ([], [atom.id])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metadata": ["status"]}, "metadata is list; give a dict"),
        ({"metadata": {"n": 2**70}}, "'n' is a number beyond 64 bits"),
        ({"metadata": {"due": FIRST}}, "'due' is 0001-01-01T00:00:00.05:00, which no calendar has in UTC"),
        ({"metadata": {f"k{n}": n for n in range(300)}}, "300 entries, 256 are the most"),
        ({"metadata": {"tags": ["x"] * 2000}}, "'tags' has 2,000 members"),
        ({"references": ["x"]}, "references is list; give a dict"),
        ({"references": {"of": 5}}, "must name atoms by their ids"),
        ({"references": {"of": None}}, "must name atoms by their ids"),
        ({"references": {"of": ["a\x1fb"]}}, "cannot be an atom's id"),
        ({"references": {"of": ["\ud800"]}}, "cannot be an atom's id"),
        ({"references": {"of": ["x" * 300]}}, "cannot be an atom's id"),
        ({"references": {"of": [f"{n}" for n in range(1001)]}}, "1,001 references, 1,000 are the most"),
        ({"comment": 5}, "comment is int"),
        ({"content": "x" * 10_000_000}, "10,000,000 bytes"),
    ],
)
async def test_what_is_wrong_with_a_change_is_named(house: House, given: dict[str, Any], said: str) -> None:
    space = await house.spaces.create("tasks")
    atom = await space.put("before")
    before = await everything(house, space)
    with pytest.raises(InvalidInput, match=said):
        await space.put(**{"content": "x", **given})
    with pytest.raises(InvalidInput, match=said):
        await space.update(atom.id, **{"comment": "x", **given})
    assert await everything(house, space) == before


async def test_a_reference_to_nothing_is_kept_as_it_is(house: House) -> None:
    space = await house.spaces.create("tasks")
    atom = await space.put("x", references={"of": ["nothere", "nowhere/x"]})
    assert (await space.get(atom.id)).references == {"of": ["nothere", "nowhere/x"]}


@pytest.mark.parametrize("id", ["chat/abc", "", None, 5, "a/b/c"])
async def test_an_id_that_is_not_of_this_space_is_refused_by_every_change(house: House, id: Any) -> None:
    space = await house.spaces.create("tasks")
    before = await everything(house, space)
    acts: list[Callable[[], Awaitable[Atom]]] = [
        lambda: space.update(id, comment="x", content="y"),
        lambda: space.deprecate(id, comment="x"),
        lambda: space.claim(id),
        lambda: space.restore(id, 1),
    ]
    for act in acts:
        with pytest.raises(InvalidInput):
            await act()
    assert await everything(house, space) == before


async def test_a_stale_version_changes_nothing(house: House) -> None:
    space = await house.spaces.create("tasks")
    atom = await space.put("x", metadata={"n": 1})
    late = house.spaces.open("tasks")
    await late.get(atom.id)
    await space.update(atom.id, comment="first", metadata={"n": 2}, references={"of": ["a"]})
    before = await everything(house, space)
    with pytest.raises(Conflict, match="'first'"):
        await late.update(atom.id, comment="second", content="y", metadata={"n": 3}, references={"of": ["b"]})
    assert await everything(house, space) == before


async def test_a_refused_share_leaves_no_trace(house: House) -> None:
    await house.spaces.create("tasks")
    with pytest.raises(NotFound):
        await house.spaces.open("tasks", Principal("ann")).share("bob", "read")
    assert await house.store.run("EXISTS", house.store.keys.held("bob")) == 0


async def test_changes_together_give_an_atom_no_more_than_one_may(house: House) -> None:
    space = await house.spaces.create("much")
    atom = await space.put("one", metadata={f"a{n}": "" for n in range(200)})
    with pytest.raises(InvalidInput, match="400 metadata entries"):
        await space.update(atom.id, comment="more", metadata={f"b{n}": "" for n in range(200)})
    await space.update(atom.id, comment="others", metadata={f"a{n}": None for n in range(200)} | {"b": "yes"})
    await space.update(atom.id, comment="links", references={"of": [f"x{n}" for n in range(900)]})
    with pytest.raises(InvalidInput, match="1800 references"):
        await space.update(atom.id, comment="more", references={"by": [f"x{n}" for n in range(900)]})
    now = await space.get(atom.id)
    assert (now.version, now.metadata, list(now.references)) == (3, {"b": "yes"}, ["of"])


sized = st.dictionaries(
    st.sampled_from(["a", "b", "c", "größe"]),
    st.none()
    | st.integers(0, 9)
    | st.builds(lambda text, count: text * count, st.sampled_from(["x", "é", '"', "\n"]), st.integers(0, 4_000))
    | st.builds(lambda text, count: [text * 4_000] * count, st.sampled_from(["x", "€"]), st.integers(0, 17)),
)


def kept(metadata: dict[str, Any]) -> int:
    """The bytes that metadata take, as they are kept."""
    return sum(len(key.encode()) + len(orjson.dumps(value)) for key, value in metadata.items())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(sized, min_size=1, max_size=4))
async def test_metadata_never_come_to_more_than_their_bound(house: House, changes: list[dict[str, Any]]) -> None:
    space = await house.spaces.create("sized")
    atom = await space.put("x")
    now: dict[str, Any] = {}
    for change in changes:
        wanted = {key: value for key, value in (now | change).items() if value is not None}
        given = {key: value for key, value in change.items() if value is not None}
        if max(kept(wanted), kept(given)) > MAX_METADATA_BYTES:
            with pytest.raises(InvalidInput, match="65,536 are the most; the largest is"):
                await space.update(atom.id, comment="more", metadata=change)
        else:
            await space.update(atom.id, comment="more", metadata=change)
            now = wanted
        assert (await space.get(atom.id)).metadata == now


async def test_too_large_metadata_are_refused_with_their_size_and_the_largest_of_them(house: House) -> None:
    space = await house.spaces.create("sized")
    large, small = ["x" * 3_997] * 16, ["y" * 100] * 20
    with pytest.raises(InvalidInput, match=r"would have 68,0\d\d bytes in all, .* largest is 'log' with 64,0\d\d: put"):
        await space.put("x", metadata={"log": large, "tail": "z" * 4_000})
    atom = await space.put("x", metadata={"log": large, "status": "pending"})
    said = r"would have 66,\d\d\d bytes in all, .* largest is 'log' with 64,0\d\d"
    with pytest.raises(InvalidInput, match=said):
        await space.update(atom.id, comment="more", metadata={"list": small})
    with pytest.raises(InvalidInput, match=said):
        await space.claim(atom.id, metadata={"list": small})
    assert (await space.get(atom.id)).version == 1
    await house.attachments.attach(space, atom.id, "a" * 190 + ".txt", b"files have a bound of their own")
    assert "log" in (await space.claim(atom.id)).metadata
    await space.update(atom.id, comment="instead", metadata={"log": None, "list": small})


async def test_metadata_from_before_the_bound_may_shrink(house: House) -> None:
    space = await house.spaces.create("sized")
    atom = await space.put("x", metadata={"status": "old"})
    old = {f"k{n}": orjson.dumps("x" * 4_000) for n in range(20)}
    await house.store.run("HSET", house.store.keys.atom("sized", atom.id), "m", pack(old))
    with pytest.raises(InvalidInput, match="80,0"):
        await space.update(atom.id, comment="more", metadata={"more": 1})
    await space.update(atom.id, comment="less", metadata={"k0": None})
    assert len((await space.update(atom.id, comment="the text only", content="y")).metadata) == 19
