"""Tools: async functions with a docstring that agents' code may call by name, for those agents that hold them."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from core.atoms import OWNER, new_id
from core.errors import PermissionDenied
from core.secrets import Secrets
from core.spaces import Actor

Tool = Callable[..., Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf a tool was called, and the name of that very call."""

    actor: Actor = field(default_factory=lambda: Actor(OWNER))
    call: str = ""
    held: tuple[str, ...] = ()
    """The names of the secrets that whoever acts may have used."""
    secrets: Secrets = field(default_factory=Secrets)

    def operation(self) -> str:
        """An operation id: the same call carried out twice has the same one."""
        return self.call or new_id()

    def secret(self, name: str) -> str:
        """The value of a secret, for a tool to use and never to return; raises if whoever acts does not hold it."""
        if name not in self.held and self.actor.principal != OWNER:
            raise PermissionDenied(
                f"{self.actor.principal} does not hold the secret {name}; ask who spawned you for it."
            )
        return self.secrets.value(name)


_acting: ContextVar[Acting] = ContextVar("acting")


def acting() -> Acting:
    """Who acts, for the tools that need to know: the agent whose code called, else the owner."""
    return _acting.get(None) or Acting()


async def call_tool(tool: Tool, who: Acting, *args: object, **kwargs: object) -> object:
    """Call a tool on behalf of who acts."""
    token = _acting.set(who)
    try:
        return await tool(*args, **kwargs)
    finally:
        _acting.reset(token)
