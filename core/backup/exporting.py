"""Export: spaces with all of their past, agents, and how far who has read, as the lines of an archive."""

import base64
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from typing import Any

import orjson

from core.atoms.atoms import ATTACHMENTS_KEY, OWNER, Origin, read_attachment
from core.backup.archive import (
    ATTACHMENT_LINE_BYTES,
    AgentLine,
    AtomLine,
    AttachmentLine,
    ChangeLine,
    CursorsLine,
    Header,
    Line,
    Past,
    RegistryLine,
    SpaceLine,
)
from core.errors import NotFound
from core.store.codec import read_change, read_references, read_time, unpack
from core.store.files import Files
from core.store.moving import MovingStore
from core.store.records import documents
from core.store.store import Store

EXPORT_BATCH_ATOMS = 64
"""Atoms read in one round trip."""
ATOM_LINE_FIELDS = ("ver", "c", "m", "f", "by", "o", "ct", "t", "sp")
DERIVED_FIELDS = ("w", "kv", "rt", "fs", "rs", "ra", "rp", "b", "v", "pn")
"""Fields that the store makes from the others; the number fields n0, n1 ... are too, and v1, v2 ..."""
CHANGE_FIELDS = ("op", "id", "ver", "by", "o", "c", "t", "r", "d")
NOT_EXPORTED = re.compile(r"seq|bytes|files|numbers|moving|moved|errand|own|vf|[neq]:.*", re.DOTALL)
"""Fields of a space that are not taken along: what counts its changes and turns, or serves its index."""

EXPORTED_ACCOUNT = re.compile(r"[ul][1-5]")
"""Fields of an agent's account that are taken along; what a running turn holds reserved stays with the turn."""


async def size(store: Store, names: Sequence[str]) -> int:
    """The number of changes of these spaces, to estimate how long an export takes."""
    return sum(await MovingStore(store).change_counts(names))


async def export(
    store: Store, files: Files, header: Header, registries: AsyncIterable[RegistryLine]
) -> AsyncIterator[Line]:
    """The lines of an export of the header's spaces with their files; one of everything has agents, cursors and the
    registries, too.

    Nothing is held up meanwhile: what changes while it is read is read again, until the atoms and the log agree.
    """
    yield header
    told: set[str] = set()
    for name in header.spaces:
        attached: dict[str, None] = {}
        async for line in _space(store, name):
            if isinstance(line, AtomLine):
                attached |= dict.fromkeys(_attached(line))
            yield line
        for digest in [one for one in attached if one not in told]:
            async for line in _file(files, digest):
                yield line
        told |= attached.keys()
    if header.everything:
        async for line in _agents(store):
            yield line
        async for registered in registries:
            yield registered


def _attached(atom: AtomLine) -> Iterator[str]:
    carried = [atom.metadata.get(ATTACHMENTS_KEY), *(past.metadata.get(ATTACHMENTS_KEY) for past in atom.history)]
    for found in carried:
        if isinstance(found, list):
            yield from (read_attachment(one).sha256 for one in found)


async def _file(files: Files, digest: str) -> AsyncIterator[AttachmentLine]:
    try:
        data = await files.get(digest)
    except NotFound:
        yield AttachmentLine(sha256=digest, last=True, missing=True, data="")
        return
    for start in range(0, max(1, len(data)), ATTACHMENT_LINE_BYTES):
        piece = base64.b64encode(data[start : start + ATTACHMENT_LINE_BYTES]).decode()
        yield AttachmentLine(sha256=digest, last=start + ATTACHMENT_LINE_BYTES >= len(data), data=piece)


async def _space(store: Store, name: str) -> AsyncIterator[Line]:
    yield (told := await _told_of(store, name))
    done = 0
    while changed := await _changed(store, name, done):
        done, ids = changed
        for start in range(0, len(ids), EXPORT_BATCH_ATOMS):
            for atom in await _atoms(store, name, ids[start : start + EXPORT_BATCH_ATOMS]):
                yield atom
        if (now := await _told_of(store, name)) != told:
            yield (told := now)
    after = 0
    while after < done:
        entries = await log_entries(store, name, after, min(500, done - after))
        if not entries:
            break
        for entry in entries:
            yield change_line(name, entry)
        after = _number(entries[-1])


async def _told_of(store: Store, name: str) -> SpaceLine:
    fields, grants, subscribers = await MovingStore(store).space(name)
    if b"creator" not in fields:
        raise NotFound(f"There is no space {name!r}; `stoa space list` shows those there are.")
    return SpaceLine(
        name=name,
        fields={key: value.decode() for key, value in _named(fields) if not NOT_EXPORTED.fullmatch(key)},
        grants={who.decode(): _text(unpack(given)) for who, given in sorted(grants.items())},
        subscribers={who.decode(): _told(policy) for who, policy in sorted(subscribers.items())},
    )


