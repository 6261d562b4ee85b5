"""Whatever is granted, written and referred to: no operation ever tells what one may not read, nor that it is there."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.atoms.atoms import OWNER, Principal, new_id
from core.atoms.permissions import Permission
from core.errors import StoaError
from core.house import House
from core.spaces.spaces import Space
from core.testing import MovableClock
from tests.core.atoms.test_permissions import Model

LETTERS = "abc"
PEOPLE = ["ann", "bob", "cy"]
Step = tuple[str, str, str, str, Permission, int, bool, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["share", "share", "pass on", "revoke", "put", "put", "update", "wait"]),
        st.sampled_from(LETTERS),
        st.sampled_from(["owner", *PEOPLE]),
        st.sampled_from(PEOPLE),
        st.sampled_from(list(Permission)[1:]),
        st.sampled_from([0, 0, 1, 2]),
        st.booleans(),
        st.integers(0, 9),
    ),
    min_size=4,
    max_size=16,
)
Act = Callable[[], Awaitable[object]]


class World:
    """Three spaces with a history, and what the model says of who may do what in them."""

    def __init__(self, house: House, clock: MovableClock) -> None:
        self.house = house
        self.clock = clock
        self.names = {letter: f"{letter}-{new_id()}" for letter in LETTERS}
        self.models = {letter: Model() for letter in LETTERS}
        self.ids: list[tuple[str, str]] = []

    async def begin(self) -> None:
        for letter, name in self.names.items():
            await self.house.spaces.create(name, description=f"secret {name} description")
            await self.put(letter, OWNER)

    async def put(self, letter: str, who: Principal, about: int = 0) -> None:
        """Write something whose every part names the space it is a secret of."""
        mark = f"secret {self.names[letter]} {len(self.ids)}"
        targets = [f"{self.names[other]}/{id}" for other, id in self.ids[about : about + 2]]
        atom = await self.house.spaces.open(self.names[letter], who).put(
            f"{mark} is the content",
            comment=f"{mark} as comment",
            metadata={"mark": mark, "kind": "note", "status": "pending"},
            references={"about": targets} if targets else {},
        )
        self.ids.append((letter, atom.id))

    async def take(self, step: Step) -> None:
        kind, letter, giver, to, level, hours, delegate, number = step
        who = OWNER if giver == "owner" else Principal(giver)
        space = self.house.spaces.open(self.names[letter], who)
        until = self.clock.now() + timedelta(hours=hours) if hours else None
        with contextlib.suppress(StoaError):
            match kind:
                case "share":
                    await space.share(to, level, until=until, delegate=delegate, comment=f"secret {space.id} share")
                case "pass on":
                    await space.pass_on(to, level, until=until, delegate=delegate)
                case "revoke":
                    await space.revoke(to)
                case "put":
                    await self.put(letter, who, number)
                case "update":
                    mine = [id for other, id in self.ids if other == letter]
                    id = mine[number % len(mine)]
                    changed = {"mark": f"secret {space.id} changed"}
                    await space.update(id, comment=f"secret {space.id} changed", metadata=changed)
                case _:
                    self.clock.move(hours=hours)
        for other, model in self.models.items():
            if kind == "wait" or other == letter:
                model.act(giver, to, level, kind, hours, delegate)


def reading(house: House, who: Principal, name: str, id: str) -> dict[str, Act]:
    """Every way to read something of a space."""
    space = house.spaces.open(name, who)
    return {
        "get": lambda: space.get(id),
        "newest first": lambda: space.search(limit=50),
        "search": lambda: space.search("secret content", limit=50, deprecated=True),
        "explained": lambda: space.search("secret content", by="words", explain=True),
        "filtered": lambda: space.search(metadata={"kind": "note"}, references={"about": {"any": {"kind": "note"}}}),
        "history": lambda: space.history(id),
        "compare": lambda: space.compare(id, 1),
        "traverse": lambda: space.traverse(id, depth=4),
        "back": lambda: space.traverse(id, depth=4, reverse=True),
        "referrers": lambda: space.referrers(id),
        "changes": lambda: space.changes(),
        "newest": space.newest,
        "description": space.description,
        "permission": space.permission,
        "follow": lambda: first(space.follow()),
        "news": lambda: house.notifications.news(name, who, 0),
    }


def writing(house: House, who: Principal, name: str, id: str) -> dict[str, Act]:
    """Every way to change something of a space."""
    space: Space = house.spaces.open(name, who)
    return {
        "put": lambda: space.put("mine"),
        "update": lambda: space.update(id, comment="mine", content="mine"),
        "replace": lambda: space.update(id, comment="mine", replace=("is", "was")),
        "deprecate": lambda: space.deprecate(id, comment="mine"),
        "claim": lambda: space.claim(id),
        "restore": lambda: space.restore(id, 1),
        "describe": lambda: space.describe("mine"),
        "subscribe": lambda: space.subscribe(),
        "unsubscribe": space.unsubscribe,
    }


async def first(changes: AsyncIterator[object]) -> object:
    async for change in changes:
        return change
    return None


async def told(act: Act) -> str:
    """All that an operation tells, be it an answer or an error."""
    try:
        return repr(await act())
    except StoaError as error:
        return f"{type(error).__name__}: {error}"


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
async def test_nothing_that_one_may_not_read_ever_comes_back(
    house: House, clock: MovableClock, history: list[Step]
) -> None:
    world = World(house, clock)
    await world.begin()
    for step in history:
        await world.take(step)
    for person in PEOPLE:
        who = Principal(person)
        hidden = [letter for letter in LETTERS if world.models[letter].level(person) == 0]
        nowhere = f"nowhere-{new_id()}"
        heard = {"held": await told(lambda: house.spaces.held(who))}  # noqa: B023 - called at once
        heard["everywhere"] = await told(lambda: house.spaces.search(who, "secret content", limit=50))  # noqa: B023
        for letter, id in dict(world.ids).items():
            name = world.names[letter]
            answers = {what: await told(act) for what, act in reading(house, who, name, id).items()}
            heard |= {f"{what} {letter} {id}": answer for what, answer in answers.items()}
            if letter in hidden:
                missing = {what: await told(act) for what, act in reading(house, who, nowhere, id).items()}
                answers |= {what: await told(act) for what, act in writing(house, who, name, id).items()}
                missing |= {what: await told(act) for what, act in writing(house, who, nowhere, id).items()}
                assert {what: said.replace(name, nowhere) for what, said in answers.items()} == missing
        for what, said in heard.items():
            assert not [letter for letter in hidden if f"secret {world.names[letter]}" in said], (person, what, said)
        assert not [letter for letter in hidden if world.names[letter] in heard["held"]]
