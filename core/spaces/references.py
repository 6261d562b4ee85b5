"""References: followed from atom to atom, in both directions and across spaces."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgpack

from core.atoms.atoms import Atom, Link
from core.atoms.claims import is_over
from core.atoms.validation import SPACE_NAME, checked_name
from core.errors import InvalidInput, NotFound
from core.search.index import check_limit
from core.spaces.handles import Handle
from core.store.codec import SEPARATOR, read_atom
from core.store.store import Argument

MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class _Place:
    """The place up to which an atom's referrers were read: the space, and the last member of the referrers there."""

    space: str = ""
    member: str = ""

    def cursor(self, target: str, name: str) -> str:
        packed = msgpack.packb([target, name, self.space, self.member])
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")


class Linked(Handle):
    """A handle as far as it follows references."""

    async def referrers(self, id: str, name: str = "", limit: int = 200, after: str = "") -> list[Atom]:
        """The atoms that refer to this one, in all spaces you may read; needs read. `name` bounds it to one kind.

        To read on, give the last atom's .cursor as `after`; where that is empty, these were all.
        """
        name = _checked_kind(name)
        start = (await self._start(id, limit)).ref
        place = _read_place(after, start, name)
        links = await self._leading_here([start], name, limit + 1, place)
        atoms = await self._atoms(list(dict.fromkeys(source for source, _, _ in links[:limit])))
        found = [atom for source, _, _ in links[:limit] if (atom := atoms[source])]
        if len(links) > limit and found:
            source, kind, _ = links[limit - 1]
            space, last = _parted(source)
            cursor = _Place(space, f"{kind}{SEPARATOR}{last}").cursor(start, name)
            found[-1] = replace(found[-1], cursor=cursor)
        return found

    async def traverse(
        self, id: str, name: str = "", depth: int = 1, *, reverse: bool = False, limit: int = 200
    ) -> list[Link]:
        """Follow references from an atom, `depth` steps far, the nearest first; needs read.

        `name` keeps to one kind of reference. With `reverse` they are followed from targets to those that refer to
        them. Each answer has .source, .name, .target (as `space/id`), .depth and .atom, the one at its far end; that
        is None where there is none, or none that you may read. A circle is followed once. Where the last answer's
        .more is true, `limit` cut the rest off: follow on from the far ends, or read an atom's `referrers` on.
        """
        if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= MAX_DEPTH:
            raise InvalidInput(f"depth is {depth!r}; follow references 1 to {MAX_DEPTH} steps")
        name = _checked_kind(name)
        start = await self._start(id, limit)
        known: dict[str, Atom | None] = {start.ref: start}
        found: list[Link] = []
        frontier = [start.ref]
        for step in range(1, depth + 1):
            room = limit - len(found)
            links = await self._next_links(frontier, known, name, room + 1 if reverse else 0)
            ends = list(dict.fromkeys(link[0] if reverse else link[2] for link in links[:room]))
            fresh = [end for end in ends if end not in known]
            known |= await self._atoms(fresh)
            found += _links(links[:room], known, step, reverse)
            if len(links) > room:
                return [*found[:-1], *(replace(last, more=True) for last in found[-1:])]
            frontier = [end for end in fresh if known[end]]
            if not frontier:
                break
        return found

    async def _next_links(
        self, frontier: Sequence[str], known: dict[str, Atom | None], name: str, reverse: int
    ) -> list[tuple[str, str, str]]:
        if reverse:
            return sorted(await self._leading_here(frontier, name, reverse))
        return [one for one in _leading_away(frontier, known) if not name or one[1] == name]

    async def _start(self, id: str, limit: int) -> Atom:
        check_limit(limit)
        start = f"{self.id}/{self._own(id)}"
        if atom := (await self._atoms([start]))[start]:
            return atom
        fields = await self._store.run(*self._asking("stoa_get", self.id, self._own(id)))
        return self._seen(self._own(id), fields)  # raises, saying what is not there

    async def _leading_here(
        self, targets: Sequence[str], name: str, most: int, after: _Place | None = None
    ) -> list[tuple[str, str, str]]:
        """The references to these atoms from all readable spaces, at most so many from each.

        Those to one atom come in a fixed order: its own space first, then by space, name and id.
        """
        asked = [(target, *_parted(target)) for target in targets]
        place = after or _Place()
        found: list[tuple[str, str, str]] = []
        elsewhere: list[tuple[str, str]] = []

        def asking(space: str, id: str, most: int) -> list[Argument]:
            behind = place.member if place.space == space else ""
            return self._asking("stoa_referrers", space, id, name, behind, most)

        commands = [asking(space, id, most if place.space in ("", space) else 0) for _, space, id in asked]
        for (target, space, _), answer in zip(asked, await self._answers(commands), strict=True):
            members, spaces = answer or ([], [])
            found += [_link(space, member, target) for member in members]
            others = sorted(other.decode() for other in spaces if other)
            elsewhere += [(target, other) for other in others if place.space in ("", space) or other >= place.space]
        commands = [asking(space, target, most) for target, space in elsewhere]
        for (target, space), answer in zip(elsewhere, await self._answers(commands), strict=True):
            found += [_link(space, member, target) for member in (answer or ([], []))[0]]
        return found

    async def _atoms(self, references: Sequence[str]) -> dict[str, Atom | None]:
        """The atoms of these names, in one round trip; None for those that are missing or may not be read."""
        asked = [(reference, *_parted(reference)) for reference in references]
        there = [one for one in asked if SPACE_NAME.fullmatch(one[1])]
        commands = [self._asking("stoa_get", space, id) for _, space, id in there]
        found: dict[str, Atom | None] = dict.fromkeys(references)
        for look in range(2):
            for (reference, space, id), fields in zip(there, await self._answers(commands), strict=True):
                found[reference] = read_atom(space, id, fields) if fields else None
            atoms, now = [atom for atom in found.values() if atom], self._store.clock.now()
            ended = {atom.space for atom in atoms if is_over(atom, now)}
            if look or not ended:
                break
            await self._store.give_back(sorted(ended))
        for atom in atoms:
            self.actor.saw(atom)
        return found

    def _asking(self, function: str, space: str, id: str, *more: Argument) -> list[Argument]:
        return self._store.reading(function, space, self.holder.credentials, id, *more)

    async def _answers(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        answers = await self._store.answers(*commands)
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, NotFound):
                raise answer
        return [None if isinstance(answer, Exception) else answer for answer in answers]


