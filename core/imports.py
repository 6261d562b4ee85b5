"""Import: an archive checked as a whole, then written; nobody sees a space before all of it is there."""

import base64
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO

import orjson

from core.agents import Agent
from core.archives import (
    AgentLine,
    AtomLine,
    AttachmentLine,
    ChangeLine,
    CursorsLine,
    Header,
    Json,
    Line,
    Past,
    RegistryLine,
    SpaceLine,
    read,
)
from core.atoms import ATTACHED, OWNER
from core.checks import (
    check_attachments,
    check_content,
    check_id,
    check_metadata,
    check_principal,
    checked_moment,
    checked_references,
)
from core.errors import InvalidInput
from core.exports import COUNTED, LOGGED, TOGETHER, change_line, is_told
from core.files import LARGEST, Files
from core.permissions import Permission
from core.records import documents
from core.registries import Models, check_registry, knows_anybody, restore_registries
from core.rights import Grant
from core.store import Argument, Store, metadata_patch, pack, read_change, read_time, read_version, unpack

Progress = Callable[[int], None]
"""Is told how many lines more are written."""
GRANT = [str, int, int, int, str]
"""Who gave it, the level, until when, whether to be passed on only, and its id."""


@dataclass
class Contents:
    """What a file holds, found out by reading all of it once."""

    header: Header
    ends: dict[str, ChangeLine] = field(default_factory=dict)
    """For each space its last change."""
    agents: dict[str, dict[str, object]] = field(default_factory=dict)
    grants: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Who else than the owner is given what, by each space, agent (`agent:` id) and the people known (`:people`)."""
    counts: Counter[str] = field(default_factory=Counter)


def check(file: BinaryIO, models: Models) -> Contents:
    """Read a whole export without writing anything; raises `InvalidInput` for what cannot be imported.

    `models` are those of the records that only channels know.
    """
    lines = read(file)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise InvalidInput("That is no export of Stoa; make one with `stoa export`.")
    contents = Contents(header)
    space, pieces = "", _Pieces()
    spaces: set[str] = set()
    for number, line in enumerate(lines, 2):
        contents.counts[line.kind] += 1
        if isinstance(line, AgentLine | CursorsLine | RegistryLine):
            space = ""  # the one before is complete
        try:
            if isinstance(line, SpaceLine):
                _check_space(line, spaces - {space})
                space = line.name
                spaces.add(space)
                contents.grants[space] = _shared(line)
            elif isinstance(line, AtomLine | ChangeLine) and line.space != space:
                raise InvalidInput(f"it belongs to {line.space!r} and stands among what belongs to {space!r}")
            if isinstance(line, ChangeLine):
                _check_change(line)
                if space in contents.ends and line.seq <= contents.ends[space].seq:
                    raise InvalidInput(f"change {line.seq} comes after {contents.ends[space].seq}")
                contents.ends[space] = line
            elif isinstance(line, AtomLine):
                _check_atom(line)
            elif isinstance(line, AttachmentLine):
                pieces.add(line)
            elif isinstance(line, RegistryLine):
                check_registry(line, models)
                contents.grants.setdefault(":people", []).extend(_spoken(line))
            elif isinstance(line, AgentLine):
                check_principal(line.id)
                if line.record.get("id") != line.id:
                    raise InvalidInput(f"the record of the agent {line.id!r} is another's")
                with _readable(f"the record of the agent {line.id!r}"):
                    Agent.model_validate(line.record)
                _check_rights(line)
                contents.agents[line.id] = line.record
                contents.grants[f"agent:{line.id}"] = _given(line)
        except InvalidInput as error:
            raise InvalidInput(f"Line {number} of the file is not what it must be: {error}.") from None
    if empty := sorted(spaces - contents.ends.keys()):
        raise InvalidInput(f"The file has no changes of {', '.join(empty)}, so it is not as it was written.")
    return contents


def _check_space(space: SpaceLine, before: Iterable[str]) -> None:
    if space.name in before:
        raise InvalidInput(f"the space {space.name!r} stands in it twice")
    if "creator" not in space.fields or any(COUNTED.fullmatch(name) for name in space.fields):
        raise InvalidInput(f"what it says of the space {space.name!r} is not what an export says of one")
    for who, grants in space.grants.items():
        check_principal(who)
        for grant in grants:
            if [type(one) for one in grant] != GRANT[: len(grant)] or len(grant) < 2 or not 1 <= int(grant[1]) <= 4:
                raise InvalidInput(f"{grant} is no grant in {space.name!r}")
    check_content(space.fields.get("description", ""))
    for who, policy in space.subscribers.items():
        check_principal(who)
        with _readable(f"how {who!r} wants to be told of changes"):
            _check_subscription(_untold(policy))


def _check_subscription(policy: str | bytes) -> None:
    if policy in ("now", "never"):
        return
    wake, wanted = unpack(_utf8(policy))
    if wake not in (b"now", b"never") and not wake > 0:
        raise ValueError
    for words in wanted:
        _check_words(words)


def _check_atom(atom: AtomLine) -> None:
    check_id(atom.id)
    if "/" in atom.id or "#" in atom.id:
        raise InvalidInput(f"{atom.id!r} cannot be an atom's id; no id has a / or a # in it")
    check_content(atom.content)
    checked_references(atom.references)
    _check_metadata(atom.metadata)
    if [past.version for past in atom.history] != list(range(1, atom.version + 1)):
        raise InvalidInput(f"the history of {atom.id!r} does not lead to its version {atom.version}")
    for past in atom.history:
        checked_references(past.references)
        _check_metadata(past.metadata)
        with _readable(f"version {past.version} of {atom.id!r}"):
            read_version(_remembered(past))
    if taken := [name for name in atom.more if is_told(name)]:
        raise InvalidInput(f"{atom.id!r} brings fields that the store makes itself: {', '.join(taken)}")
    with _readable(f"what else it says of {atom.id!r}"):
        for moment in (atom.created, atom.updated):
            read_time(b"%d" % _milliseconds(moment))
        for name, value in atom.more.items():
            _check_kept(name, _unkept(value))


def _check_kept(name: str, value: bytes) -> None:
    """Raises an error for a field of an atom that the Function library could not read."""
    match name:
        case "cl":  # a claim: whose, its cause, and what was before
            owner, root, depth, before = unpack(value)
            _check_words([owner, root])
            int(depth)
            for key, was, words, number in before:
                _check_words([key, *words, *([was] if was else [])])
                if number is not False:
                    raise ValueError
        case "hc":  # which versions brought a content
            for version in unpack(value):
                int(version)


def _check_words(words: Sequence[bytes]) -> None:
    for word in words:
        word.decode()


def _check_change(change: ChangeLine) -> None:
    if taken := [name for name in change.more if name in LOGGED]:
        raise InvalidInput(f"change {change.seq} says twice: {', '.join(taken)}")
    with _readable(f"change {change.seq}"):
        read_change(change.space, (b"%d-0" % change.seq, [_utf8(part) for part in _entry(change)[1:]]))
        if "w" in change.more:
            _check_words(unpack(_utf8(_untold(change.more["w"]))))


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    """Raises `InvalidInput` where the store would keep something that nobody could read again."""
    try:
        yield
    except InvalidInput:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise InvalidInput(f"{what} cannot be read") from None


def _shared(space: SpaceLine) -> list[tuple[str, str]]:
    return [
        (who, f"{Permission(int(grant[1]))} on {space.name!r}")
        for who, grants in space.grants.items()
        for grant in grants
        if who != OWNER.id
    ]


def _spoken(line: RegistryLine) -> list[tuple[str, str]]:
    """Whose words are heard: an account's as a person's, a room's as those of everybody in it."""
    rooms = [(line.id, "to speak as a room")] if line.of == "room" else []
    return [*rooms, *((account, f"to speak as {person}") for account, person in line.fields.items())]


