"""Checks an export before anything of it is written."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson

from core.agents.agents import Agent
from core.agents.rights import Grant
from core.atoms.atoms import ATTACHMENTS_KEY, OWNER
from core.atoms.permissions import Permission
from core.atoms.validation import (
    check_attachments,
    checked_content,
    checked_id,
    checked_metadata,
    checked_moment,
    checked_principal,
    checked_references,
)
from core.backup.archive import (
    AgentLine,
    AtomLine,
    AttachmentLine,
    ChangeLine,
    CursorsLine,
    Header,
    Json,
    Line,
    Registry,
    RegistryLine,
    SpaceLine,
    read,
)
from core.backup.encoding import Pieces, entry, metadata_value, remembered, unkept, untold, utf8
from core.backup.exporting import CHANGE_FIELDS, NOT_EXPORTED, change_line, is_told
from core.errors import InvalidInput
from core.store.codec import milliseconds, read_change, read_time, read_version, unpack
from core.store.moving import MovingStore
from core.store.records import documents
from core.store.store import Argument, Store


@dataclass
class Contents:
    """The contents of a file, as found by reading all of it once."""

    header: Header
    ends: dict[str, ChangeLine] = field(default_factory=dict)
    """For each space its last change."""
    agents: dict[str, dict[str, object]] = field(default_factory=dict)
    grants: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Who else than the owner is given what, by each space, agent (`agent:` id) and the registry (`:registry`)."""
    counts: Counter[str] = field(default_factory=Counter)


def check(file: BinaryIO, registry: Registry) -> Contents:
    """Read a whole export without writing anything; raises `InvalidInput`."""
    lines = read(file)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise InvalidInput("That is no export of Stoa; make one with `stoa export`.")
    checking = _Checking(Contents(header), registry)
    for number, line in enumerate(lines, 2):
        try:
            checking.line(line)
        except InvalidInput as error:
            raise InvalidInput(f"Line {number} of the file is not what it must be: {error}.") from None
    contents = checking.contents
    if empty := sorted(checking.spaces - contents.ends.keys()):
        raise InvalidInput(f"The file has no changes of {', '.join(empty)}, so it is not as it was written.")
    return contents


class _Checking:
    """A file being read: what was found so far, and the space that its atoms and changes belong to."""

    def __init__(self, contents: Contents, registry: Registry) -> None:
        self.contents = contents
        self.spaces: set[str] = set()
        self._registry = registry
        self._pieces = Pieces()
        self._space = ""

    def line(self, line: Line) -> None:
        self.contents.counts[line.kind] += 1
        if isinstance(line, AtomLine | ChangeLine) and line.space != self._space:
            raise InvalidInput(f"it belongs to {line.space!r} and stands among what belongs to {self._space!r}")
        match line:
            case SpaceLine():
                _check_space(line, self.spaces - {self._space})
                self._space = line.name
                self.spaces.add(line.name)
                self.contents.grants[line.name] = _shared(line)
            case ChangeLine():
                self._change(line)
            case AtomLine():
                _check_atom(line)
            case AttachmentLine():
                self._pieces.add(line)
            case RegistryLine():
                self._space = ""  # the one before is complete
                self.contents.grants.setdefault(":registry", []).extend(self._registry.check(line))
            case CursorsLine():
                self._space = ""
            case AgentLine():
                self._space = ""
                self._agent(line)

    def _change(self, line: ChangeLine) -> None:
        _check_change(line)
        ends = self.contents.ends
        if line.space in ends and line.seq <= ends[line.space].seq:
            raise InvalidInput(f"change {line.seq} comes after {ends[line.space].seq}")
        ends[line.space] = line

    def _agent(self, line: AgentLine) -> None:
        checked_principal(line.id)
        if line.record.get("id") != line.id:
            raise InvalidInput(f"the record of the agent {line.id!r} is another's")
        with _readable(f"the record of the agent {line.id!r}"):
            Agent.model_validate(line.record)
        _check_rights(line)
        self.contents.agents[line.id] = line.record
        self.contents.grants[f"agent:{line.id}"] = _given(line)


def _check_space(space: SpaceLine, before: Iterable[str]) -> None:
    if space.name in before:
        raise InvalidInput(f"the space {space.name!r} stands in it twice")
    if "creator" not in space.fields or any(NOT_EXPORTED.fullmatch(name) for name in space.fields):
        raise InvalidInput(f"what it says of the space {space.name!r} is not what an export says of one")
    for who, grants in space.grants.items():
        checked_principal(who)
        for grant in grants:
            if not 1 <= grant[1] <= 4:
                raise InvalidInput(f"{grant} is no grant in {space.name!r}")
    checked_content(space.fields.get("description", ""))
    for who, policy in space.subscribers.items():
        checked_principal(who)
        with _readable(f"how {who!r} wants to be told of changes"):
            _check_subscription(untold(policy))


