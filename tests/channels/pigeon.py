"""A platform of its own for tests of set-up: it is all in a file, and tells how far tokens and options bring one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from channels.accounts import Account, Token
from channels.contract import InboundMessage, OutboundMessage, Unusable
from channels.markdown import Dialect, Markdown
from core.secrets.secrets import Secrets

INSTALLED = """[stoa.channels]
pigeon = tests.channels.pigeon:Pigeon
"""


class Pigeon:
    """A channel that lets in who says the right words."""

    dialect: Dialect = Markdown()

    def __init__(self, account: Account, secrets: Secrets) -> None:
        self.name = account.id
        self.notes = ("The loft has no ladder; put one there.",) if "loft" in account.options else ()
        self._account = account
        self._secrets = secrets

    @staticmethod
    def tokens(options: Mapping[str, str]) -> tuple[Token, ...]:
        ring = (Token("RING", "The ring of the pigeon"),)
        return (*ring, Token("SEAL", "The seal of the letters")) if options.get("mode") == "sealed" else ring

    async def __aenter__(self) -> Self:
        if not self._secrets.value(self._account.secret("RING")).startswith("ring-"):
            raise Unusable("The ring is another pigeon's; take the one that begins with ring-.")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    async def listen(self) -> AsyncIterator[InboundMessage]:
        if self._account.options.get("mode") == "sealed" and "seal" not in self._secrets.value(
            self._account.secret("SEAL")
        ):
            raise Unusable("The seal is broken; have a new one made.")
        await asyncio.Event().wait()
        yield InboundMessage("", "", "", "")

    async def send(self, message: OutboundMessage) -> str:
        return "1"

    async def direct(self, person: str) -> str:
        return person


def installed(folder: Path) -> Path:
    """A folder that makes the platform known to whoever has it on the path, as an installed package does."""
    metadata = folder / "pigeon-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(INSTALLED)
    return folder
