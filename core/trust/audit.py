"""The audit: rights asked for, given, used, refused and decided, each an atom that only Stoa can put."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.atoms.atoms import HOUSE, Atom, Value, id_from
from core.atoms.permissions import Permission
from core.errors import NotFound
from core.spaces.spaces import Actor, Spaces, first_words

AUDIT_SPACE = "audit"
MAX_FIELD_CHARS = 1_000
AUDIT_DESCRIPTION = """# Audit
Rights asked for, given, used, refused and taken back, and the owner's decisions: who, what, for whom, why, with which \
scope and outcome. Only Stoa writes here, and nothing is ever changed."""


@dataclass(frozen=True, slots=True)
class AuditDetails:
    """The optional parts of an event; `about` names the atoms it goes back to, as `space/id`."""

    outcome: str = ""
    why: str = ""
    metadata: Mapping[str, Value] = field(default_factory=dict)
    about: Sequence[str] = ()


NO_DETAILS = AuditDetails()


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
        more: AuditDetails = NO_DETAILS,
        by: Actor | None = None,
        operation: str = "",
    ) -> Atom:
        """Write down one event: a request, grant, use, refusal, approval or revocation.

        The same `operation` twice is one atom, so the first to note a decision has made it. The record goes back to
        the same cause as `by`, and is trusted no more than what `by` has read.
        """
        await self.prepare()
        actor = Actor(HOUSE, by.cause, label=by.label) if by else Actor(HOUSE)
        why = first_words(more.why, MAX_FIELD_CHARS)
        metadata: dict[str, Value] = {
            "kind": event,
            "who": who,
            "what": first_words(what, MAX_FIELD_CHARS),
            "at": self._spaces.clock.now(),
        }
        metadata |= {"outcome": more.outcome} if more.outcome else {}
        metadata |= {"why": why} if why else {}
        said = f"{who}: {event}: {what}" + (f" ({more.outcome})" if more.outcome else "")
        return await self._spaces.open(AUDIT_SPACE, actor).put(
            f"{said}\nWhy: {why}" if why else said,
            comment=first_words(said),
            metadata={**metadata, **more.metadata},
            references={"about": list(more.about)} if more.about else {},
            operation=operation,
        )

    async def noted(self, operation: str) -> Atom | None:
        try:
            return await self._spaces.open(AUDIT_SPACE, HOUSE).get(id_from(f"{AUDIT_SPACE}/{operation}"))
        except NotFound:
            return None

    async def prepare(self) -> None:
        """Make the space unless it is there; Stoa itself may add to it and change nothing."""
        if await self._spaces.open(AUDIT_SPACE, HOUSE).permission() < Permission.APPEND:
            space = await self._spaces.create(AUDIT_SPACE, description=AUDIT_DESCRIPTION)
            await space.share(HOUSE.id, Permission.APPEND, comment="Stoa keeps the record of rights")