def _given(agent: AgentLine) -> list[tuple[str, str]]:
    """Its tools, secrets and models; what it may do in spaces is told with the spaces."""
    grants = [Grant.read(given.encode()) for name, given in agent.rights.items() if name.startswith("g:")]
    return [(agent.id, grant.words()) for grant in grants if grant.kind != "space" and not grant.ended]


def _check_rights(agent: AgentLine) -> None:
    with _readable(f"what the agent {agent.id!r} was given"):
        for name, given in agent.rights.items():
            if name.startswith("g:") and Grant.read(given.encode()).to != agent.id:
                raise InvalidInput(f"a grant of the agent {agent.id!r} is another's")


def _check_metadata(metadata: Mapping[str, Json | None]) -> None:
    """Raises `InvalidInput` for metadata that the store could not have."""
    for key, value in metadata.items():
        if isinstance(value, dict):
            checked_moment(value.get("time", ""), f"metadata {key!r}")
    check_metadata({key: None if one is None else _value(one) for key, one in metadata.items() if key != ATTACHED})
    if metadata.get(ATTACHED) is not None:
        check_attachments(metadata[ATTACHED])


class _Pieces:
    """Attached files, put together from the lines that carry them."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, line: AttachmentLine) -> bytes | None:
        """The whole file with its last piece, None before; raises `InvalidInput` if it is not what its hash says."""
        self._data += _bytes(line.data)
        if len(self._data) > LARGEST:
            raise InvalidInput(f"the attached file {line.sha256[:12]} has more than {LARGEST:,} bytes")
        if not line.last:
            return None
        data, self._data = self._data, b""
        if line.missing:
            return None
        if hashlib.sha256(data).hexdigest() != line.sha256:
            raise InvalidInput(f"the attached file {line.sha256[:12]} is damaged")
        return data


async def already_there(store: Store, contents: Contents) -> set[str]:
    """The spaces of the file that the store has already, perhaps further on.

    Raises `InvalidInput` where it has another space or agent of the same name.
    """
    keys, names = store.keys, list(contents.ends)
    ends = [contents.ends[name].seq for name in names]
    commands: list[Sequence[Argument]] = [["HEXISTS", keys.space(name), "creator"] for name in names]
    commands += [store.reading("stoa_changes", name, OWNER.id, at - 1, 1) for name, at in zip(names, ends, strict=True)]
    stored = await store.answers(*commands)  # where there is no such space it has no changes
    there, others = set(), []
    for name, exists, entries in zip(names, stored[: len(names)], stored[len(names) :], strict=True):
        if exists and entries and change_line(name, entries[0]) == contents.ends[name]:
            there.add(name)
        elif exists:
            others.append(name)
    records = await documents(store, [keys.agent(id) for id in contents.agents])
    strangers = [
        id
        for (id, record), found in zip(contents.agents.items(), records, strict=True)
        if found is not None and (born := orjson.loads(found)).get("created") != record.get("created") and born
    ]
    if others or strangers:
        what = [f"space{'s' * (len(others) > 1)} {', '.join(others)}"] if others else []
        what += [f"agent{'s' * (len(strangers) > 1)} {', '.join(strangers)}"] if strangers else []
        raise InvalidInput(
            f"Nothing was imported, since there is already another {' and '.join(what)} here. Import into an empty "
            "Stoa (STOA_HOME=... stoa import), or export only the spaces that are missing here."
        )
    return there


async def new_rights(store: Store, contents: Contents, there: set[str]) -> dict[str, list[str]]:
    """Whom the file would give what, in words, without the spaces in `there` and the agents that are here already."""
    records = await documents(store, [store.keys.agent(id) for id in contents.agents])
    known = {f"agent:{id}" for id, record in zip(contents.agents, records, strict=True) if record is not None}
    known |= {":people"} if await knows_anybody(store) else set()
    given: dict[str, list[str]] = {}
    for where, grants in sorted(contents.grants.items()):
        for who, words in grants if where not in known | there else ():
            given.setdefault(who, []).append(words)
    return given


async def restore(store: Store, files: Files, lines: Iterable[Line], there: set[str], progress: Progress) -> None:
    """Write what a checked file holds, except the spaces in `there`; cut off and begun again it becomes whole.

    A space is seen by nobody before all of it and its files are written.
    """
    batch, pieces = _Batch(store), _Pieces()
    registered: list[RegistryLine] = []
    space: SpaceLine | None = None
    last = 0
    for line in lines:
        if isinstance(line, AtomLine | ChangeLine):
            last = line.seq if isinstance(line, ChangeLine) else last
            if space:
                await batch.add(line)
            progress(1)
            continue
        if isinstance(line, SpaceLine) and space and line.name == space.name:
            space = line
            continue
        if isinstance(line, AttachmentLine):
            if (data := pieces.add(line)) is not None:
                await files.put(data)
            continue
        if space:
            await batch.flush()
            await _open(store, space, last)
        space, last = None, 0
        if isinstance(line, SpaceLine) and line.name not in there:
            space = line
            await store.run("FCALL", "stoa_move_begin", 1, store.keys.space(line.name), store.now())
        elif isinstance(line, AgentLine):
            await _restore_agent(store, line)
        elif isinstance(line, CursorsLine):
            await _restore_cursors(store, line)
        elif isinstance(line, RegistryLine):
            registered.append(line)
    if space:
        await batch.flush()
        await _open(store, space, last)
    if registered and not await knows_anybody(store):
        await restore_registries(store, registered)


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
        if len(self._atoms) >= TOGETHER or len(self._changes) >= 8 * TOGETHER:
            await self.flush()

    async def flush(self) -> None:
        if self._atoms:
            await self._store.together(*self._atoms)
        if self._changes:
            key = self._store.keys.space(self._changes[0].space)
            entries = pack([_entry(change) for change in self._changes])
            await self._store.run("FCALL", "stoa_move_changes", 1, key, self._store.now(), entries)
        self._atoms, self._changes = [], []


def _written(store: Store, atom: AtomLine) -> list[Argument]:
    patch = metadata_patch({key: _value(value) for key, value in atom.metadata.items()})
    references = pack(atom.references) if atom.references else b""
    history = pack([_remembered(past) for past in atom.history])
    fields: dict[str, Argument] = {
        "sp": f"{atom.space}~" if atom.deprecated else atom.space,
        "c": atom.content,
        "ver": atom.version,
        "by": atom.author,
        "o": atom.origin.value,
        "ct": _milliseconds(atom.created),
        "t": _milliseconds(atom.updated),
        **{name: _unkept(value) for name, value in atom.more.items()},
    }
    flat = [part for pair in fields.items() for part in pair]
    key, lease = store.keys.space(atom.space), "" if atom.lease is None else atom.lease
    return ["FCALL", "stoa_move_atom", 1, key, store.now(), atom.id, patch, references, history, lease, *flat]


def _remembered(past: Past) -> bytes:
    patch = metadata_patch({key: None if one is None else _value(one) for key, one in past.metadata.items()})
    references = pack(past.references) if past.references else b""
    at = str(_milliseconds(past.at))
    told = (past.author, past.operation, past.comment, past.content)
    return pack([past.version, at, *told, patch, references, *past.rest])


def _entry(change: ChangeLine) -> list[str | bytes]:
    told = ("op", change.operation, "id", change.atom, "ver", str(change.version), "by", change.author)
    when = ("o", change.origin.value, "c", change.comment, "t", str(_milliseconds(change.at)))
    more = [part for name, value in change.more.items() for part in (name, _untold(value))]
    return [str(change.seq), *told, *when, "r", change.root, "d", str(change.depth), *more]


async def _open(store: Store, space: SpaceLine, last: int) -> None:
    """Let a space be seen: where to look comes first, then what is there."""
    keys = store.keys
    holders = [who for who in space.grants if who != "owner"]
    await store.together(
        ["SADD", keys.spaces(), space.name], *(["SADD", keys.held(who), space.name] for who in holders)
    )
    fields = [part for pair in {**space.fields, "seq": str(last)}.items() for part in pair]
    call = ("FCALL", "stoa_move_end", 1, keys.space(space.name), store.now())
    subscribers = {who: _untold(policy) for who, policy in space.subscribers.items()}
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


def _unkept(text: str) -> bytes:
    form, _, value = text.partition(":")
    return _bytes(value) if form == "base64" else value.encode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidInput("what should be base64 is not") from None


def _untold(text: str) -> str | bytes:
    return _unkept(text) if text.startswith("base64:") else text


def _utf8(part: str | bytes) -> bytes:
    return part.encode() if isinstance(part, str) else part


def _value(value: Json) -> Any:
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
