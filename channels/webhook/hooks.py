"""Hooks: the addresses at which programs may tell something, each with a secret and a space of its own."""

import re
import secrets as random
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from channels.keys import channel_keys
from core.atoms.atoms import Origin, Principal
from core.errors import InvalidInput, NotFound
from core.store.store import Store

Template = Literal["plain", "form", "github", "calendar"]
HOOK_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_HOOK_NAME_CHARS = 40


class Hook(BaseModel):
    """One address, `/hooks/NAME`; its token or key is a secret named after it."""

    model_config = ConfigDict(frozen=True)

    id: str
    template: Template = "plain"
    """Reads what comes: any JSON or text, a form's fields, GitHub's events, or a calendar's."""
    signed: bool = False
    """Each request is signed with the key (HMAC-SHA256), instead of bringing a token."""

    @property
    def space(self) -> str:
        return f"hook-{self.id}"

    @property
    def principal(self) -> Principal:
        """As whom a caller's words are put down."""
        return Principal(self.space, Origin.OUTSIDE)

    @property
    def secret(self) -> str:
        """The name of the secret that holds its token or key."""
        return f"HOOK_{self.id.replace('-', '_').upper()}"


class Hooks:
    """The registry of hooks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = channel_keys(store).hooks()

    async def all(self) -> list[Hook]:
        stored = await self._store.run("HGETALL", self._key)
        return [Hook.model_validate_json(record) for _, record in sorted(stored.items())]

    async def get(self, id: str) -> Hook:
        """The hook of this name; raises `NotFound`."""
        record = await self._store.run("HGET", self._key, id)
        if record is None:
            raise NotFound(f"There is no webhook {id!r}. `stoa webhook list` shows them, `stoa webhook add` adds one.")
        return Hook.model_validate_json(record)

    async def add(self, hook: Hook) -> None:
        """Keep a new hook; raises `InvalidInput` for a name that cannot be one or is taken."""
        if not HOOK_NAME.fullmatch(hook.id) or len(hook.id) > MAX_HOOK_NAME_CHARS:
            raise InvalidInput(
                f"{hook.id!r} is not a valid webhook name; use 1 to {MAX_HOOK_NAME_CHARS} of a-z, 0-9 and dashes, "
                "such as github-stoa"
            )
        if not await self._store.run("HSETNX", self._key, hook.id, hook.model_dump_json()):
            raise InvalidInput(f"There is a webhook {hook.id!r} already. `stoa webhook remove {hook.id}` removes it.")

    async def remove(self, id: str) -> None:
        """Forget the hook; what it brought stays in its space."""
        await self.get(id)
        await self._store.run("HDEL", self._key, id)


def template_named(name: str) -> Template:
    known: tuple[Template, ...] = get_args(Template)
    for one in known:
        if one == name:
            return one
    raise InvalidInput(f"Unknown template {name!r}. Use {', '.join(known)}.")


def new_secret() -> str:
    return random.token_urlsafe(32)
