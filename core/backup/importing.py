"""Import: an archive checked as a whole, then written; nobody sees a space before all of it is there."""

from collections.abc import Callable, Iterable

from core.atoms.text import nfc
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
from core.store.moving import MovingStore
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
                await MovingStore(self._store).begin_space(line.name)
            case AgentLine():
                await _restore_agent(self._store, line)
            case CursorsLine():
                await MovingStore(self._store).begin_cursors(line.subscriber, line.places)
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
        self._moving = MovingStore(store)
        self._atoms: list[AtomLine] = []
        self._changes: list[ChangeLine] = []

    async def add(self, line: AtomLine | ChangeLine) -> None:
        if isinstance(line, ChangeLine):
            self._changes.append(line)
        else:
            self._atoms.append(line)
        if len(self._atoms) >= EXPORT_BATCH_ATOMS or len(self._changes) >= 8 * EXPORT_BATCH_ATOMS:
            await self.flush()

    async def flush(self) -> None:
        if self._atoms:
            await self._moving.write_atoms(self._atoms[0].space, [_written(atom) for atom in self._atoms])
        if self._changes:
            await self._moving.write_changes(self._changes[0].space, [entry(change) for change in self._changes])
        self._atoms, self._changes = [], []


def _written(atom: AtomLine) -> list[Argument]:
    patch = metadata_patch({nfc(key): metadata_value(value) for key, value in atom.metadata.items()})
    references = pack(atom.references) if atom.references else b""
    history = pack([remembered(past) for past in atom.history])
    fields: dict[str, Argument] = {
        "sp": f"{atom.space}~" if atom.deprecated else atom.space,
        "c": nfc(atom.content),
        "ver": atom.version,
        "by": atom.author,
        "o": atom.origin.value,
        "ct": milliseconds(atom.created),
        "t": milliseconds(atom.updated),
        **{name: unkept(value) for name, value in atom.more.items()},
    }
    flat = [part for pair in fields.items() for part in pair]
    return [atom.id, patch, references, history, "" if atom.lease is None else atom.lease, *flat]


async def _open(store: Store, space: SpaceLine, last: int) -> None:
    subscribers = {who: untold(policy) for who, policy in space.subscribers.items()}
    fields = {**space.fields, "seq": str(last)}
    await MovingStore(store).open_space(space.name, fields, space.grants, subscribers)


async def _restore_agent(store: Store, agent: AgentLine) -> None:
    moving, keys = MovingStore(store), store.keys
    if await moving.has_agent(agent.id):
        return
    await moving.write_fields(keys.ledger(agent.id), agent.ledger)
    await moving.write_fields(keys.rights(agent.id), agent.rights)
    await moving.write_fields(keys.account(f"agent:{agent.id}"), agent.account)
    await moving.write_agent(agent.record, agent.session, agent.label)
