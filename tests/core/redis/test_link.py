"""One connection for everybody: answers reach who asked, and nothing that happens to it mixes them up."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from hiredis import ReplyError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import StoreUnavailable
from core.redis.checks import check_server
from core.redis.link import Link, LinkLost
from core.redis.server import EmbeddedRedis
from core.redis.urls import parse
from core.store.errors import translated
from core.store.store import client
from tests.core.servers import certificate, server, tls_before


@pytest_asyncio.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with aclosing(Link(parse(redis_url))) as link:
        yield link


async def test_many_callers_at_once_each_get_their_own_answer(link: Link) -> None:
    asked = await asyncio.gather(*(link.ask(("ECHO", number), ("ECHO", -number)) for number in range(500)))

    assert asked == [[str(number).encode(), str(-number).encode()] for number in range(500)]


async def test_an_error_is_the_answer_to_its_own_command_only(link: Link) -> None:
    before, wrong, after = await link.ask(("ECHO", "one"), ("NONSENSE",), ("ECHO", "two"))

    assert (before, after) == (b"one", b"two")
    assert isinstance(wrong, ReplyError)


async def test_a_cancelled_caller_takes_no_answer_from_another(link: Link) -> None:
    asked = [asyncio.ensure_future(link.ask(("ECHO", number))) for number in range(100)]
    await asyncio.sleep(0)
    for task in asked[::3]:
        task.cancel()

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert all(
        isinstance(answer, asyncio.CancelledError) if number % 3 == 0 else answer == [str(number).encode()]
        for number, answer in enumerate(answers)
    )
    assert await link.ask(("ECHO", "next")) == [b"next"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.binary(max_size=40), st.sampled_from(["ask", "cancel", "kill"])), max_size=25))
async def test_whatever_is_cancelled_or_cut_off_answers_stay_with_their_questions(
    redis_url: str, steps: list[tuple[bytes, str]]
) -> None:
    async with aclosing(Link(parse(redis_url))) as link, aclosing(Link(parse(redis_url))) as other:
        asked = []
        for text, act in steps:
            if act == "kill":
                ((number,), *_) = [await link.ask(("CLIENT", "ID"))]
                await other.ask(("CLIENT", "KILL", "ID", number))
                continue
            task = asyncio.ensure_future(link.ask(("ECHO", text)))
            asked.append((text, act, task))
            await asyncio.sleep(0)
            if act == "cancel":
                task.cancel()
        for text, act, task in asked:
            if act == "ask":
                assert await task == [text]
        await asyncio.gather(*(task for *_, task in asked), return_exceptions=True)


async def test_what_had_no_answer_when_the_connection_was_cut_is_said_again(link: Link, redis_url: str) -> None:
    (number,) = await link.ask(("CLIENT", "ID"))
    async with aclosing(Link(parse(redis_url))) as other:
        asked = [asyncio.ensure_future(link.ask(("ECHO", one), ("CLIENT", "ID"))) for one in range(50)]
        await other.ask(("CLIENT", "KILL", "ID", number))

        answers = await asyncio.gather(*asked)

    assert [one for one, _ in answers] == [str(one).encode() for one in range(50)]
    assert await link.ask(("CLIENT", "ID")) != [number]


async def test_what_would_do_more_the_second_time_is_not_said_twice(link: Link, redis_url: str, namespace: str) -> None:
    (number,) = await link.ask(("CLIENT", "ID"))
    async with aclosing(Link(parse(redis_url))) as other:
        await other.ask(("CLIENT", "PAUSE", 10_000, "WRITE"))
        counting = asyncio.ensure_future(link.ask(("INCR", f"{namespace}:spaces")))
        while b"cmd=incr" not in (await other.ask(("CLIENT", "LIST")))[0]:
            await asyncio.sleep(0.01)
        await other.ask(("CLIENT", "KILL", "ID", number))
        await other.ask(("CLIENT", "UNPAUSE"))

        with pytest.raises(LinkLost):
            await counting


async def test_a_server_that_stands_still_for_a_while_mixes_nothing_up(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as embedded, aclosing(Link(parse(embedded.url))) as link:
        await link.ask(("PING",))
        os.kill(embedded.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await link.ask(("ECHO", "nobody waits for this"))
            asked = asyncio.ensure_future(link.ask(("ECHO", "this is waited for")))
            await asyncio.sleep(0)
        finally:
            os.kill(embedded.pid, signal.SIGCONT)

        assert await asked == [b"this is waited for"]


async def test_a_server_killed_while_many_write_is_found_again_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as embedded, aclosing(Link(parse(embedded.url))) as link:
        acknowledged: set[int] = set()

        async def write(first: int) -> None:
            for number in range(first, 2_000, 16):
                await link.ask(("SET", f"key:{number}", "value"))
                acknowledged.add(number)

        async with asyncio.TaskGroup() as group:
            for first in range(16):
                group.create_task(write(first))
            while len(acknowledged) < 200:
                await asyncio.sleep(0.001)
            os.kill(embedded.pid, signal.SIGKILL)
            await embedded.died()
            await embedded.restart()

        assert len(acknowledged) == 2_000
        assert await link.ask(("DBSIZE",)) == [2_000]


async def test_a_server_that_is_not_there_is_said_in_our_words() -> None:
    async with aclosing(client("redis://127.0.0.1:1")) as link:
        with pytest.raises(LinkLost) as lost:
            await link.ask(("PING",))

    assert isinstance(translated(lost.value), StoreUnavailable)


async def test_it_logs_in_as_an_acl_user_into_the_database_named(tmp_path: Path) -> None:
    users = ["--user", "stoa", "on", ">secret/:@", "~*", "&*", "+@all", "--user", "default", "off"]
    async with server(tmp_path, *users) as redis:
        url = f"redis://stoa:secret%2F%3A%40@127.0.0.1:{redis.port}/3"
        async with aclosing(client(url)) as link:
            who, listed = await link.ask(("ACL", "WHOAMI"), ("CLIENT", "LIST"))

            assert who == b"stoa"
            assert b"name=stoa" in listed
            assert b"db=3" in listed


async def test_a_wrong_password_is_said_at_once_and_not_shown(tmp_path: Path) -> None:
    async with server(tmp_path, "--requirepass", "right") as redis:
        async with aclosing(client(f"redis://:wr0ng@127.0.0.1:{redis.port}")) as link:
            with pytest.raises(ReplyError) as refused:
                await link.ask(("PING",))

        error = translated(refused.value)
        assert isinstance(error, StoreUnavailable)
        assert "password in REDIS_URL" in str(error)
        assert "wr0ng" not in str(error)


def test_a_search_that_took_too_long_is_no_fault_of_who_asked() -> None:
    error = translated(ReplyError("Timeout limit was reached"))  # as the search module says it
    assert isinstance(error, StoreUnavailable)
    assert "longer than Redis allows" in str(error)


async def test_it_speaks_tls_and_believes_only_a_certificate_it_was_told_to(tmp_path: Path) -> None:
    public, private = certificate(tmp_path)
    async with server(tmp_path / "redis") as redis, tls_before(redis, public, private) as port:
        url = f"rediss://localhost:{port}"
        async with aclosing(client(f"{url}?ssl_ca_certs={public}")) as link:
            assert (await check_server(link)).startswith("8.")
            assert await link.ask(("ECHO", "x" * 200_000)) == [b"x" * 200_000]
        async with aclosing(client(f"{url}?ssl_cert_reqs=none")) as link:
            assert await link.ask(("PING",)) == [b"PONG"]
        async with aclosing(client(url)) as link:
            with pytest.raises(LinkLost, match="certificate"):
                await link.ask(("PING",))
