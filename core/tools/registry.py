"""Tools: async functions with a docstring that agents' code may call by name, for those agents that hold them.

Each declares what it does: `@declares(Effect.LEAVES, "to")`. A package brings more under the entry point `stoa.tools`.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from core.atoms.atoms import OWNER, new_id
from core.errors import InvalidInput, PermissionDenied
from core.secrets.secrets import Secrets
from core.spaces.spaces import Actor
from core.tools.waits import Wait

Tool = Callable[..., Awaitable[object]]
ToolType = TypeVar("ToolType", bound=Tool)

log = logging.getLogger("stoa.tools")


class Effect(StrEnum):
    """The most that a tool does."""

    READS = "reads"
    """It looks, and changes nothing."""
    CHANGES = "changes"
    """It changes something inside the house; where it is given a target, what it does reaches that, too."""
    LEAVES = "leaves"
    """It reaches somebody or something outside: sends, posts, pays, or asks a server of somebody else."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A tool's word about itself."""

    effect: Effect
    targets: tuple[str, ...] | None = None
    """The parameters that say where to, such as `to` or `url`; None where every text it is given may say so."""
    outside: bool = True
    """Whether its answer may hold text from outside."""
    about: tuple[str, ...] = ()
    """The parameters that say what is changed, such as `title` or `day`: one of them has to be the owner's word."""
    writes: tuple[str, ...] = ()
    """The spaces it writes in, whose readers learn what it is given."""
    described: str = ""
    """What somebody outside says about the tool: shown when asked for, as outside text."""


UNDECLARED = Declaration(Effect.LEAVES)


def declares(
    effect: Effect, *targets: str, outside: bool = False, about: Sequence[str] = (), writes: Sequence[str] = ()
) -> Callable[[ToolType], ToolType]:
    """Declare what a tool does, which of its parameters say where to, and which say what a change is `about`.

    `writes` names the spaces that it writes in. `outside` says that its answer may hold text from outside, as that
    of a tool that leaves always may. Raises `InvalidInput` for a name that is none of the tool's parameters.
    """

    def declare(tool: ToolType) -> ToolType:
        if wrong := [name for name in (*targets, *about) if name not in inspect.signature(tool).parameters]:
            raise InvalidInput(f"{tool.__name__} declares {wrong[0]!r}, which is none of its parameters.")
        heard = outside or effect is Effect.LEAVES
        tool.__dict__["declared"] = Declaration(effect, targets, heard, tuple(about), tuple(writes))
        return tool

    return declare


def declaration(tool: Tool) -> Declaration:
    declared = getattr(tool, "declared", UNDECLARED)
    return declared if isinstance(declared, Declaration) else UNDECLARED


class Tools(Mapping[str, Tool]):
    """All tools there are, by name: the house's own, those of installed packages, loaded when first asked for, and
    those of servers."""

    def __init__(
        self, own: Sequence[Tool], others: Sequence[EntryPoint] | None = None, served: Mapping[str, Tool] | None = None
    ) -> None:
        """`others` are the entry points of packages; by default those that are installed."""
        self._loaded = {tool.__name__: tool for tool in own}
        found = entry_points(group="stoa.tools") if others is None else others
        self._served = {} if served is None else served
        self._waiting = {point.name: point for point in found if point.name not in self._loaded}

    @property
    def own(self) -> frozenset[str]:
        """The names that no server can take."""
        return frozenset({*self._loaded, *self._waiting})

    def __getitem__(self, name: str) -> Tool:
        if name in self._waiting:
            point = self._waiting.pop(name)
            try:
                tool = point.load()
            except (ImportError, AttributeError, SyntaxError, InvalidInput) as error:
                log.error("The tool %s of %s cannot be loaded, so there is none: %s", name, point.value, error)
            else:
                self._loaded[name] = tool
        return self._loaded[name] if name in self._loaded else self._served[name]

    def __iter__(self) -> Iterator[str]:
        yield from sorted({*self.own, *self._served})

    def __len__(self) -> int:
        return len({*self.own, *self._served})


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf a tool was called, and the name of that very call."""

    actor: Actor = field(default_factory=lambda: Actor(OWNER))
    call: str = ""
    held: tuple[str, ...] = ()
    """The names of the secrets that this principal may use."""
    secrets: Secrets = field(default_factory=Secrets)
    waited: Wait | None = None
    """What this very call has waited for, where it is made again."""
    taken: list[str] = field(default_factory=list)
    """The names of the secrets that were used."""

    def operation(self) -> str:
        """An operation id: the same call carried out twice has the same one."""
        return self.call or new_id()

    def secret(self, name: str) -> str:
        """The value of a secret, for a tool to use and never to return; raises if this principal does not hold it."""
        if name not in self.held and self.actor.principal != OWNER:
            raise PermissionDenied(
                f"{self.actor.principal} does not hold the secret {name}; ask who spawned you for it."
            )
        self.taken.append(name)
        return self.secrets.value(name)


_acting: ContextVar[Acting] = ContextVar("acting")


def acting() -> Acting:
    return _acting.get(None) or Acting()


async def call_tool(tool: Tool, who: Acting, *args: object, **kwargs: object) -> object:
    """Call a tool on behalf of who acts."""
    token = _acting.set(who)
    try:
        return await tool(*args, **kwargs)
    finally:
        _acting.reset(token)
