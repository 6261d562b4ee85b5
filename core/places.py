"""Places: how far a reader has come in the changes of a space, and what it takes to miss none of them."""

import asyncio
from collections.abc import Awaitable, Callable

from core.atoms import Change

PAGE = 500
"""Changes that are read from the log at once."""
RIGHTS = frozenset(("share", "revoke"))
"""After such a change whoever reads has to ask again whether it may."""

Reading = Callable[[int], Awaitable[tuple[bool, list[Change]]]]
"""Reads a page of changes after a number, and says whether the right to do so lasts until a change says otherwise."""


class Place:
    """A reader's place in the changes of a space: it is told of each once, in order.

    What is published is taken as it comes while it fits: the next number, and nothing that touches rights. Otherwise,
    and always where the right to read ends at a time, the log is read, which asks for the right.
    """

    def __init__(self, after: int, read: Reading, tell: Callable[[Change], None]) -> None:
        self.after = after
        self.stirred = asyncio.Event()
        """Set when there is something to look after: changes that were told, or a log to read on."""
        self.stirred.set()
        self._read = read
        self._tell = tell
        self._live = False
        self._missed = False
        self._heard = after

    def hear(self, change: Change | None) -> None:
        """Take what was published; None says that something may have been missed."""
        if change is None:
            self.pause()
        elif self._live and change.seq == self.after + 1 and change.operation not in RIGHTS:
            self.after = change.seq
            self._tell(change)
        elif change.seq > self.after:
            self._heard = max(self._heard, change.seq)
            self.pause()

    def pause(self) -> None:
        """Take nothing more as it is published, until the log has been read to its end."""
        self._live = False
        self._missed = True
        self.stirred.set()

    async def read_on(self) -> None:
        """Read a page of the log, unless that is not needed; at its end go on with what is published."""
        self.stirred.clear()
        if self._live:
            return
        self._missed = False
        standing, found = await self._read(self.after)
        for change in found:
            if change.seq > self.after:
                self.after = change.seq
                self._tell(change)
        if len(found) == PAGE or self._heard > self.after or self._missed:
            self.stirred.set()
        else:
            self._live = standing