def _checked_kind(name: str) -> str:
    return checked_name(name, "a reference's name") if name else ""


def _links(
    links: Sequence[tuple[str, str, str]], known: dict[str, Atom | None], step: int, reverse: bool
) -> Iterator[Link]:
    for source, kind, target in links:
        atom = known[source if reverse else target]
        if atom or not reverse:
            yield Link(source, kind, target, step, atom)


def _leading_away(sources: Sequence[str], known: dict[str, Atom | None]) -> Iterator[tuple[str, str, str]]:
    for source in sources:
        atom = known[source]
        if atom:
            for name, ids in sorted(atom.references.items()):
                for target in dict.fromkeys(ids):
                    yield source, name, target if "/" in target else f"{atom.space}/{target}"


def _link(space: str, member: bytes, target: str) -> tuple[str, str, str]:
    kind, _, source = member.decode().partition(SEPARATOR)
    return f"{space}/{source}", kind, target


def _parted(reference: str) -> tuple[str, str]:
    space, _, id = reference.partition("/")
    return space, id


def _read_place(cursor: str, target: str, name: str) -> _Place | None:
    """None for the beginning; raises `InvalidInput` for a cursor of something else."""
    if cursor == "":
        return None
    try:
        found = msgpack.unpackb(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        asked, space, member = found[:2], found[2], found[3]
    except (binascii.Error, ValueError, TypeError, LookupError, msgpack.UnpackException):
        asked, space, member = [], "", ""
    if asked != [target, name] or not isinstance(space, str) or not isinstance(member, str):
        raise InvalidInput(
            "after= does not belong to these referrers; give the cursor of the last atom of the page before, with the "
            "same name, or leave it out to begin anew"
        )
    return _Place(space, member)