async def _changed(store: Store, name: str, after: int) -> tuple[int, list[str]] | None:
    """The newest change, and the atoms that changed after number `after`, in that order; None if none did."""
    found: dict[str, None] = {}
    last = after
    while entries := await log_entries(store, name, last, 1000):
        last = _number(entries[-1])
        found |= dict.fromkeys(fields[fields.index(b"id") + 1].decode() for _, fields in entries)
    return (last, [id for id in found if id]) if last > after else None


async def log_entries(store: Store, name: str, after: int, limit: int) -> list[Any]:
    return list(await store.run(*store.reading("stoa_changes", name, OWNER.id, after, limit)))


def _number(entry: Sequence[Any]) -> int:
    return int(entry[0].partition(b"-")[0])


async def _atoms(store: Store, space: str, ids: Sequence[str]) -> list[AtomLine]:
    stored = await MovingStore(store).atoms(space, ids)
    return [_atom(space, id, fields, history, lease) for id, fields, history, lease in stored if fields]


def _atom(space: str, id: str, fields: dict[bytes, bytes], history: Sequence[bytes], lease: bytes | None) -> AtomLine:
    known = {name: fields.get(name.encode(), b"") for name in ATOM_LINE_FIELDS}
    more = {name: _kept(value) for name, value in _named(fields) if not is_told(name)}
    return AtomLine(
        space=space,
        id=id,
        content=known["c"].decode(),
        metadata={key.decode(): orjson.loads(value) for key, value in sorted(unpack(known["m"]).items())}
        if known["m"]
        else {},
        references=dict(sorted(read_references(known["f"]).items())),
        version=int(known["ver"]),
        author=known["by"].decode(),
        origin=Origin(known["o"].decode()),
        created=read_time(known["ct"]),
        updated=read_time(known["t"]),
        deprecated=known["sp"].endswith(b"~"),
        more=more,
        lease=int(float(lease)) if lease is not None else None,
        history=[_past(entry) for entry in history],
    )


def is_told(name: str) -> bool:
    """True if a field of an atom is exported by itself, or made from others."""
    return name in (*ATOM_LINE_FIELDS, *DERIVED_FIELDS) or (name[:1] in ("n", "v") and name[1:].isdigit())


def _past(entry: bytes) -> Past:
    version, at, author, operation, comment, content, patch, references, origin = unpack(entry)
    changed = unpack(patch) if patch else []
    return Past(
        version=int(version),
        at=read_time(at),
        author=author.decode(),
        operation=operation.decode(),
        comment=comment.decode(),
        content=content.decode() if isinstance(content, bytes) else bool(content),
        metadata={key.decode(): orjson.loads(value) if value else None for key, value, *_ in changed},
        references=read_references(references or None),
        origin=origin.decode(),
    )


def change_line(space: str, entry: Sequence[Any]) -> ChangeLine:
    change, flat = read_change(space, entry), entry[1]
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return ChangeLine(
        space=space,
        seq=change.seq,
        operation=change.operation,
        atom=change.atom,
        version=change.version,
        author=change.author,
        origin=change.origin,
        comment=change.comment,
        at=change.at,
        root=change.cause.root,
        depth=change.cause.depth,
        more={name: _told(value) for name, value in _named(fields) if name not in CHANGE_FIELDS},
    )


async def _agents(store: Store) -> AsyncIterator[Line]:
    keys = store.keys
    for id in await store.names(keys.agent):
        (record,) = await documents(store, [keys.agent(id)])
        session, ledger, label, rights, account = await MovingStore(store).agent(id)
        if record is not None:
            known = orjson.loads(record)
            alive = known.get("status") == "alive"  # the account of one that has ended is about to go
            yield AgentLine(
                id=id,
                record=known,
                session=[message.decode() for message in session],
                ledger={atom.decode(): int(version) for atom, version in sorted(ledger.items())},
                label=(label or b"").decode(),
                rights={name: given.decode() for name, given in _named(rights)},
                account={
                    name: int(amount) for name, amount in _named(account) if alive and EXPORTED_ACCOUNT.fullmatch(name)
                },
            )
    for subscriber in await store.names(keys.cursors):
        places = await MovingStore(store).cursors(subscriber)
        yield CursorsLine(
            subscriber=subscriber, places={space.decode(): int(seq) for space, seq in sorted(places.items())}
        )


def _named(fields: dict[bytes, bytes]) -> list[tuple[str, bytes]]:
    return sorted((name.decode(), value) for name, value in fields.items())


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode() if isinstance(value, bytes) else value


def _kept(value: bytes) -> str:
    try:
        return "text:" + value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _told(value: bytes) -> str:
    """Text as it is; packed values, such as filtered subscriptions, in base64."""
    return _kept(value).removeprefix("text:")
