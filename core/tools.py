"""Tools: async functions with a docstring that agents' code may call by name, for those agents that hold them."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from core.atoms import OWNER, new_id
from core.spaces import Actor

Tool = Callable[..., Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Acting:
    """On whose behalf a tool was called, and the name of that very call."""

    actor: Actor = field(default_factory=lambda: Actor(OWNER))
    call: str = ""

    def operation(self) -> str:
        """An operation id: the same call carried out twice has the same one."""
        return self.call or new_id()


_acting: ContextVar[Acting] = ContextVar("acting")


def acting() -> Acting:
    """Who acts, for the tools that need to know: the agent whose code called, else the owner."""
    return _acting.get(None) or Acting()


async def call_tool(tool: Tool, actor: Actor, name: str, *args: object, **kwargs: object) -> object:
    """Call a tool on behalf of `actor`; `name` is the call's own name, for what must be done only once."""
    token = _acting.set(Acting(actor, name))
    try:
        return await tool(*args, **kwargs)
    finally:
        _acting.reset(token)
