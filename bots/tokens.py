"""Tokens: other assistants come in with one, and may use the spaces that it was granted."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

from core.atoms.atoms import OWNER, Atom, Origin, Principal
from core.atoms.permissions import Permission
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.spaces.spaces import Spaces

TOKENS_SPACE = "tokens"
TOKENS_DESCRIPTION = """# Tokens
One atom for each token with which another assistant may come in; of the token itself only a hash is kept."""
TOKEN_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
TOKEN = re.compile(r"stoa-([0-9a-z]{4,40})-([0-9a-f]{64})")
TOKEN_BYTES = 32
MAX_TOKENS = 500


class Tokens:
    """The tokens, each an atom of a space that is the owner's alone. What one may do are grants to `token:NAME`."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces
        self._space = spaces.open(TOKENS_SPACE)

    async def create(self, name: str, granted: Mapping[str, Permission]) -> str:
        """A new token, which is shown this once; raises `InvalidInput` for a name that is taken."""
        if not TOKEN_NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot name a token; use a-z, 0-9, dot, dash and underscore, such as claude")
        if TOKENS_SPACE not in await self._spaces.names():
            await self._spaces.create(TOKENS_SPACE, description=TOKENS_DESCRIPTION)
        if any(atom.metadata.get("name") == name for atom in await self.all()):
            raise InvalidInput(f"There is a token {name} already. `stoa token revoke {name}` ends it.")
        secret = secrets.token_hex(TOKEN_BYTES)
        metadata = {"kind": "token", "name": name, "sha256": _digest(secret)}
        atom = await self._space.put(f"Token of {name}", metadata=metadata)
        for space, permission in granted.items():
            await self._spaces.open(space).share(token_principal(name).id, permission)
        return f"stoa-{atom.id}-{secret}"

    async def all(self) -> list[Atom]:
        try:
            found = await self._space.search(metadata={"kind": "token"}, limit=MAX_TOKENS)
        except NotFound:
            return []
        return sorted(found, key=lambda atom: str(atom.metadata["name"]))

    async def revoke(self, name: str) -> None:
        """End a token and take back all that it was granted; raises `NotFound`."""
        atom = next((one for one in await self.all() if one.metadata.get("name") == name), None)
        if atom is None:
            raise NotFound(f"There is no token {name}. `stoa token list` shows those there are.")
        await self._space.deprecate(atom.id, comment=f"revoked the token of {name}")
        for space in await self._spaces.held(token_principal(name)):
            await self._spaces.open(space).revoke_any(token_principal(name).id)

    async def principal(self, token: str) -> Principal:
        """The holder of a token; raises `PermissionDenied` for one that is not known, or was revoked."""
        found = TOKEN.fullmatch(token.strip())
        if found:
            try:
                atom = await self._space.get(found[1])
            except (NotFound, InvalidInput, PermissionDenied):
                atom = None
            untouched = atom and atom.version == 1 and atom.label is Origin.OWNER and atom.author == OWNER.id
            if atom and untouched and not atom.deprecated:
                known = str(atom.metadata.get("sha256", ""))
                if hmac.compare_digest(known, _digest(found[2])):
                    return token_principal(str(atom.metadata["name"]))
        raise PermissionDenied("This token is not known. `stoa token create NAME` makes one.")


def token_principal(name: str) -> Principal:
    """The holder of a token; all it writes counts as text from outside."""
    return Principal(f"token:{name}", Origin.OUTSIDE)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
