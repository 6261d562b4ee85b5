"""Requests: what an agent asks for that it lacks, frozen when it is asked, and the words that people read of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.agents.agents import Agent
from core.agents.rights import Kind, Scope
from core.atoms.atoms import Atom, Value
from core.atoms.permissions import Permission
from core.atoms.validation import SPACE_NAME, checked_moment
from core.errors import InvalidInput
from core.secrets.secrets import SECRET_NAME as SECRET
from core.spaces.spaces import first_words
from core.trust.approvals import ALWAYS, NO, ONCE, TASK, Choice

MAX_WHY_CHARS = 300
SCOPE_WIDTHS: dict[Scope, int] = {"once": 0, "turn": 1, "until": 2, "task": 3, "standing": 4}
PERMISSION_VERBS = {"read": "read", "append": "add to", "write": "change", "grant": "change and share"}
KIND_VERBS = {"tool": "use the tool", "secret": "use the secret", "model": "think with the model"}
SCOPE_WORDS: dict[Scope, str] = {
    "once": "for one use",
    "turn": "for one turn",
    "task": "for this task",
    "until": "until",
    "standing": "until taken back",
}
TURN, UNTIL = Choice("turn", "Yes, for one turn"), "until"
CHOICE_SCOPES: dict[str, Scope] = {"once": "once", "turn": "turn", "task": "task", UNTIL: "until", "always": "standing"}
"""Which scope each of the owner's choices means."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it was frozen in the audit: nothing written later changes it."""

    id: str
    room: str
    asker: str
    kind: Kind
    name: str
    permission: str
    scope: Scope
    why: str
    until: datetime | None = None
    sources: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """The atom it was asked in, `space/id`."""
        return f"{self.room}/{self.id}"

    @property
    def what(self) -> str:
        return f"{self.permission} on {self.name}" if self.kind == "space" else f"the {self.kind} {self.name}"

    @property
    def content(self) -> str:
        return f"I ask for {self.what} {lasting(self.scope, self.until)}. Why: {self.why}"

    def details(self) -> dict[str, Value]:
        """As metadata."""
        known: dict[str, Value] = {"request": self.ref, "asker": self.asker, "wants": self.kind, "name": self.name}
        known |= {"permission": self.permission} if self.permission else {}
        known |= {"scope": self.scope, "why": self.why}
        known |= {"until": self.until} if self.until else {}
        return known | ({"sources": list(self.sources)} if self.sources else {})


def frozen(id: str, room: str, asker: str, why: str, sources: tuple[str, ...], **wanted: str) -> Request:
    """The request that such arguments make; raises `InvalidInput` naming the one that is wrong."""
    kind, name = one_of(**{kind: wanted[kind] for kind in ("space", "tool", "secret", "model")})
    if not isinstance(why, str) or not why.strip():
        raise InvalidInput("why: say in a few words what you need it for; that is all the one who decides will read")
    patterns = {"space": SPACE_NAME, "secret": SECRET}
    if len(name) > 100 or (kind in patterns and not patterns[kind].fullmatch(name)):
        raise InvalidInput(f"{kind}: {name[:100]!r} cannot be the name of a {kind}")
    scope, until = scope_called(wanted["scope"]), None
    if scope == "until":
        until = checked_moment(wanted["until"], "until")
    permission = str(Permission.parse(wanted["permission"])) if kind == "space" else ""
    if permission == "none":
        raise InvalidInput("permission: ask for read, append, write or grant")
    return Request(id, room, asker, kind, name, permission, scope, first_words(why, MAX_WHY_CHARS), until, sources)


def thawed(record: Atom) -> Request:
    """The request as the audit has kept it."""
    known = record.metadata
    room, _, id = str(known["request"]).partition("/")
    until, sources = known.get("until"), known.get("sources")
    return Request(
        id=id,
        room=room,
        asker=str(known["asker"]),
        kind=one_of(**{str(known["wants"]): str(known["name"])})[0],
        name=str(known["name"]),
        permission=str(known.get("permission", "")),
        scope=scope_called(str(known["scope"])),
        why=str(known["why"]),
        until=until if isinstance(until, datetime) else None,
        sources=tuple(sources) if isinstance(sources, list) else (),
    )


