"""Groups of people: what is shared with `group:family` holds for everybody in it, and ends with their membership."""

import re

from channels.people.persons import PERSON_PREFIX, Person, Persons
from core.atoms.atoms import OWNER, Origin, Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound
from core.spaces.spaces import Spaces

GROUP_PREFIX = "group:"
GROUP_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_GROUP_NAME_CHARS = 40


class Groups:
    """Groups, as the people in them say in their records.

    A group holds what is shared with it as any other principal does, and passes it on to each member. So whatever takes
    it back from the group, or bounds it by a time, bites the members at once.
    """

    def __init__(self, spaces: Spaces, persons: Persons) -> None:
        self._spaces = spaces
        self._persons = persons

    async def all(self) -> dict[str, list[str]]:
        """Each group with the ids of its members."""
        groups: dict[str, list[str]] = {}
        for person in await self._persons.all():
            for group in person.groups:
                groups.setdefault(group, []).append(person.id)
        return dict(sorted(groups.items()))

    async def join(self, group: str, person: str) -> Person:
        """Let a person be in a group, which begins with its first; raises `InvalidInput`, `NotFound`."""
        if not GROUP_NAME.fullmatch(group) or len(group) > MAX_GROUP_NAME_CHARS:
            raise InvalidInput(f"{group!r} cannot name a group; use a-z, 0-9 and dashes, such as family")
        if person == OWNER.id:
            raise InvalidInput("The owner holds every space already; put others into the group.")
        if (await self._persons.get(person)).status == "blocked":
            raise InvalidInput(f"{person} is blocked; `stoa people allow {person}` lets them in again first.")
        joined = await self._persons.change(
            person, lambda one: one.model_copy(update={"groups": tuple(sorted({*one.groups, group}))})
        )
        await self.settle(group)
        return joined

    async def leave(self, group: str, person: str) -> Person:
        """Let a person be in a group no more, and hold nothing by it; raises `NotFound`."""
        if group not in (await self._persons.get(person)).groups:
            raise NotFound(f"{person} is not in {group!r}. `stoa people group list` shows who is in which.")
        for space in await self._spaces.passable(_principal(group)):
            await self._spaces.open(space).revoke_any(f"{PERSON_PREFIX}{person}", grant=f"{GROUP_PREFIX}{group}")
        return await self._persons.change(
            person, lambda one: one.model_copy(update={"groups": tuple(g for g in one.groups if g != group)})
        )

    async def settle(self, group: str) -> None:
        """Pass on to every member what the group holds at this moment; doing it again changes nothing."""
        members = (await self.all()).get(group, [])
        for name, level in (await self._spaces.passable(_principal(group))).items():
            space = self._spaces.open(name, _principal(group))
            for member in members:
                passed = min(level, Permission.WRITE)  # a member uses it, and lets nobody else in
                await space.pass_on(f"{PERSON_PREFIX}{member}", passed, grant=f"{GROUP_PREFIX}{group}")

    async def settle_all(self) -> None:
        """Pass on what every group holds."""
        for group in await self.all():
            await self.settle(group)


def group_of(principal: str) -> str:
    """The group that a principal is, or nothing."""
    return principal.removeprefix(GROUP_PREFIX) if principal.startswith(GROUP_PREFIX) else ""


def _principal(group: str) -> Principal:
    return Principal(f"{GROUP_PREFIX}{group}", Origin.AGENT)
