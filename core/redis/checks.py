"""Checks of a Redis: that Stoa can use it, and that it keeps what it is given."""

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiredis import ReplyError

from core.errors import StoreUnavailable
from core.redis.binaries import RUN_REDIS_ADVICE, SERVER_PACKAGE
from core.redis.cluster import Cluster
from core.redis.link import Argument, Link

KEEPING_POLICY = "noeviction"
FULL_SHARE = 0.9
"""Of its memory limit from which a Redis counts as nearly full."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The parts of INFO and COMMAND INFO that are checked."""

    info: dict[str, str]
    search: Sequence[Any]
    """What is known of FT.SEARCH and JSON.GET; empty entries for missing commands."""
    through_one_link: bool

    @property
    def version(self) -> str:
        return self.info.get("redis_version", "0")

    @property
    def embedded(self) -> bool:
        return SERVER_PACKAGE in self.info.get("executable", "")

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes used and the limit, 0 for none."""
        return int(self.info.get("used_memory", "0")), int(self.info.get("maxmemory", "0"))


async def read_facts(link: Link | Cluster) -> ServerFacts:
    sections = ("server", "memory")
    try:
        *told, search = await link.ask(
            *(("INFO", section) for section in sections), ("COMMAND", "INFO", "FT.SEARCH", "JSON.GET")
        )
    except (OSError, ReplyError) as error:
        told, search = [error], []
    for answer in (*told, search):
        if isinstance(answer, Exception):
            raise StoreUnavailable(
                f"Redis does not answer as it should: {str(answer).rstrip('.')}. Check REDIS_URL. {RUN_REDIS_ADVICE}"
            ) from answer
    lines = b"".join(told).decode(errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return ServerFacts({name: value for name, _, value in pairs}, search, isinstance(link, Link))


RULES: tuple[tuple[Callable[[ServerFacts], bool], str], ...] = (
    (
        lambda facts: int(facts.version.partition(".")[0]) < 7,
        f"This is Redis {{version}}, and Stoa needs 7 or newer, best 8. {RUN_REDIS_ADVICE}",
    ),
    (
        lambda facts: facts.info.get("redis_mode") == "cluster" and facts.through_one_link,
        "This Redis is a node of a cluster; set REDIS_URL=redis+cluster://host:port,host:port.",
    ),
    (
        lambda facts: facts.info.get("redis_mode") == "sentinel",
        "This is a Sentinel; set REDIS_URL=redis+sentinel://host:port,host:port/mastername.",
    ),
    (
        lambda facts: not facts.search[0],
        "This Redis {version} has no search (FT.SEARCH), which Stoa needs; Redis 8 and Redis Stack have it. "
        f"{RUN_REDIS_ADVICE}",
    ),
    (
        lambda facts: not facts.search[1],
        "This Redis {version} has no JSON documents (JSON.GET), which Stoa needs; Redis 8 and Redis Stack have them. "
        f"{RUN_REDIS_ADVICE}",
    ),
    (
        lambda facts: not facts.embedded and _evicts(facts),
        "This Redis deletes data when its memory is full (maxmemory-policy {policy}), so Stoa would lose what it is "
        "told. Set maxmemory-policy noeviction in its configuration, or in its provider's settings, and start again.",
    ),
    (
        lambda facts: facts.embedded and _evicts(facts),
        "The embedded Redis was set to delete data when its memory is full (maxmemory-policy {policy}). It is set back "
        "to noeviction. Some data may be gone; bring a backup back if so, and start again.",
    ),
)
"""The first rule that holds says why this Redis cannot be used."""


def _evicts(facts: ServerFacts) -> bool:
    return facts.info.get("maxmemory_policy", KEEPING_POLICY) != KEEPING_POLICY


async def check_server(link: Link | Cluster) -> str:
    """The version of this Redis. Raises `StoreUnavailable` with what to do if Stoa cannot use it, or it loses data."""
    facts = await read_facts(link)
    for breaks, problem in RULES:
        if breaks(facts):
            if facts.embedded:
                await link.ask(*keeping_commands())
            policy = facts.info.get("maxmemory_policy")
            raise StoreUnavailable(problem.format(policy=policy, version=facts.version))
    return facts.version


async def memory_trouble(link: Link | Cluster) -> str:
    """A sentence on a Redis whose memory is full or nearly so; empty if there is room."""
    facts = await read_facts(link)
    used, limit = facts.memory
    if not limit or used < FULL_SHARE * limit:
        return ""
    how = "set STOA_REDIS_BYTES to more and start again" if facts.embedded else "raise its maxmemory"
    state = "full: it takes no changes" if used >= limit else f"{used / limit:.0%} full"
    return (
        f"The memory of Redis is {state} ({used / 1e6:,.0f} of {limit / 1e6:,.0f} MB). Delete what you no longer need, "
        f"or {how}."
    )


def keeping_commands(limit: int = 0) -> list[tuple[Argument, ...]]:
    """The settings with which the embedded Redis deletes nothing, with at most `limit` bytes of memory."""
    return [
        ("CONFIG", "SET", "maxmemory", limit or default_limit()),
        ("CONFIG", "SET", "maxmemory-policy", KEEPING_POLICY),
    ]


def default_limit() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit
        total = min(total, int(CGROUP_LIMIT.read_text()))
    return total // 2