def one_of(**named: str) -> tuple[Kind, str]:
    """The one thing that was named, and of which kind it is; raises `InvalidInput` for none or several."""
    given = {kind: name for kind, name in named.items() if name}
    kinds: dict[str, Kind] = {"space": "space", "tool": "tool", "secret": "secret", "model": "model"}
    if len(given) != 1 or not all(isinstance(name, str) for name in given.values()):
        raise InvalidInput("name one thing at a time, as text: a space, a tool, a secret or a model")
    ((kind, name),) = given.items()
    return kinds[kind], name


def scope_called(name: str) -> Scope:
    """The scope by this name; raises `InvalidInput` for any other word."""
    for scope in SCOPE_WIDTHS:
        if scope == name:
            return scope
    raise InvalidInput(f"scope: {name!r} is none; use once, turn, task, until or standing")


def quoted(text: str) -> str:
    """An agent's words as the owner reads them: on one line, in quotes that nothing inside can end, and short."""
    return f"“{plain(text.replace('“', '‘').replace('”', '’'), MAX_WHY_CHARS)}”"


def plain(text: str, most: int) -> str:
    """The beginning of an agent's words on one line, without what would move or hide the words around them."""
    return first_words("".join(one if one.isprintable() else " " for one in text), most)


def lasting(scope: Scope, until: datetime | None) -> str:
    """For how long, in words."""
    return f"{SCOPE_WORDS[scope]} {until:%Y-%m-%d %H:%M}" if scope == "until" and until else SCOPE_WORDS[scope]


def question(asked: Request, asker: Agent, *, there: bool = True) -> str:
    """The request as the owner reads it: exactly what is wanted, for whom and why, and what the asker has read."""
    who = described(asker)
    doing = PERMISSION_VERBS[asked.permission] if asked.kind == "space" else KIND_VERBS[asked.kind]
    said = f"{who[:1].upper()}{who[1:]} {'need' if who == 'I' else 'needs'} to {doing} {quoted(asked.name)}"
    missing = [] if there else ["There is no space of that name."]
    return "\n".join([f"{said}: {quoted(asked.why)}. OK?", *missing, *read_outside(asked.sources)])


def described(agent: Agent) -> str:
    """An agent as people read of it: by what it does; its id is only for where one would type it."""
    if agent.guests:
        return f"the host in {agent.speaks_in}"
    if agent.coordinator:
        return "I" if agent.speaks_in else f"the {agent.id}"
    return f"the agent working on {quoted(agent.task)}" if agent.task else agent.id


def asks(asker: Agent, question: str, sources: Sequence[str]) -> str:
    """A question of an agent's own as the owner reads it."""
    who = described(asker)
    said = "I'm asking you" if who == "I" else f"{who[:1].upper()}{who[1:]} asks you"
    return "\n".join([f"{said}: {quoted(question)}", *read_outside(sources)])


def read_outside(sources: Sequence[str]) -> list[str]:
    """The line on which outside texts an agent has read that asks the owner something; none where it has read none."""
    return [f"Text from outside may be behind it: {', '.join(map(quoted, sources))}"] if sources else []


def choices(asked: Request, asker: Agent) -> list[Choice]:
    """The scopes that make sense for what was asked, the narrowest first."""
    always = Choice(ALWAYS.id, f"Yes, always ({asker.line[-1]} may pass it on)") if asker.line else ALWAYS
    fitting = [TURN if asked.kind == "model" or asked.scope == "turn" else ONCE]
    fitting += [Choice(UNTIL, f"Yes, until {asked.until:%Y-%m-%d %H:%M}")] if asked.until else []
    return [*fitting, *([TASK] if asker.line else []), always, NO]
