"""What core writes can be read by its owner alone, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.house import open_house
from core.redis.server import EmbeddedRedis
from core.secrets.vault import Vault
from core.settings import load


@pytest.fixture(params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


async def test_every_file_of_a_home_is_its_owners_alone(tmp_path: Path, umask: None) -> None:
    home = tmp_path / "home"
    async with EmbeddedRedis(home) as server, open_house(load(home=home), server.url) as house:
        space = await house.spaces.create("notes")
        atom = await space.put("x")
        await house.attachments.attach(space, atom.id, "a.txt", b"text")
        await house.spaces.embed_waiting(["notes"])
        Vault(home).put("BANK", "hunter2-hunter2")
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".so"]
    assert len(files) >= 6
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
