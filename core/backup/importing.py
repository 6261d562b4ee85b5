"""Import: an archive checked as a whole, then written; nobody sees a space before all of it is there."""

from collections.abc import Callable, Iterable, Sequence

import orjson

from core.backup.archive import (
    AgentLine,
    AtomLine,
    AttachmentLine,
    ChangeLine,
    CursorsLine,
    Line,
    Registry,
    RegistryLine,
    SpaceLine,
)
from core.backup.encoding import Pieces, entry, metadata_value, remembered, unkept, untold
from core.backup.exporting import EXPORT_BATCH_ATOMS
from core.store.codec import metadata_patch, milliseconds, pack
from core.store.files import Files
from core.store.store import Argument, Store

Progress = Callable[[int], None]
"""Is told how many lines more are written."""


async def restore(
    store: Store, files: Files, lines: Iterable[Line], *, registry: Registry, there: set[str], progress: Progress
) -> None:
    """Write what a checked file holds, except the spaces in `there`; cut off and begun again it becomes whole.

    A space is seen by nobody before all of it and its files are written.
    """
    restoring = _Restoring(store, files, there)
    for line in lines:
        await restoring.line(line)
        if isinstance(line, AtomLine | ChangeLine):
            progress(1)
    await restoring.close_space()
    if restoring.registered and not await registry.in_use(store):
        await registry.restore(store, restoring.registered)


class _Restoring:
    """An import under way: the space that is being written, and what comes after all spaces."""

    def __init__(self, store: Store, files: Files, there: set[str]) -> None:
        self.registered: list[RegistryLine] = []
        self._store = store
        self._files = files
        self._there = there
        self._batch, self._pieces = _Batch(store), Pieces()
        self._space: SpaceLine | None = None
        self._last = 0

    async def line(self, line: Line) -> None:
        match line:
            case AtomLine() | ChangeLine():
                self._last = line.seq if isinstance(line, ChangeLine) else self._last
                if self._space:
                    await self._batch.add(line)
            case SpaceLine() if self._space and line.name == self._space.name:
                self._space = line
            case AttachmentLine():
                if (data := self._pieces.add(line)) is not None:
                    await self._files.put(data)
            case _:
                await self.close_space()
                await self._begin(line)

    async def _begin(self, line: Line) -> None:
        match line:
            case SpaceLine() if line.name not in self._there:
                self._space = line
                store = self._store
                await store.run("FCALL", "stoa_move_begin", 1, store.keys.space(line.name), store.now())
            case AgentLine():
                await _restore_agent(self._store, line)
            case CursorsLine():
                await _restore_cursors(self._store, line)
            case RegistryLine():
                self.registered.append(line)

    async def close_space(self) -> None:
        """Finish the space that is being written, and let it be seen."""
        if self._space:
            await self._batch.flush()
            await _open(self._store, self._space, self._last)
        self._space, self._last = None, 0


class _Batch:
    """Atoms and changes on their way into the store, many in one round trip."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._atoms: list[Sequence[Argument]] = []
        self._changes: list[ChangeLine] = []

    async def add(self, line: AtomLine | ChangeLine) -> None:
        if isinstance(line, ChangeLine):
            self._changes.append(line)
        else:
            self._atoms.append(_written(self._store, line))
        if len(self._atoms) >= EXPORT_BATCH_ATOMS or len(self._changes) >= 8 * EXPORT_BATCH_ATOMS:
            await self.flush()

    async def flush(self) -> None:
        if self._atoms:
            await self._store.together(*self._atoms)
        if self._changes:
            key = self._store.keys.space(self._changes[0].space)
            entries = pack([entry(change) for change in self._changes])
            await self._store.run("FCALL", "stoa_move_changes", 1, key, self._store.now(), entries)
        self._atoms, self._changes = [], []


def _written(store: Store, atom: AtomLine) -> list[Argument]:
    patch = metadata_patch({key: metadata_value(value) for key, value in atom.metadata.items()})
    references = pack(atom.references) if atom.references else b""
    history = pack([remembered(past) for past in atom.history])
    fields: dict[str, Argument] = {
        "sp": f"{atom.space}~" if atom.deprecated else atom.space,
        "c": atom.content,
        "ver": atom.version,
        "by": atom.author,
        "o": atom.origin.value,
        "ct": milliseconds(atom.created),
        "t": milliseconds(atom.updated),
        **{name: unkept(value) for name, value in atom.more.items()},
    }
    flat = [part for pair in fields.items() for part in pair]
    key, lease = store.keys.space(atom.space), "" if atom.lease is None else atom.lease
    return ["FCALL", "stoa_move_atom", 1, key, store.now(), atom.id, patch, references, history, lease, *flat]


async def _open(store: Store, space: SpaceLine, last: int) -> None:
    """Let a space be seen: where to look comes first, then what is there."""
    keys = store.keys
    holders = [who for who in space.grants if who != "owner"]
    await store.together(
        ["SADD", keys.spaces(), space.name], *(["SADD", keys.held(who), space.name] for who in holders)
    )
    fields = [part for pair in {**space.fields, "seq": str(last)}.items() for part in pair]
    call = ("FCALL", "stoa_move_end", 1, keys.space(space.name), store.now())
    subscribers = {who: untold(policy) for who, policy in space.subscribers.items()}
    await store.run(*call, pack(space.grants), pack(subscribers), *fields)
    await store.settle(space.name, background=True)  # what it refers to in other spaces


async def _restore_agent(store: Store, agent: AgentLine) -> None:
    keys = store.keys
    if await store.run("EXISTS", keys.agent(agent.id)):
        return
    ledger = [part for pair in agent.ledger.items() for part in pair]
    commands: list[Sequence[Argument]] = [["DEL", keys.session(agent.id), keys.ledger(agent.id)]]
    commands += [["RPUSH", keys.session(agent.id), *agent.session]] if agent.session else []
    commands += [["HSET", keys.ledger(agent.id), *ledger]] if ledger else []
    commands += [["SET", keys.label(agent.id), agent.label]] if agent.label else []
    rights = [part for pair in agent.rights.items() for part in pair]
    commands += [["HSET", keys.rights(agent.id), *rights]] if rights else []
    spent = [part for pair in agent.account.items() for part in pair]
    commands += [["HSET", keys.account(f"agent:{agent.id}"), *spent]] if spent else []
    await store.together(*commands)
    await store.run("JSON.SET", keys.agent(agent.id), "$", orjson.dumps(agent.record))
    if agent.record.get("status") == "alive":
        await store.run("SADD", keys.agents(), agent.id)


async def _restore_cursors(store: Store, line: CursorsLine) -> None:
    """A cursor that is here already stays: it is further on, or somebody else's."""
    key = store.keys.cursors(line.subscriber)
    commands: list[Sequence[Argument]] = [["HSETNX", key, space, seq] for space, seq in line.places.items()]
    await store.together(*commands)
