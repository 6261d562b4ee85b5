"""What one may rely on when putting, changing and finding atoms."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
import pytest_asyncio

from core.atoms.atoms import OWNER, Atom, Origin, Principal
from core.atoms.permissions import Permission
from core.atoms.validation import MAX_CONTENT_BYTES
from core.errors import Conflict, InvalidInput, LeaseLost, NotFound, PermissionDenied
from core.house import House
from core.spaces.spaces import Actor, Space, Spaces
from core.testing import MovableClock

ANN = Principal("ann")
BOB = Principal("bob")


@pytest_asyncio.fixture
async def space(house: House) -> AsyncIterator[Space]:
    yield await house.spaces.create("tasks", description="A list of tasks.")


async def test_what_is_put_can_be_got(space: Space) -> None:
    put = await space.put("Buy milk", metadata={"status": "pending", "tags": ["shop", "food"]}, comment="added milk")
    assert await space.get(put.id) == put
    assert (put.author, put.origin, put.version) == ("owner", Origin.OWNER, 1)


@pytest.mark.parametrize("value", ["text", 3, 2.5, True, ["a", "b"], 10**15 + 1, "with = and | and \x1f"])
async def test_metadata_comes_back_as_it_was_given(space: Space, value: str | int | float | list[str]) -> None:
    put = await space.put("x", metadata={"key": value})
    back = (await space.get(put.id)).metadata["key"]
    assert back == value
    assert type(back) is type(value)


async def test_a_time_in_metadata_keeps_its_zone(space: Space, clock: MovableClock) -> None:
    put = await space.put("x", metadata={"due": clock.now()})
    due = (await space.get(put.id)).metadata["due"]
    assert str(due) == str(clock.now())


async def test_an_update_changes_only_what_is_given(space: Space) -> None:
    put = await space.put("Buy milk", metadata={"status": "pending", "owner": "ann"}, references={"about": ["chat/x"]})
    updated = await space.update(put.id, comment="done", metadata={"status": "done"})
    assert (updated.content, updated.version) == ("Buy milk", 2)
    assert updated.metadata == {"status": "done", "owner": "ann"}
    assert updated.references == {"about": ["chat/x"]}


async def test_none_removes_metadata_and_an_empty_list_removes_references(space: Space) -> None:
    put = await space.put("x", metadata={"n": 1}, references={"about": ["a"]})
    updated = await space.update(put.id, comment="cleared", metadata={"n": None}, references={"about": []})
    assert updated.metadata == {}
    assert updated.references == {}
    assert await space.search(metadata={"n": {"gt": 0}}) == []


async def test_a_piece_of_long_content_is_replaced(space: Space) -> None:
    put = await space.put("one two three")
    assert (await space.update(put.id, comment="2", replace=("two", "2"))).content == "one 2 three"


@pytest.mark.parametrize("piece", ["four", "o"])
async def test_a_piece_that_does_not_occur_exactly_once_is_refused(space: Space, piece: str) -> None:
    put = await space.put("one two three")
    with pytest.raises(InvalidInput, match="exactly once"):
        await space.update(put.id, comment="?", replace=(piece, "x"))
    assert (await space.get(put.id)).version == 1


async def test_history_tells_each_version_with_its_comment(space: Space) -> None:
    put = await space.put("draft", comment="first")
    await space.update(put.id, comment="second", content="final", metadata={"n": 1})
    await space.deprecate(put.id, comment="third")
    history = await space.history(put.id)
    assert [(v.version, v.operation, v.comment) for v in history] == [
        (1, "put", "first"),
        (2, "update", "second"),
        (3, "deprecate", "third"),
    ]
    assert [v.content for v in history] == ["draft", "final", None]
    assert history[1].metadata == {"n": 1}


async def test_a_deprecated_atom_leaves_search_and_stays_readable(space: Space) -> None:
    put = await space.put("old news")
    await space.deprecate(put.id, comment="outdated")
    assert await space.search("old news") == []
    assert [a.id for a in await space.search("old news", deprecated=True)] == [put.id]
    assert (await space.get(put.id)).deprecated


async def test_the_same_operation_twice_is_one_atom(space: Space) -> None:
    first = await space.put("hello", operation="turn-1")
    again = await space.put("hello", operation="turn-1")
    assert first == again
    assert len(await space.changes()) == 2


async def test_the_same_update_twice_is_one_version(space: Space) -> None:
    put = await space.put("hello")
    await space.update(put.id, comment="x", content="hi", operation="turn-1")
    again = await space.update(put.id, comment="x", content="hi", operation="turn-1")
    assert again.version == 2


async def test_an_update_of_what_changed_since_it_was_seen_is_refused_with_the_news(house: House, space: Space) -> None:
    put = await space.put("draft")
    other = house.spaces.open("tasks")
    await other.get(put.id)
    await space.update(put.id, comment="reworded", content="better draft")
    with pytest.raises(Conflict, match=r"(?s)version 1.*'reworded'.*better draft"):
        await other.update(put.id, comment="mine", content="my draft")
    await other.update(put.id, comment="mine, after looking", content="best draft")


async def test_two_clients_with_a_hundred_increments_each_end_at_two_hundred(house: House, space: Space) -> None:
    put = await space.put("counter", metadata={"n": 0})

    async def count() -> None:
        mine = house.spaces.open("tasks")
        for _ in range(100):
            while True:
                atom = await mine.get(put.id)
                n = atom.metadata["n"]
                assert isinstance(n, int)
                try:
                    await mine.update(put.id, comment="+1", metadata={"n": n + 1})
                    break
                except Conflict:
                    continue

    await asyncio.gather(count(), count())
    assert (await space.get(put.id)).metadata["n"] == 200


async def test_a_reader_never_sees_an_atom_missing_while_it_is_updated(house: House, space: Space) -> None:
    put = await space.put("always here", metadata={"n": 0})
    writing = True

    async def write() -> None:
        nonlocal writing
        for n in range(200):
            await space.update(put.id, comment="again", metadata={"n": n})
        writing = False

    async def read() -> int:
        reader, reads = house.spaces.open("tasks"), 0
        while writing:
            found = await reader.search(metadata={"n": {"gte": 0}})
            assert [a.id for a in found] == [put.id]
            assert (await reader.get(put.id)).content == "always here"
            reads += 1
        return reads

    _, reads = await asyncio.gather(write(), read())
    assert reads > 20


async def test_a_filter_finds_all_matches_however_many_nearer_neighbours_there_are(space: Space) -> None:
    for n in range(100):
        await space.put(f"milk number {n}", metadata={"kind": "near"})
    far = [await space.put(f"the motor of ship {n}", metadata={"kind": "far"}) for n in range(3)]
    found = await space.search("milk", metadata={"kind": "far"}, limit=10)
    assert {a.id for a in found} == {a.id for a in far}


async def test_search_finds_by_meaning(space: Space) -> None:
    for text in ("the cat sleeps on the sofa", "quarterly revenue grew by ten percent", "water the plants"):
        await space.put(text)
    (best, *_) = await space.search("How did the business do financially?")
    assert best.content.startswith("quarterly revenue")
    assert best.score is not None
    assert 0 < best.score <= 1.01


async def test_a_word_that_names_something_is_found_among_likes(space: Space) -> None:
    for n in range(40):
        await space.put(f"invoice INV-{2000 + n} is to be paid")
    (best, *_) = await space.search("what about INV-2031?")
    assert "INV-2031" in best.content


async def test_one_search_asks_for_meaning_metadata_and_the_state_of_references(space: Space) -> None:
    design = await space.put("design the page", metadata={"status": "done"})
    api = await space.put("write the server", metadata={"status": "pending"})
    blocked, both = [design.id], [design.id, api.id]
    ready = await space.put("build the frontend", metadata={"status": "pending"}, references={"blocked_by": blocked})
    await space.put("test the frontend", metadata={"status": "pending"}, references={"blocked_by": both})
    free = await space.search(
        "frontend tasks", metadata={"status": "pending"}, references={"blocked_by": {"status": "done"}}
    )
    assert [a.id for a in free] == [ready.id, api.id]


async def test_the_state_of_references_follows_their_targets(space: Space) -> None:
    blocker = await space.put("first", metadata={"status": "pending"})
    blocked = await space.put("second", references={"blocked_by": [blocker.id]})
    state = {"blocked_by": {"status": "done"}}
    assert blocked.id not in [a.id for a in await space.search(references=state)]
    await space.update(blocker.id, comment="done", metadata={"status": "done"})
    assert blocked.id in [a.id for a in await space.search(references=state)]


@pytest.mark.parametrize(
    ("quantifier", "found"),
    [
        ("all", {"none blocked", "both done"}),
        ("any", {"both done", "one done"}),
        ("none", {"none blocked", "none done"}),
    ],
)
async def test_the_state_of_references_is_asked_of_all_of_any_or_of_none(
    space: Space, quantifier: str, found: set[str]
) -> None:
    done = await space.put("d", metadata={"status": "done", "kind": "blocker"})
    other = await space.put("e", metadata={"status": "done", "kind": "blocker"})
    stuck = await space.put("s", metadata={"status": "stuck", "kind": "blocker"})
    for text, blockers in (("both done", [done, other]), ("one done", [done, stuck]), ("none done", [stuck])):
        await space.put(text, metadata={"kind": "task"}, references={"blocked_by": [b.id for b in blockers]})
    await space.put("none blocked", metadata={"kind": "task"})
    state = {"blocked_by": {quantifier: {"status": "done"}}}
    assert {a.content for a in await space.search(metadata={"kind": "task"}, references=state)} == found


async def test_any_and_none_follow_their_targets(space: Space) -> None:
    blocker = await space.put("first", metadata={"status": "pending"})
    blocked = await space.put("second", references={"blocked_by": [blocker.id]})
    state = {"blocked_by": {"any": {"status": "stuck"}}}
    assert await space.search(references=state) == []
    await space.update(blocker.id, comment="stuck", metadata={"status": "stuck"})
    assert [a.id for a in await space.search(references=state)] == [blocked.id]


@pytest.mark.parametrize(
    "state", [{}, {"any": {}}, {"any": {"a": {"lt": 2}}}, {"status": {"lt": 3}}, {"any": {"a": 1}, "b": 2}]
)
async def test_a_state_that_cannot_be_asked_for_is_refused(space: Space, state: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="references 'of'"):
        await space.search(references={"of": state})  # type: ignore[dict-item]


async def test_an_empty_list_of_references_is_none_at_all(space: Space) -> None:
    free = await space.put("free", references={"blocked_by": []})
    assert [a.id for a in await space.search(references={"blocked_by": {"status": "done"}})] == [free.id]


async def test_a_list_in_the_state_of_references_means_any_of(space: Space) -> None:
    blocker = await space.put("first", metadata={"status": "cancelled"})
    free = await space.put("second", references={"blocked_by": [blocker.id]})
    found = await space.search(references={"blocked_by": {"status": ["done", "cancelled"]}})
    assert free.id in [a.id for a in found]


async def test_a_time_can_be_compared_as_text_with_its_offset(space: Space, clock: MovableClock) -> None:
    put = await space.put("due", metadata={"due": clock.now()})
    assert [a.id for a in await space.search(metadata={"due": {"lte": clock.now().isoformat()}})] == [put.id]


async def test_a_seventeenth_number_that_cannot_be_compared_is_said(space: Space) -> None:
    await space.put("x", metadata={f"n{n}": n for n in range(17)})
    with pytest.raises(InvalidInput, match="already compares 16 keys and not n16"):
        await space.search(metadata={"n16": {"gt": 0}})


async def test_content_is_of_who_wrote_it_last(house: House, space: Space) -> None:
    owners = await space.put("send 10 to Ana")
    await space.share("ann", "write")
    changed = await house.spaces.open("tasks", ANN).update(owners.id, comment="more", replace=("10", "1000"))
    assert changed.origin is Origin.AGENT
    await space.get(owners.id)
    await space.update(owners.id, comment="back", content="send 10 to Ana")
    assert (await space.get(owners.id)).origin is Origin.OWNER


async def test_a_piece_from_the_owner_does_not_make_an_agents_text_the_owners(house: House, space: Space) -> None:
    await space.share("ann", "write")
    hers = await house.spaces.open("tasks", ANN).put("send 1000 to Ann")
    assert (await space.update(hers.id, comment="x", replace=("Ann", "Ana"))).origin is Origin.AGENT


async def test_pieces_cannot_make_an_atom_longer_than_it_may_be(space: Space) -> None:
    put = await space.put("a" + "x" * (MAX_CONTENT_BYTES - 10))
    with pytest.raises(InvalidInput, match="one atom holds 1,048,576"):
        await space.update(put.id, comment="longer", replace=("a", "b" * 100))


@pytest.mark.parametrize("target", ["missing00000", "chat/elsewhere"])
async def test_a_reference_to_what_cannot_be_seen_does_not_satisfy(space: Space, target: str) -> None:
    await space.put("waits", references={"blocked_by": [target]})
    assert await space.search(references={"blocked_by": {"status": "done"}}) == []


async def test_numbers_and_times_are_compared(space: Space, clock: MovableClock) -> None:
    for n in range(5):
        await space.put(f"{n}", metadata={"n": n, "due": clock.now() + timedelta(hours=n)})
    assert {a.content for a in await space.search(metadata={"n": {"gt": 1, "lte": 3}})} == {"2", "3"}
    soon = await space.search(metadata={"due": {"lt": clock.now() + timedelta(hours=2)}})
    assert {a.content for a in soon} == {"0", "1"}


async def test_a_list_in_a_filter_means_any_of(space: Space) -> None:
    for status in ("pending", "done", "stuck"):
        await space.put(status, metadata={"status": status})
    assert {a.content for a in await space.search(metadata={"status": ["done", "stuck"]})} == {"done", "stuck"}


async def test_without_a_query_the_newest_come_first(space: Space, clock: MovableClock) -> None:
    for text in ("one", "two", "three"):
        await space.put(text)
        clock.move(seconds=1)
    assert [a.content for a in await space.search(limit=2)] == ["three", "two"]


@pytest.mark.parametrize("query", ['"', "@sp:{*}", "a|b -c", "(", "=>[KNN", "*", "🙂", "'; --", "\\", "x" * 9000, "  "])
async def test_a_query_is_never_read_as_syntax(space: Space, query: str) -> None:
    put = await space.put("something", metadata={"odd": "a,b {c} | \"d\" \\ 'e'"})
    assert [a.id for a in await space.search(query, metadata={"odd": "a,b {c} | \"d\" \\ 'e'"})] == [put.id]


async def test_a_new_space_is_private_to_its_creator(house: House) -> None:
    await house.spaces.create("diary", by=ANN)
    with pytest.raises(NotFound, match="no space 'diary' that you may read"):
        await house.spaces.open("diary", BOB).search()
    assert await house.spaces.names(BOB) == []
    assert await house.spaces.names(ANN) == ["diary"]


async def test_an_unknown_space_and_an_unreadable_one_look_the_same(house: House) -> None:
    await house.spaces.create("diary", by=ANN)
    words = []
    for name in ("diary", "nowhere"):
        with pytest.raises(NotFound) as refused:
            await house.spaces.open(name, BOB).put("x")
        words.append(str(refused.value).replace(name, "?"))
    assert words[0] == words[1]


async def test_the_owner_finds_no_space_that_nobody_made(house: House) -> None:
    nowhere = house.spaces.open("nowhere")
    with pytest.raises(NotFound, match="no space 'nowhere'"):
        await nowhere.put("x")
    with pytest.raises(NotFound, match="no space 'nowhere'"):
        await nowhere.search()


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        (Permission.READ, {"read"}),
        (Permission.APPEND, {"read", "append"}),
        (Permission.WRITE, {"read", "append", "write"}),
        (Permission.GRANT, {"read", "append", "write", "grant"}),
    ],
)
async def test_each_permission_allows_what_it_says_and_nothing_above(
    house: House, space: Space, permission: Permission, allowed: set[str]
) -> None:
    put = await space.put("x")
    await space.share("ann", permission)
    hers = house.spaces.open("tasks", ANN)
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "read": lambda: hers.get(put.id),
        "append": lambda: hers.put("y"),
        "write": lambda: hers.update(put.id, comment="z", content="z"),
        "grant": lambda: hers.share("bob", "read"),
    }
    for needed, act in acts.items():
        if needed in allowed:
            await act()
        else:
            with pytest.raises(PermissionDenied, match=f"needs {needed}, you hold {permission}"):
                await act()


async def test_revoking_bites_whoever_got_it_from_there_at_once(house: House, space: Space) -> None:
    await space.share("ann", "grant")
    await house.spaces.open("tasks", ANN).share("bob", "write")
    bobs = house.spaces.open("tasks", BOB)
    put = await bobs.put("mine")
    await space.share("ann", "grant")
    await space.revoke("ann")
    with pytest.raises(NotFound):
        await bobs.get(put.id)


async def test_nobody_passes_on_more_than_they_hold(house: House, space: Space) -> None:
    await space.share("ann", "append")
    hers = house.spaces.open("tasks", ANN)
    await hers.pass_on("bob", "append")
    with pytest.raises(PermissionDenied, match="needs write, you hold append"):
        await hers.pass_on("bob", "write")
    assert await house.spaces.open("tasks", BOB).permission() == Permission.APPEND


async def test_a_right_shrinks_with_the_right_of_who_gave_it(house: House, space: Space) -> None:
    await space.share("ann", "write")
    await house.spaces.open("tasks", ANN).pass_on("bob", "write")
    await space.share("ann", "read")
    assert await house.spaces.open("tasks", BOB).permission() == Permission.READ


async def test_givers_in_a_circle_hold_nothing_without_someone_outside_it(house: House, space: Space) -> None:
    await space.share("ann", "grant")
    await house.spaces.open("tasks", ANN).share("bob", "grant")
    await house.spaces.open("tasks", BOB).share("ann", "grant")
    await house.spaces.open("tasks", OWNER).revoke("ann", comment="out")
    assert await house.spaces.open("tasks", BOB).permission() == Permission.NONE


async def test_a_search_over_all_spaces_finds_only_readable_ones(house: House) -> None:
    await (await house.spaces.create("diary", by=ANN)).put("Ann likes jazz")
    await (await house.spaces.create("plans", by=BOB)).put("Bob likes jazz")
    assert [a.content for a in await house.spaces.search(BOB, "who likes jazz?")] == ["Bob likes jazz"]
    assert len(await house.spaces.search(OWNER, "who likes jazz?")) == 2


async def test_a_worker_that_lost_its_turn_can_no_longer_write(house: House, space: Space) -> None:
    await space.share("ann", "write")
    await house.spaces.open("tasks", Actor(ANN, epoch=2)).put("new worker")
    with pytest.raises(LeaseLost):
        await house.spaces.open("tasks", Actor(ANN, epoch=1)).put("old worker")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"content": "x" * (MAX_CONTENT_BYTES + 1)}, "one atom holds 1,048,576"),
        ({"content": "\ud800"}, "not valid Unicode"),
        ({"content": "x", "comment": "c" * 301}, "301 characters, 300 is the most"),
        ({"content": "x", "metadata": {"": 1}}, "cannot be a metadata key"),
        ({"content": "x", "metadata": {"a=b": 1}}, "cannot be a metadata key"),
        ({"content": "x", "metadata": {"k": {"nested": 1}}}, "it can be text"),
        ({"content": "x", "metadata": {"k": float("nan")}}, "cannot be compared as a number"),
        ({"content": "x", "references": {"about": [""]}}, "must name atoms"),
        ({"content": 5}, "it must be text"),
    ],
)
async def test_bad_input_is_named_and_nothing_is_written(space: Space, given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await space.put(**given)  # type: ignore[arg-type]
    assert await space.search() == []


async def test_an_id_of_another_space_is_refused_by_name(space: Space) -> None:
    with pytest.raises(InvalidInput, match="is in 'chat', this is 'tasks'"):
        await space.get("chat/abc")


async def test_an_atom_that_is_not_there_is_named(space: Space) -> None:
    with pytest.raises(NotFound, match="nothere"):
        await space.get("nothere")


async def test_what_is_put_without_a_vector_is_found_by_the_first_search(house: House, space: Space) -> None:
    plain = Spaces(house.store, house.notifications, None)
    await plain.open("tasks").put("buy oat milk")
    found: list[Atom] = await space.search("groceries")
    assert [a.content for a in found] == ["buy oat milk"]
    assert [a.content for a in await plain.open("tasks").search("milk")] == ["buy oat milk"]
