"""The audit: what was asked for, given, used, refused and decided, each an atom that only Stoa itself can put."""

from collections.abc import Mapping, Sequence

from core.atoms.atoms import HOUSE, Atom, Cause, Value, id_from
from core.atoms.labels import Label
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.spaces.spaces import Actor, Spaces, first_words

SPACE = "audit"
DESCRIPTION = """# Audit
What rights were asked for, given, used, refused and taken back, and what the owner decided: who, what, for whom, why, \
with which scope and outcome. Only Stoa writes here, and nothing is ever changed."""


class Audit:
    """The record of rights."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    async def note(
        self,
        event: str,
        who: str,
        what: str,
        *,
        outcome: str = "",
        why: str = "",
        details: Mapping[str, Value] | None = None,
        about: Sequence[str] = (),
        cause: Cause | None = None,
        label: Label | None = None,
        operation: str = "",
    ) -> Atom:
        """Write down one event: a request, grant, use, refusal, approval or revocation. The same `operation` twice is
        one atom, so who notes a decision first has made it. `label` is that of whoever's words are in it."""
        await self.prepare()
        space = self._spaces.open(SPACE, Actor(HOUSE, cause or Cause(), label=label))
        metadata: dict[str, Value] = {
            "kind": event,
            "who": who,
            "what": first_words(what, 1_000),
            "at": self._spaces.clock.now(),
        }
        metadata |= {"outcome": outcome} if outcome else {}
        metadata |= {"why": first_words(why, 1_000)} if why else {}
        said = f"{who}: {event}: {what}" + (f" ({outcome})" if outcome else "")
        return await space.put(
            said if not why else f"{said}\nWhy: {first_words(why, 1_000)}",
            comment=first_words(said),
            metadata={**metadata, **(details or {})},
            references={"about": list(about)} if about else {},
            operation=operation,
        )

    async def noted(self, operation: str) -> Atom | None:
        """What was written down by this operation; None if nothing was."""
        try:
            return await self._spaces.open(SPACE, HOUSE).get(id_from(f"{SPACE}/{operation}"))
        except NotFound:
            return None

    async def prepare(self) -> None:
        """Make the space unless it is there; Stoa itself may add to it and change nothing."""
        if await self._spaces.open(SPACE, HOUSE).permission() < Permission.APPEND:
            space = await self._spaces.create(SPACE, description=DESCRIPTION)
            await space.share(HOUSE.id, Permission.APPEND, comment="Stoa keeps the record of rights")
