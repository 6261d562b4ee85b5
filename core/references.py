"""References: from an atom to those it refers to, or that refer to it, step by step and across spaces."""

from collections.abc import Iterator, Sequence
from typing import Any

from core.atoms import Atom, Link
from core.checks import SPACE, check_name
from core.errors import InvalidInput, NotFound
from core.handles import Handle
from core.search import check_limit
from core.store import SEPARATOR, Argument, read_atom

DEEPEST = 20


class Linked(Handle):
    """A handle as far as it follows references."""

    async def referrers(self, id: str, name: str = "", limit: int = 200) -> list[Atom]:
        """The atoms that refer to this one, in all spaces you may read; needs read. `name` bounds it to one kind."""
        return [link.atom for link in await self.traverse(id, name, reverse=True, limit=limit) if link.atom]

    async def traverse(
        self, id: str, name: str = "", depth: int = 1, *, reverse: bool = False, limit: int = 200
    ) -> list[Link]:
        """Follow references from an atom, `depth` steps far, the nearest first; needs read.

        `name` keeps to one kind of reference. With `reverse` they are followed from targets to those that refer to
        them. Each answer has .source, .name, .target (as `space/id`), .depth and .atom, the one at its far end; that
        is None where there is none, or none that you may read. A circle is followed once.
        """
        if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= DEEPEST:
            raise InvalidInput(f"depth is {depth!r}; follow references 1 to {DEEPEST} steps")
        if name:
            check_name(name, "a reference's name")
        check_limit(limit)
        start = f"{self.id}/{self._own(id)}"
        known = await self._atoms([start])
        if known[start] is None:
            fields = await self._store.run(*self._store.reading("stoa_get", self.id, self.holder.id, self._own(id)))
            self._seen(self._own(id), fields)  # raises, saying what is not there
        found: list[Link] = []
        frontier = [start]
        for step in range(1, depth + 1):
            step_links = await self._leading_here(frontier) if reverse else list(_leading_away(frontier, known))
            links = [link for link in step_links if not name or link[1] == name][: limit - len(found)]
            ends = list(dict.fromkeys(link[0] if reverse else link[2] for link in links))
            fresh = [end for end in ends if end not in known]
            known |= await self._atoms(fresh)
            for source, kind, target in links:
                atom = known[source if reverse else target]
                if atom or not reverse:
                    found.append(Link(source, kind, target, step, atom))
            frontier = [end for end in fresh if known[end]]
            if not frontier or len(found) >= limit:
                break
        return found

    async def _leading_here(self, targets: Sequence[str]) -> list[tuple[str, str, str]]:
        """The references to these atoms from all spaces that the reader may read."""
        found = []
        asked = [(target, *_parted(target)) for target in targets]
        answers = await self._answers([self._asking("stoa_referrers", space, id) for _, space, id in asked])
        elsewhere: list[tuple[str, str]] = []
        for (target, space, _), answer in zip(asked, answers, strict=True):
            members, spaces = answer or ([], [])
            found += [(space, member, target) for member in members]
            elsewhere += [(target, other.decode()) for other in spaces if other]
        answers = await self._answers([self._asking("stoa_referrers", space, target) for target, space in elsewhere])
        for (target, space), answer in zip(elsewhere, answers, strict=True):
            found += [(space, member, target) for member in (answer or ([], []))[0]]
        links = []
        for space, member, target in found:
            kind, _, source = member.decode().partition(SEPARATOR)
            links.append((f"{space}/{source}", kind, target))
        return sorted(links)

    async def _atoms(self, references: Sequence[str]) -> dict[str, Atom | None]:
        """The atoms so named, in one round trip; None for those that are not there or may not be read."""
        asked = [(reference, *_parted(reference)) for reference in references]
        there = [one for one in asked if SPACE.fullmatch(one[1])]
        answers = await self._answers([self._asking("stoa_get", space, id) for _, space, id in there])
        found: dict[str, Atom | None] = dict.fromkeys(references)
        for (reference, space, id), fields in zip(there, answers, strict=True):
            atom = found[reference] = read_atom(space, id, fields) if fields else None
            if atom:
                self.actor.saw(atom)
        return found

    def _asking(self, function: str, space: str, id: str) -> list[Argument]:
        return self._store.reading(function, space, self.holder.id, id)

    async def _answers(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The answers to reads, None where the reader may not read."""
        answers = await self._store.answers(*commands)
        for answer in answers:
            if isinstance(answer, Exception) and not isinstance(answer, NotFound):
                raise answer
        return [None if isinstance(answer, Exception) else answer for answer in answers]


def _leading_away(sources: Sequence[str], known: dict[str, Atom | None]) -> Iterator[tuple[str, str, str]]:
    """The references of these atoms, each as source, name and target."""
    for source in sources:
        atom = known[source]
        if atom:
            for name, ids in sorted(atom.references.items()):
                for target in dict.fromkeys(ids):
                    yield source, name, target if "/" in target else f"{atom.space}/{target}"


def _parted(reference: str) -> tuple[str, str]:
    space, _, id = reference.partition("/")
    return space, id
