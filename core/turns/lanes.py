"""One lane for each agent: one turn at a time on any worker, held by a lease and fenced by an epoch."""

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from core.errors import LeaseLost, StoreUnavailable
from core.store.codec import pack
from core.store.leases import keeping
from core.store.store import Store

LEASE_SECONDS = 6.0
"""Seconds a lane stays taken after its worker was last heard of; shorter than docket's redelivery time."""


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """The results a turn leaves behind."""

    cursors: Mapping[str, int] = field(default_factory=dict)
    messages: Sequence[bytes] = ()
    """What it adds to the session."""
    ledger: Mapping[str, int] = field(default_factory=dict)
    """The versions of the atoms it has seen anew."""
    label: bytes = b""
    trace: bytes = b""
    more: bool = False
    """Whether there is more to do at once."""
    program: str = ""
    """The waiting program that has gone on and waits no longer."""


class Lane:
    """The right to run one agent's turn, and the journal of that turn.

    What the turn says and does is written down before it takes effect, so that the worker that takes the lane after a
    crash goes on from there. Raises `LeaseLost` from every call once another worker has taken over.
    """

    def __init__(self, store: Store, agent: str, lease: float = LEASE_SECONDS) -> None:
        self.store = store
        self.agent = agent
        self.epoch = 0
        self.noted: dict[str, bytes] = {}
        self._wakes = 0
        self._lease = lease
        self._token = secrets.token_hex(8)
        self._commits = 0
        keys = store.keys
        self._keys = (keys.lane(agent), keys.lease(agent))
        self._journal = keys.journal(agent)

    async def begin(self) -> bool:
        """Take the lane; False while someone else holds it."""
        taken = await self._call("stoa_begin", self._keys, self._token, self._milliseconds)
        if taken:
            self.epoch, self._wakes = (int(number) for number in taken)
        return bool(taken)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Keep the lease alive in here; ends with `LeaseLost` when it is gone."""

        async def renew() -> bool:
            try:
                return bool(await self._call("stoa_renew", self._keys, self._token, self._milliseconds))
            except StoreUnavailable:  # Redis is away: the lease outlives a short absence
                return True

        return keeping(renew, self._lease / 4, f"Another worker has taken over the turn of {self.agent}.")

    async def release(self) -> None:
        """Give the lane back with the turn unfinished: the next worker goes on from the journal, at once."""
        with contextlib.suppress(StoreUnavailable):  # then the lease ends by itself
            await self._call("stoa_release", self._keys, self._token)

    async def journal(self) -> dict[str, bytes]:
        """The notes of the turn under way from before this worker took it up, kept in `noted`; empty for a new one."""
        noted = await self.store.run("HGETALL", self._journal)
        self.noted = {field.decode(): value for field, value in noted.items()}
        return self.noted

    async def note(self, field: str, value: bytes) -> None:
        if not await self._call("stoa_journal", (*self._keys, self._journal), self._token, field, value):
            raise LeaseLost(f"Another worker has taken over the turn of {self.agent}.")

    async def keep(self, field: str, value: bytes, program: str, waits: bytes, image: bytes) -> None:
        """Keep a program that waits, and write down that it does, both at once."""
        keys = self.store.keys
        await self.store.run("SADD", keys.waiting(), self.agent)
        names = (*self._keys, self._journal, keys.waits(self.agent), keys.programs(self.agent))
        if not await self._call("stoa_keep", names, self._token, field, value, program, waits, image):
            raise LeaseLost(f"Another worker has taken over the turn of {self.agent}.")

    async def commit(self, outcome: TurnOutcome) -> bool:
        """End the turn: all that it leaves moves on, and the journal is gone, at once.

        True when there is more to do, or more has changed meanwhile; the lane is still held then, otherwise free.
        """
        keys = self.store.keys
        names = (
            *self._keys,
            self._journal,
            keys.cursors(self.agent),
            keys.session(self.agent),
            keys.ledger(self.agent),
            keys.label(self.agent),
            keys.waits(self.agent),
            keys.programs(self.agent),
            keys.traces(self.agent),
        )
        packed = (pack(dict(outcome.cursors)), pack(list(outcome.messages)), pack(dict(outcome.ledger)), outcome.label)
        seen = -1 if outcome.more else self._wakes
        self._commits += 1
        told = (self._token, self._milliseconds, seen, *packed, outcome.program, outcome.trace, self._commits)
        kept = await self._call("stoa_commit", names, *told)
        if kept == -1:
            raise LeaseLost(f"Another worker has taken over the turn of {self.agent}.")
        if kept is not None:
            self._wakes = int(kept)
        return kept is not None

    @property
    def _milliseconds(self) -> int:
        return int(self._lease * 1000)

    async def _call(self, function: str, names: Sequence[str], *arguments: str | bytes | int) -> Any:
        return await self.store.run("FCALL", function, len(names), *names, *arguments)


async def wake(store: Store, agent: str, lost_after: float | None = None) -> int | None:
    """Count a wake-up; answers the number under which to queue a turn, or None when one runs or is queued already.

    A turn queued more than `lost_after` seconds ago, with nobody having begun it, is taken for lost and queued anew.
    """
    names = (store.keys.lane(agent), store.keys.lease(agent))
    patience = "" if lost_after is None else int(lost_after * 1000)
    number = await store.run("FCALL", "stoa_wake", len(names), *names, patience)
    return None if number is None else int(number)


async def queue(store: Store, cause: str, agent: str) -> None:
    """Let a background agent wait for a turn behind those that work for the same cause, and beside all others."""
    await store.run("FCALL", "stoa_queue", 1, store.keys.queue(), cause, agent)


async def next_in_queue(store: Store) -> str | None:
    """The background agent whose turn it is, the causes taking turns; None when nobody waits."""
    agent = await store.run("FCALL", "stoa_next", 1, store.keys.queue())
    return None if agent is None else agent.decode()


async def without_turn(store: Store, lost_after: float) -> list[str]:
    """The living agents that have no turn under way, and none that was queued within the last `lost_after` seconds."""
    keys = store.keys
    agents = [id.decode() for id in await store.run("SMEMBERS", keys.agents())]
    (seconds, micros), *found = await store.together(
        ["TIME"],
        *(["EXISTS", keys.lease(agent)] for agent in agents),
        *(["HGET", keys.lane(agent), "queued"] for agent in agents),
    )
    long_ago = int(seconds) * 1000 + int(micros) // 1000 - lost_after * 1000
    leases, queued = found[: len(agents)], found[len(agents) :]
    return [
        agent
        for agent, lease, since in zip(agents, leases, queued, strict=True)
        if not lease and float(since or "-inf") < long_ago
    ]