def _check_subscription(policy: str | bytes) -> None:
    if policy in ("now", "never"):
        return
    wake, wanted = unpack(utf8(policy))
    if wake not in (b"now", b"never") and not wake > 0:
        raise ValueError
    for words in wanted:
        _check_words(words)


def _check_atom(atom: AtomLine) -> None:
    checked_id(atom.id)
    if "/" in atom.id or "#" in atom.id:
        raise InvalidInput(f"{atom.id!r} cannot be an atom's id; no id has a / or a # in it")
    checked_content(atom.content)
    checked_references(atom.references)
    _check_metadata(atom.metadata)
    if [past.version for past in atom.history] != list(range(1, atom.version + 1)):
        raise InvalidInput(f"the history of {atom.id!r} does not lead to its version {atom.version}")
    for past in atom.history:
        checked_references(past.references)
        _check_metadata(past.metadata)
        with _readable(f"version {past.version} of {atom.id!r}"):
            read_version(remembered(past))
    if taken := [name for name in atom.more if is_told(name)]:
        raise InvalidInput(f"{atom.id!r} brings fields that the store makes itself: {', '.join(taken)}")
    with _readable(f"what else it says of {atom.id!r}"):
        for moment in (atom.created, atom.updated):
            read_time(b"%d" % milliseconds(moment))
        for name, value in atom.more.items():
            _check_kept(name, unkept(value))


def _check_kept(name: str, value: bytes) -> None:
    """Raises an error for a field that the Function library could not read."""
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
    if taken := [name for name in change.more if name in CHANGE_FIELDS]:
        raise InvalidInput(f"change {change.seq} says twice: {', '.join(taken)}")
    with _readable(f"change {change.seq}"):
        read_change(change.space, (b"%d-0" % change.seq, [utf8(part) for part in entry(change)[1:]]))
        if "w" in change.more:
            _check_words(unpack(utf8(untold(change.more["w"]))))


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        raise InvalidInput(f"{what} cannot be read") from None


def _shared(space: SpaceLine) -> list[tuple[str, str]]:
    return [
        (who, f"{Permission(grant[1])} on {space.name!r}")
        for who, grants in space.grants.items()
        for grant in grants
        if who != OWNER.id
    ]


def _given(agent: AgentLine) -> list[tuple[str, str]]:
    """Its tools, secrets and models; its rights in spaces are told with the spaces."""
    grants = [Grant.read(given.encode()) for name, given in agent.rights.items() if name.startswith("g:")]
    return [(agent.id, grant.words()) for grant in grants if grant.kind != "space" and not grant.ended]


def _check_rights(agent: AgentLine) -> None:
    with _readable(f"what the agent {agent.id!r} was given"):
        for name, given in agent.rights.items():
            if name.startswith("g:") and Grant.read(given.encode()).to != agent.id:
                raise InvalidInput(f"a grant of the agent {agent.id!r} is another's")


def _check_metadata(metadata: Mapping[str, Json | None]) -> None:
    for key, value in metadata.items():
        if isinstance(value, dict):
            checked_moment(value.get("time", ""), f"metadata {key!r}")
    checked_metadata(
        {key: None if one is None else metadata_value(one) for key, one in metadata.items() if key != ATTACHMENTS_KEY}
    )
    if metadata.get(ATTACHMENTS_KEY) is not None:
        check_attachments(metadata[ATTACHMENTS_KEY])


async def already_there(store: Store, contents: Contents) -> set[str]:
    """The spaces of the file that the store has already, perhaps further on.

    Raises `InvalidInput` where it has another space or agent of the same name.
    """
    moving, names = MovingStore(store), list(contents.ends)
    ends = [contents.ends[name].seq for name in names]
    commands: list[Sequence[Argument]] = [moving.exists_command(name) for name in names]
    commands += [store.reading("stoa_changes", name, OWNER.id, at - 1, 1) for name, at in zip(names, ends, strict=True)]
    stored = await store.answers(*commands)  # where there is no such space it has no changes
    there, others = set(), []
    for name, exists, entries in zip(names, stored[: len(names)], stored[len(names) :], strict=True):
        if exists and entries and change_line(name, entries[0]) == contents.ends[name]:
            there.add(name)
        elif exists:
            others.append(name)
    records = await documents(store, [store.keys.agent(id) for id in contents.agents])
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


async def new_rights(store: Store, registry: Registry, contents: Contents, there: set[str]) -> dict[str, list[str]]:
    """The rights that the file would give, in words, by holder; without spaces in `there` and agents that exist."""
    records = await documents(store, [store.keys.agent(id) for id in contents.agents])
    known = {f"agent:{id}" for id, record in zip(contents.agents, records, strict=True) if record is not None}
    known |= {":registry"} if await registry.in_use(store) else set()
    given: dict[str, list[str]] = {}
    for where, grants in sorted(contents.grants.items()):
        for who, words in grants if where not in known | there else ():
            given.setdefault(who, []).append(words)
    return given
