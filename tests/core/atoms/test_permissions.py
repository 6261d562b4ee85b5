"""Whatever is granted, passed on and taken back: nobody holds more than the chain of who gave it to them."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import OWNER, Principal, new_id
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound, PermissionDenied, StoaError
from core.house import House
from core.store.store import Argument, Store
from core.testing import MovableClock

ANN = Principal("ann")
BOB = Principal("bob")

PEOPLE = ["ann", "bob", "cy", "dee"]
Act = tuple[str, str, Permission, str, int, bool]
acts = st.lists(
    st.tuples(
        st.sampled_from(["owner", *PEOPLE]),
        st.sampled_from(PEOPLE),
        st.sampled_from(list(Permission)[1:]),
        st.sampled_from(["share", "pass on", "revoke", "wait"]),
        st.sampled_from([0, 0, 1, 2]),
        st.booleans(),
    ),
    max_size=14,
)


@dataclass
class Model:
    """The rule in plain Python: who gave whom what, until when, to use or to pass on, and what that is worth now."""

    hour: int = 0
    given: dict[tuple[str, str, bool, bool], tuple[int, int]] = field(default_factory=dict)

    def level(self, who: str, *, passing: bool = False, above: frozenset[str] = frozenset()) -> int:
        if who == "owner":
            return 4
        if who in above:
            return 0
        best = 0
        for (giver, to, timed, delegate), (level, until) in self.given.items():
            if to == who and (until > self.hour or not timed) and (passing or not delegate):
                best = max(best, min(level, self.level(giver, passing=True, above=above | {who})))
        return best

    def act(self, who: str, to: str, level: Permission, kind: str, hours: int, delegate: bool) -> None:
        held = self.level(who, passing=True)
        if kind == "wait":
            self.hour += hours
        elif kind == "revoke":
            for one in list(self.given):
                if one[1] == to and ((one[0] == who and held) or held == Permission.GRANT):
                    del self.given[one]
        elif held >= (Permission.GRANT if kind == "share" else level):
            self.given[who, to, hours > 0, delegate] = (int(level), self.hour + hours)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts)
async def test_effective_rights_are_the_least_along_the_chain_after_any_history(
    house: House, clock: MovableClock, history: list[Act]
) -> None:
    model, name = Model(), f"s-{new_id()}"
    space = await house.spaces.create(name)
    atom = await space.put("content")
    for who, to, level, kind, hours, delegate in history:
        handle = house.spaces.open(name, OWNER if who == "owner" else Principal(who))
        until = clock.now() + timedelta(hours=hours) if hours else None
        with contextlib.suppress(StoaError):
            match kind:
                case "share":
                    await handle.share(to, level, until=until, delegate=delegate)
                case "pass on":
                    await handle.pass_on(to, level, until=until, delegate=delegate)
                case "revoke":
                    await handle.revoke(to)
                case _:
                    clock.move(hours=hours)
        model.act(who, to, level, kind, hours, delegate)
    for who in PEOPLE:
        handle = house.spaces.open(name, Principal(who))
        held = Permission(model.level(who))
        assert await handle.permission() == held
        assert (await house.spaces.passable(Principal(who))).get(name, 0) == model.level(who, passing=True)
        if held == Permission.NONE:
            for read in (handle.search, handle.changes, lambda: handle.get(atom.id), lambda: handle.history(atom.id)):  # noqa: B023
                with pytest.raises(StoaError):
                    await read()


async def test_a_right_ends_at_its_time_for_its_holder_and_for_whoever_had_it_from_them(
    house: House, clock: MovableClock
) -> None:
    space = await house.spaces.create("plans")
    await space.share("ann", "write", until=clock.now() + timedelta(hours=1))
    await house.spaces.open("plans", ANN).pass_on("bob", "read")
    assert await house.spaces.open("plans", BOB).permission() == Permission.READ
    clock.move(hours=1)
    assert await house.spaces.open("plans", ANN).permission() == Permission.NONE
    assert await house.spaces.held(BOB) == {}
    with pytest.raises(NotFound):
        await house.spaces.open("plans", ANN).put("too late")


async def test_a_right_until_a_time_leaves_the_standing_one_as_it_was(house: House, clock: MovableClock) -> None:
    space = await house.spaces.create("plans")
    await space.share("ann", "read")
    await space.share("ann", "write", until=(clock.now() + timedelta(hours=1)).isoformat())
    assert await house.spaces.open("plans", ANN).permission() == Permission.WRITE
    clock.move(hours=2)
    assert await house.spaces.open("plans", ANN).permission() == Permission.READ


async def test_a_right_to_pass_on_is_not_to_be_used_not_even_by_way_of_another(house: House) -> None:
    space = await house.spaces.create("plans")
    await space.put("secret")
    await space.share("ann", "write", delegate=True)
    hers = house.spaces.open("plans", ANN)
    await hers.pass_on("bob", "write")
    await house.spaces.open("plans", BOB).pass_on("ann", "write")
    await hers.pass_on("ann", "write")
    assert await house.spaces.open("plans", BOB).permission() == Permission.WRITE
    assert await hers.permission() == Permission.NONE
    with pytest.raises(NotFound):
        await hers.search()
    with pytest.raises(PermissionDenied, match="needs grant, you hold write"):
        await hers.pass_on("bob", "grant")
    await space.revoke("ann")
    assert await house.spaces.open("plans", BOB).permission() == Permission.NONE


@pytest.mark.parametrize("until", [datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1), "soon", 5])
async def test_a_right_ends_at_a_time_that_is_to_come_and_has_a_zone(house: House, until: datetime) -> None:
    space = await house.spaces.create("plans")
    with pytest.raises(InvalidInput, match="until"):
        await space.share("ann", "read", until=until)
    assert await house.spaces.open("plans", ANN).permission() == Permission.NONE


@pytest.mark.parametrize("who", ["", "a\nb", "x" * 201, 5])
async def test_a_right_is_given_to_somebody_who_can_be_named(house: House, who: str) -> None:
    space = await house.spaces.create("plans")
    with pytest.raises(InvalidInput, match="cannot name anybody"):
        await space.share(who, "read")


@pytest.mark.parametrize("word", ["admin", "", "READ ", "4"])
def test_a_word_that_is_no_permission_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="Use read, append, write or grant"):
        Permission.parse(word)


class SaidTwice(Store):
    """A store whose connection is lost before each answer, and where others act before all is said again."""

    meanwhile: Callable[[], Awaitable[object]]

    async def mutate(self, function: str, space: str, *arguments: Argument) -> tuple[int, list[bytes | None]]:
        await super().mutate(function, space, *arguments)
        await self.meanwhile()
        return await super().mutate(function, space, *arguments)


async def test_what_is_said_again_undoes_nothing_that_others_did_since(house: House) -> None:
    space = await house.spaces.create("diary")
    again = await house.spaces.create("diary")
    again._store = store = SaidTwice(house.store.link, house.store.keys, house.clock)
    store.meanwhile = lambda: space.revoke("ann")
    await again.share("ann", "write")
    assert await house.spaces.open("diary", ANN).permission() == Permission.NONE
    store.meanwhile = lambda: space.describe("newer")
    await again.describe("older")
    assert await space.description() == "newer"
    assert [change.operation for change in await space.changes(1)] == ["share", "revoke", "describe", "describe"]
