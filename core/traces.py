"""Traces: what each turn was woken by, read and took, kept for whoever asks later why something is as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.budgets import Purse
from core.news import News
from core.spaces import Actor
from core.store import Argument, Store
from core.values import decode, encode

MOST = 200
"""How many turns of one agent are kept: the newest."""
MOST_READ = 100
"""How many of the atoms it read a trace names: the last ones."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One turn. Atoms are named as `space/id`, the root as the change (`space/number`) that began it all."""

    turn: str
    root: str
    began: datetime
    ended: datetime
    news: list[str]
    read: list[str]
    model: str
    calls: int
    tokens: int
    dollars: float

    def written(self) -> bytes:
        """The trace as it is kept."""
        return encode([getattr(self, name) for name in self.__slots__])


def trace(news: News, actor: Actor, purse: Purse, ended: datetime) -> Trace:
    """What is to be remembered of a turn that has ended."""
    woken = [notice.ref for notice in news.notices]
    read = [ref for ref in actor.reads if ref not in woken][-MOST_READ:]
    spent = purse.spent
    return Trace(
        news.turn, news.root, news.now, ended, woken, read, purse.model, purse.calls, spent.tokens, spent.dollars
    )


async def traces(store: Store, agents: Sequence[str], most: int = MOST) -> list[list[Trace]]:
    """The turns of each of these agents, the newest first."""
    commands: list[list[Argument]] = [["LRANGE", store.keys.traces(agent), 0, most - 1] for agent in agents]
    kept = await store.together(*commands)
    return [[Trace(*decode(entry)) for entry in entries] for entries in kept]
