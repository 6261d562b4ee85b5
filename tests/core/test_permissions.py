"""Whatever is granted, passed on and taken back: nobody holds more than the chain of who gave it to them."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms import OWNER, Principal, new_id
from core.errors import InvalidInput, StoaError
from core.house import House
from core.permissions import Permission

PEOPLE = ["ann", "bob", "cy", "dee"]
Act = tuple[str, str, Permission, str]
acts = st.lists(
    st.tuples(
        st.sampled_from(["owner", *PEOPLE]),
        st.sampled_from(PEOPLE),
        st.sampled_from(list(Permission)[1:]),
        st.sampled_from(["share", "pass on", "revoke"]),
    ),
    max_size=14,
)


@dataclass
class Model:
    """The rule in plain Python: who gave whom what, and what that is worth now."""

    given: dict[tuple[str, str], int] = field(default_factory=dict)

    def level(self, who: str, above: frozenset[str] = frozenset()) -> int:
        if who == "owner":
            return 4
        if who in above:
            return 0
        theirs = [(giver, level) for (giver, to), level in self.given.items() if to == who]
        return max((min(level, self.level(giver, above | {who})) for giver, level in theirs), default=0)

    def act(self, who: str, to: str, level: Permission, kind: str) -> None:
        held = self.level(who)
        if kind == "revoke":
            if held >= Permission.READ:
                for giver, receiver in list(self.given):
                    if receiver == to and (giver == who or held == Permission.GRANT):
                        del self.given[giver, receiver]
        elif held >= (Permission.GRANT if kind == "share" else level):
            self.given[who, to] = int(level)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts)
async def test_effective_rights_are_the_least_along_the_chain_after_any_history(
    house: House, history: list[Act]
) -> None:
    model, name = Model(), f"s-{new_id()}"
    space = await house.spaces.create(name)
    atom = await space.put("content")
    for who, to, level, kind in history:
        handle = house.spaces.open(name, OWNER if who == "owner" else Principal(who))
        calls: dict[str, Callable[[], Awaitable[None]]] = {
            "share": lambda: handle.share(to, level),  # noqa: B023 - called at once
            "pass on": lambda: handle.pass_on(to, level),  # noqa: B023
            "revoke": lambda: handle.revoke(to),  # noqa: B023
        }
        with contextlib.suppress(StoaError):
            await calls[kind]()
        model.act(who, to, level, kind)
    for who in PEOPLE:
        handle = house.spaces.open(name, Principal(who))
        held = Permission(model.level(who))
        assert await handle.permission() == held
        if held == Permission.NONE:
            for read in (handle.search, handle.changes, lambda: handle.get(atom.id), lambda: handle.history(atom.id)):  # noqa: B023
                with pytest.raises(StoaError):
                    await read()


@pytest.mark.parametrize("word", ["admin", "", "READ ", "4"])
def test_a_word_that_is_no_permission_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput, match="use read, append, write or grant"):
        Permission.parse(word)
