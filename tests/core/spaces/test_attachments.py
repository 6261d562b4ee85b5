"""Attachments: bytes kept once, read by whoever may read the atom, their text made findable, damaged ones harmless."""

import asyncio
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.atoms.atoms import Principal
from core.errors import InvalidInput, NotFound, PermissionDenied, StoreUnavailable
from core.house import House
from core.search.extraction import text_in
from core.spaces.spaces import Space
from core.store.files import MAX_FILE_BYTES, Files

BOT = Principal("bot")


def pdf(*pages: str) -> bytes:
    """A PDF of these pages of text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = "BT /F1 12 Tf 50 700 Td " + " T* ".join(f"({line}) Tj" for line in text.splitlines()) + " ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {len(objects)} 0 R /Resources "
            "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    for number, text in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{text}\nendobj\n".encode())
    start = out.tell()
    out.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode())
    out.write("".join(f"{place:010} 00000 n \n" for place in places).encode())
    out.write(f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode())
    return out.getvalue()


@pytest.fixture
async def space(house: House) -> Space:
    return await house.spaces.create("notes")


async def test_a_file_is_attached_and_read_again(house: House, space: Space) -> None:
    atom = await space.put("the plan")
    changed = await house.attachments.attach(space, atom.id, "docs/plan.md", b"# Plan\n")
    (one,) = changed.attachments
    assert (one.name, one.media_type, one.size) == ("plan.md", "text/markdown", 7)
    assert one.sha256 == hashlib.sha256(b"# Plan\n").hexdigest()
    assert changed.metadata == {}
    assert await house.attachments.read(space, atom.id, "plan.md") == b"# Plan\n"
    assert (await space.history(atom.id))[-1].comment == "attached plan.md"
    with pytest.raises(NotFound, match=r"carries plan\.md"):
        await house.attachments.read(space, atom.id, "other.md")


async def test_an_atom_is_put_with_its_files_and_their_text_is_found(house: House, space: Space) -> None:
    plan = await house.attachments.keep("plan.txt", b"we meet at the lighthouse")
    atom = await space.put("see the plan", attachments=[plan], operation="once")
    assert atom.attachments == (plan,)
    assert await space.get(atom.id) == atom
    assert [change.operation for change in await space.changes() if change.atom] == ["put"]
    assert await house.attachments.read(space, atom.id, "plan.txt") == b"we meet at the lighthouse"
    (found,) = await space.search("lighthouse")
    assert found.passage
    assert found.passage.file == "plan.txt"


async def test_metadata_cannot_claim_a_file(house: House, space: Space) -> None:
    secret = await house.attachments.files.put(b"secret")
    with pytest.raises(InvalidInput, match="kept by the store"):
        await space.put("mine", metadata={"attachments": [f"{secret} 6 text/plain a.txt"]})
    atom = await space.put("mine")
    with pytest.raises(InvalidInput, match="kept by the store"):
        await space.update(atom.id, comment="x", metadata={"attachments": [f"{secret} 6 text/plain a.txt"]})


async def test_a_file_is_read_and_attached_with_the_rights_on_its_atom(house: House, space: Space) -> None:
    atom = await space.put("the plan")
    await house.attachments.attach(space, atom.id, "plan.md", b"# Plan")
    theirs = house.spaces.open("notes", BOT)
    with pytest.raises(NotFound):
        await house.attachments.read(theirs, atom.id, "plan.md")
    await space.share("bot", "read")
    assert await house.attachments.read(theirs, atom.id, "plan.md") == b"# Plan"
    with pytest.raises(PermissionDenied):
        await house.attachments.attach(theirs, atom.id, "other.md", b"")


async def test_the_same_bytes_are_kept_once(house: House, space: Space) -> None:
    for name in ("a.txt", "b.txt"):
        atom = await space.put(name)
        await house.attachments.attach(space, atom.id, name, b"the same")
    kept = [file for file in (house.settings.home / "files").rglob("*") if file.is_file() and file.suffix != ".txt"]
    assert len(kept) == 1


async def test_files_attached_at_once_are_all_there(house: House, space: Space) -> None:
    atom = await space.put("photos")
    spaces = [house.spaces.open("notes") for _ in range(8)]
    await asyncio.gather(
        *(house.attachments.attach(one, atom.id, f"{n}.bin", bytes([n])) for n, one in enumerate(spaces))
    )
    assert sorted(one.name for one in (await space.get(atom.id)).attachments) == [f"{n}.bin" for n in range(8)]
    await house.attachments.detach(house.spaces.open("notes"), atom.id, "3.bin")
    assert len((await space.get(atom.id)).attachments) == 7


async def test_what_cannot_be_attached_is_refused_in_a_sentence(house: House, space: Space) -> None:
    atom = await space.put("x")
    with pytest.raises(InvalidInput, match="an attachment holds"):
        await house.attachments.attach(space, atom.id, "big", bytes(MAX_FILE_BYTES + 1))
    for name in ("", "..", "a\nb", "x" * 300, "dir/"):
        with pytest.raises(InvalidInput, match="cannot be a file's name"):
            await house.attachments.attach(space, atom.id, name, b"")


@pytest.mark.parametrize(
    "media_type, data, words",
    [
        ("text/plain", "\ufeffGrüße\x00".encode(), "Grüße"),
        ("text/csv", b"name,age\nAna,7\n", "Ana,7"),
        ("application/json", b'{"who": "Ana"}', "Ana"),
        ("text/html", b"<script>x()</script><table><tr><td>Ana</td><td>7</td></tr></table>", "Ana"),
        ("application/pdf", pdf("The first page.", "Ana is seven."), "Ana is seven."),
    ],
)
async def test_text_is_found_in_files(media_type: str, data: bytes, words: str) -> None:
    text = await text_in(media_type, data)
    assert words in text
    assert "x()" not in text
    assert "\x00" not in text


async def test_a_damaged_file_does_not_lose_the_atom(house: House, space: Space) -> None:
    atom = await space.put("the contract with the plumber")
    with pytest.raises(InvalidInput, match="damaged"):
        await text_in("application/pdf", b"%PDF-1.4 and no more")
    await house.attachments.attach(space, atom.id, "contract.pdf", b"%PDF-1.4 and no more")
    await house.spaces.embed_waiting(["notes"])
    (found,) = await space.search("who mends pipes?")
    assert found.id == atom.id
    assert await house.attachments.read(space, atom.id, "contract.pdf") == b"%PDF-1.4 and no more"


async def test_a_file_damaged_where_it_is_kept_is_noticed_until_it_comes_again(house: House, space: Space) -> None:
    digest = await house.attachments.files.put(b"true")
    (house.settings.home / "files" / digest[:2] / digest).write_bytes(b"false")
    with pytest.raises(StoreUnavailable, match="damaged"):
        await house.attachments.files.get(digest)
    assert await house.attachments.files.put(b"true") == digest
    assert await house.attachments.files.get(digest) == b"true"


@dataclass
class FakeS3:
    """As much of S3 as files need, spoken over a socket: PUT, GET, HEAD of objects."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    signed: list[bool] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
                method, path, _ = first.split(" ")
                self.signed.append("aws4-hmac-sha256 credential=key/" in headers.get("authorization", ""))
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(self.answer(method, path.partition("?")[0], body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        if method == "PUT":
            self.objects[path] = body
            return b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\n\r\n'
        if path not in self.objects:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        data = self.objects[path]
        head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\nETag: "1"\r\n'
        head += "Last-Modified: Sun, 22 Nov 2026 14:00:00 GMT\r\n\r\n"
        return head.encode() + (b"" if method == "HEAD" else data)


@asynccontextmanager
async def fake_s3() -> AsyncIterator[FakeS3]:
    fake = FakeS3()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


async def test_files_can_be_kept_in_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_s3() as s3:
        for name, value in {"ENDPOINT": s3.url, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        files = Files(tmp_path, "s3://bucket/stoa")
        digest = await files.put(b"bytes")
        assert await files.get(digest) == b"bytes"
        assert await files.put(b"bytes") == digest
        assert s3.objects == {f"/bucket/stoa/{digest[:2]}/{digest}": b"bytes"}
        assert all(s3.signed)
        with pytest.raises(NotFound, match="s3://bucket/stoa"):
            await files.get("0" * 64)
    with pytest.raises(InvalidInput, match="STOA_FILES"):
        await Files(tmp_path, "ftp://x").put(b"")


async def test_a_file_that_comes_back_or_goes_with_a_version_is_searched_accordingly(house: House) -> None:
    space = await house.spaces.create("restored")
    atom = await space.put("a note")
    await house.attachments.attach(space, atom.id, "harbour.txt", b"The walrus eats cucumbers in the harbour.")
    await house.attachments.detach(space, atom.id, "harbour.txt")
    await space.restore(atom.id, 2)
    (found,) = await space.search("walrus cucumbers")
    assert found.passage
    assert found.passage.file == "harbour.txt"
    await space.restore(atom.id, 1)
    assert (await space.search("walrus cucumbers"))[0].passage is None


async def test_bytes_that_nobody_could_read_at_first_are_read_as_the_text_they_are(house: House, space: Space) -> None:
    data = b"The walrus eats cucumbers in the harbour."
    for name in ("harbour.bin", "harbour.html", "harbour.txt"):
        atom = await space.put(f"a note with {name}")
        await house.attachments.attach(space, atom.id, name, data)
        found = {one.passage.file for one in await space.search("walrus cucumbers") if one.passage}
        assert (name in found) == (name != "harbour.bin")


async def test_a_media_type_is_kept_without_its_parameters(house: House, space: Space) -> None:
    atom = await space.put("a note")
    changed = await house.attachments.attach(space, atom.id, "a.txt", b"abc", media_type="text/plain; charset=utf-8")
    assert [(one.name, one.media_type) for one in changed.attachments] == [("a.txt", "text/plain")]
    with pytest.raises(InvalidInput, match="no media type"):
        await house.attachments.attach(space, atom.id, "b.txt", b"abc", media_type="a kind of text")


async def test_nothing_is_kept_for_one_who_may_only_read(house: House, space: Space) -> None:
    atom = await space.put("a note")
    await space.share("bot", "read")
    with pytest.raises(PermissionDenied, match="needs write"):
        await house.attachments.attach(house.spaces.open("notes", BOT), atom.id, "a.txt", b"much")
    with pytest.raises(NotFound):
        await house.attachments.files.get(hashlib.sha256(b"much").hexdigest())


async def test_a_file_damaged_before_its_text_was_read_hinders_no_search(house: House, space: Space) -> None:
    atom = await space.put("the plan")
    changed = await house.attachments.attach(space, atom.id, "plan.txt", b"walrus")
    digest = changed.attachments[0].sha256
    (house.settings.home / "files" / digest[:2] / digest).write_bytes(b"rubbish")
    assert [one.id for one in await space.search("plan")] == [atom.id]


def test_only_threads_that_the_end_waits_for_answer(tmp_path: Path) -> None:
    answering = list[threading.Thread]()

    class Loop(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.Handle:  # type: ignore[override]
            answering.append(threading.current_thread())
            return super().call_soon_threadsafe(callback, *args, **options)

    async def work(files: Files) -> None:
        assert await files.get(await files.put(b"stock")) == b"stock"

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(work(Files(tmp_path)))
    assert answering
    assert not [thread for thread in answering if thread.daemon]
