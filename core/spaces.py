"""Spaces: shared, access-controlled, searchable stores of atoms. `Space` is one holder's handle on one of them."""

import itertools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.atoms import OWNER, Atom, Cause, Change, Origin, Principal, References, Value, Version, id_from, new_id
from core.checks import check_comment, check_content, check_metadata, checked_moment, checked_references
from core.claims import claim_patch, is_over
from core.clock import Clock
from core.embeddings import Embedder
from core.errors import Conflict, InvalidInput, NotFound
from core.finding import Asked, Finder
from core.labels import Label
from core.notifications import Notifications
from core.permissions import Permission
from core.search import Filter, States, check_limit
from core.store import (
    Argument,
    Store,
    json_of,
    metadata_patch,
    milliseconds,
    pack,
    read_atom,
    read_version,
)
from core.versions import State, changed, compare

PAGE = 100
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(slots=True)
class Actor:
    """On whose behalf a space is used: the principal, what caused it, and what a turn adds to that.

    The ledger holds the version of each atom the actor last saw, so that an update of something that has changed
    since is refused; `epoch` fences a worker that has lost its turn to another. The label is what an agent's session
    has read, and marks whatever it writes; people and the house have none.
    """

    principal: Principal
    cause: Cause = field(default_factory=Cause)
    epoch: int | None = None
    ledger: dict[str, int] = field(default_factory=dict)
    label: Label | None = None

    def saw(self, atom: Atom) -> None:
        """Remember that this actor has read the atom as it is now."""
        self.ledger[atom.ref] = atom.version
        if self.label:
            self.label.read(atom)

    @property
    def outside(self) -> bool:
        """Whether it is from outside, or has read what is from there."""
        return self.principal.origin is Origin.OUTSIDE or bool(self.label and self.label.outside)


class Spaces:
    """All spaces of one Stoa."""

    def __init__(
        self,
        store: Store,
        notifications: Notifications,
        clock: Clock,
        embedder: Embedder | None,
        contents_kept: int = 0,
    ) -> None:
        self.store = store
        self.notifications = notifications
        self.clock = clock
        self.contents_kept = contents_kept
        self.embedder = embedder
        """Without one, what is put is embedded by a worker, and a search goes by words."""
        self.finder = Finder(store, embedder)

    async def create(self, name: str, by: Principal | Actor = OWNER, description: str = "") -> "Space":
        """A new space, private to its creator; the same creator naming it again gets it as it is.

        Raises `InvalidInput` for a name that cannot be one or is taken by someone else.
        """
        if not NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot be a space's name: use 1 to 64 of a-z, 0-9, dot, dash and underscore")
        space = self.open(name, by)
        await self.store.run("SADD", self.store.keys.spaces(), name)  # where to look comes first, then what is there
        await self.store.run("SADD", self.store.keys.held(space.holder.id), name)
        await self.store.mutate("stoa_create", name, *space._call("", f"created {name}"), description)
        return space

    def open(self, name: str, holder: Principal | Actor = OWNER) -> "Space":
        """A handle on the space called `name`. What the holder may do there is checked at each use."""
        return Space(self, name, holder if isinstance(holder, Actor) else Actor(holder))

    async def held(self, principal: Principal = OWNER) -> dict[str, Permission]:
        """The spaces this principal may read at this moment, in alphabetical order, and what it may do in each."""
        names = await self._known(principal)
        levels = await self.store.together(*(self.store.reading("stoa_level", n, principal.id) for n in names))
        return {name: Permission(level) for name, (level, *_) in zip(names, levels, strict=True) if level}

    async def passable(self, principal: Principal = OWNER) -> dict[str, Permission]:
        """The most this principal may give to others at this moment, by space; it may hold that to pass on only."""
        names = await self._known(principal)
        levels = await self.store.together(*(self.store.reading("stoa_passable", n, principal.id) for n in names))
        return {name: Permission(level) for name, level in zip(names, levels, strict=True) if level}

    async def _known(self, principal: Principal) -> list[str]:
        """Where to look for what this principal holds."""
        keys = self.store.keys
        known = await self.store.run("SMEMBERS", keys.spaces() if principal == OWNER else keys.held(principal.id))
        return sorted(name.decode() for name in known)

    async def names(self, principal: Principal = OWNER) -> list[str]:
        """The names of the spaces this principal may read."""
        return list(await self.held(principal))

    async def search(
        self,
        holder: Principal | Actor,
        query: str = "",
        *,
        within: Sequence[str] | None = None,
        metadata: Filter | None = None,
        references: States | None = None,
        limit: int = 10,
        deprecated: bool = False,
    ) -> list[Atom]:
        """The atoms that fit best, over the named spaces or all that the holder may read.

        `query` is matched by meaning, and by the words in it that name something; without one the newest come first.
        `metadata` takes equality, membership (a list) and comparisons (`{"due": {"lt": moment}}`); `references` asks
        that all targets of a name be in a state (`{"blocked_by": {"status": "done"}}`), or `any` or `none` of them
        (`{"blocked_by": {"any": {"status": "stuck"}}}`).
        """
        actor = holder if isinstance(holder, Actor) else Actor(holder)
        names = list(within) if within is not None else await self.names(actor.principal)
        asked = Asked(query, metadata or {}, references or {}, limit, deprecated)
        atoms = await self.finder.find(actor.principal, names, asked) if names else []
        for atom in atoms:
            actor.saw(atom)
        return atoms

    async def embed_waiting(self, names: Sequence[str]) -> int:
        """Make the vectors that are still missing in these spaces; answers how many."""
        return await self.finder.embed_waiting(names)

    async def give_back(self, owner: Principal | None = None) -> None:
        """Give back what was claimed for a time that is over; or all that this owner, who is dead, has claimed."""
        if owner:
            await self.store.together(*(self.store.giving_back(name, owner.id) for name in await self._known(owner)))
            return
        names, now = await self._known(OWNER), self.store.now()
        counting: list[list[Argument]] = [["ZCOUNT", self.store.keys.claims(n), "-inf", now] for n in names]
        counts = await self.store.together(*counting)
        await self.store.together(*(self.store.giving_back(n) for n, c in zip(names, counts, strict=True) if c))


class Space:
    """One holder's handle on a space; it can do what its permission allows."""

    def __init__(self, spaces: Spaces, id: str, actor: Actor) -> None:
        self.id = id
        self.actor = actor
        self._spaces = spaces
        self._store = spaces.store

    @property
    def holder(self) -> Principal:
        """Who acts through this handle."""
        return self.actor.principal

    async def put(
        self,
        content: str,
        *,
        comment: str = "",
        metadata: Mapping[str, Value] | None = None,
        references: References | None = None,
        operation: str = "",
    ) -> Atom:
        """Add an atom; needs append. Without a comment its first words stand for one.

        `operation` names this very act: the same one twice is one atom.
        """
        check_content(content)
        check_metadata(metadata or {})
        wanted = {name: ids for name, ids in checked_references(references or {}).items() if ids}
        moment = self._spaces.clock.now()
        id = id_from(f"{self.id}/{operation}") if operation else new_id()
        call = self._call(operation or id, comment or first_words(content), moment)
        patch, targets = metadata_patch(metadata or {}), pack(wanted) if wanted else b""
        vector = await self._vector(content)
        _, done = await self._store.mutate("stoa_put", self.id, *call, id, content, vector, patch, targets)
        if done:
            return self._seen(id, done)
        self.actor.ledger[f"{self.id}/{id}"] = 1
        at = datetime.fromtimestamp(int(moment.timestamp() * 1000) / 1000, UTC)
        return Atom(
            id=id,
            space=self.id,
            content=content,
            metadata=dict(metadata or {}),
            references=wanted,
            author=self.holder.id,
            origin=self.holder.origin,
            created=at,
            updated=at,
            outside=self.actor.outside,
        )

    async def get(self, id: str) -> Atom:
        """The atom as it is now; needs read. Raises `NotFound`."""
        id = self._own(id)
        reading = self._store.reading("stoa_get", self.id, self.holder.id, id)
        atom = self._seen(id, await self._store.run(*reading))
        if is_over(atom, self._spaces.clock.now()):
            await self._store.run(*self._store.giving_back(self.id))
            atom = self._seen(id, await self._store.run(*reading))
        return atom

    async def find(self, operation: str) -> Atom | None:
        """What `put` with this operation put, if that was done; needs read."""
        try:
            return await self.get(id_from(f"{self.id}/{operation}")) if operation else None
        except NotFound:
            return None

    async def update(
        self,
        id: str,
        *,
        comment: str,
        content: str | None = None,
        replace: tuple[str, str] | None = None,
        metadata: Mapping[str, Value | None] | None = None,
        references: References | None = None,
        operation: str = "",
    ) -> Atom:
        """Change an atom; needs write. What is not given stays; None removes a metadata key, [] a reference name.

        `replace=(old, new)` changes a piece of long content that occurs exactly once. Raises `Conflict` if the atom
        has changed since this actor last saw it, saying how.
        """
        id = self._own(id)
        if content is not None and replace is not None:
            raise InvalidInput("give either the whole content or a piece to replace, not both")
        check_metadata(metadata or {})
        old, new = replace or ("", content or "")
        if replace is not None and not old:
            raise InvalidInput("the text to replace is empty; give a piece that occurs exactly once")
        check_content(new)
        targets = b"" if references is None else pack(checked_references(references))
        flags = "r" if replace else "c" if content is not None else ""
        flags += "f" if references is not None else ""
        vector = await self._vector(content) if content is not None else b""
        call = self._call(operation or new_id(), comment)
        return await self._revise(call, id, flags, new, old, vector, metadata_patch(metadata or {}), targets)

    async def deprecate(self, id: str, *, comment: str, operation: str = "") -> Atom:
        """Take an atom out of search; needs write. It stays readable by its id, with its history."""
        id = self._own(id)
        return await self._revise(self._call(operation or new_id(), comment), id, "d", check=False)

    async def claim(
        self,
        id: str,
        *,
        lease: float = 600,
        comment: str = "",
        metadata: Mapping[str, Value | None] | None = None,
        operation: str = "",
    ) -> Atom:
        """Take a pending task for yourself for `lease` seconds; needs write. Of several who try, one gets it.

        Its status becomes claimed, its owner you, and `lease` says until when; claim again to have it longer. Set its
        status when you are done. If you don't, it is pending again when the lease ends, or when you do. Raises
        `Conflict` if it is not pending or is another's.
        """
        id = self._own(id)
        call = self._call(operation or new_id(), comment or f"claimed by {self.holder}")
        patch, until = claim_patch(self.holder, self._spaces.clock.now(), lease, metadata or {})
        claim = (id, milliseconds(until), metadata_patch(patch), json_of(self.holder.id))
        _, fields = await self._store.mutate("stoa_claim", self.id, *call, *claim)
        return self._seen(id, fields)

    async def restore(self, id: str, version: int, comment: str = "", *, operation: str = "") -> Atom:
        """Make an atom again what it was at a version, as a new version; needs write. A deprecated one comes back."""
        id = self._own(id)
        call = self._call(operation or new_id(), comment or f"restored version {version}")
        old, now = await self._states(id, [version, None])
        self.actor.ledger.setdefault(f"{self.id}/{id}", now.version)
        content, metadata, references = old.kept(), now.metadata_to(old), now.references_to(old)
        flags = "ufc" if content != now.content else "uf"
        vector = await self._vector(content) if content != now.content else b""
        origin = (old.origin or Origin.OUTSIDE).value
        return await self._revise(
            call, id, flags, content, "", vector, metadata_patch(metadata), pack(references), origin=origin
        )

    async def search(
        self,
        query: str = "",
        *,
        metadata: Filter | None = None,
        references: States | None = None,
        limit: int = 10,
        deprecated: bool = False,
    ) -> list[Atom]:
        """`Spaces.search` in this space alone; needs read."""
        return await self._spaces.search(
            self.actor,
            query,
            within=[self.id],
            metadata=metadata,
            references=references,
            limit=limit,
            deprecated=deprecated,
        )

    async def history(self, id: str, limit: int = 100, before: int | None = None) -> list[Version]:
        """The newest `limit` versions of an atom, or of those before version `before`; oldest first; needs read."""
        id = self._own(id)
        check_limit(limit)
        first, last = (-limit, -1) if before is None else (max(0, before - 1 - limit), before - 2)
        if before is not None and last < 0:
            return []
        return await self._versions(id, first, last)

    async def compare(self, id: str, old: int, new: int | None = None) -> str:
        """What differs between two versions of an atom, as a unified diff; without `new`, up to now; needs read."""
        before, after = await self._states(self._own(id), [old, new])
        return compare(before, after)

    async def changes(self, after: int = 0, limit: int = 1000) -> list[Change]:
        """What changed in the space after change number `after`, oldest first; needs read."""
        return await self._spaces.notifications.changes(self.id, self.holder, after, limit)

    async def newest(self) -> int:
        """The number of the space's newest change; needs read."""
        return int(await self._store.run(*self._store.reading("stoa_newest", self.id, self.holder.id)))

    def follow(self, after: int = 0) -> AsyncIterator[Change]:
        """Every change after number `after`, then each new one as it happens; needs read."""
        return self._spaces.notifications.follow(self.id, self.holder, after)

    async def description(self) -> str:
        """The convention that holds in this space, in its own words; needs read."""
        text = await self._store.run(*self._store.reading("stoa_description", self.id, self.holder.id))
        return str((text or b"").decode())

    async def describe(self, description: str) -> None:
        """Say anew what convention holds here; needs grant."""
        await self._store.mutate("stoa_describe", self.id, *self._call("", "described"), description)

    async def permission(self) -> Permission:
        """What the holder may do here at this moment."""
        level, *_ = await self._store.run(*self._store.reading("stoa_level", self.id, self.holder.id))
        return Permission(level)

    async def share(
        self,
        principal: str,
        permission: Permission | str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
        comment: str = "",
    ) -> None:
        """Give someone a permission here; needs grant. It lasts while the giver's own right does, at most `until`.

        With `delegate` it may be passed on and not be used. A grant until a time, or to pass on only, lies beside a
        standing one; each new one replaces the giver's own of the same kind.
        """
        given = Permission.parse(permission)
        await self._share(principal, given, Permission.GRANT, comment, until=until, delegate=delegate)

    async def pass_on(
        self,
        child: str,
        permission: Permission | str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
    ) -> None:
        """Give an agent that one spawns no more than one holds, or may pass on, oneself; needs that permission."""
        level = Permission.parse(permission)
        comment = f"passed {level} on to {child}"
        await self._share(child, level, level, comment, until=until, delegate=delegate)

    async def revoke(self, principal: str, *, comment: str = "") -> None:
        """Take back what this holder gave; with grant, all that anyone gave."""
        await self._share(principal, Permission.NONE, Permission.READ, comment or f"took {principal}'s access back")

    async def subscribe(self) -> None:
        """Be told of changes from now on; needs read. An agent gets a turn for each."""
        seq = await self._subscribe("now")
        await self._store.run("HSETNX", self._store.keys.cursors(self.holder.id), self.id, seq)

    async def unsubscribe(self) -> None:
        """Be told no more."""
        await self._subscribe("")
        await self._store.run("HDEL", self._store.keys.cursors(self.holder.id), self.id)

    async def _subscribe(self, policy: str) -> int:
        key = self._store.keys.space(self.id)
        call = ("FCALL", "stoa_subscribe", 1, key, self.holder.id, self._store.now(), policy)
        return int(await self._store.run(*call))

    async def _share(
        self,
        principal: str,
        given: Permission,
        needed: Permission,
        comment: str,
        *,
        until: datetime | str | None = None,
        delegate: bool = False,
    ) -> None:
        if not principal or principal == OWNER.id:
            raise InvalidInput("the owner holds every space already; name another principal")
        ends = 0 if until is None else int(checked_moment(until, "until").timestamp() * 1000)
        if ends and ends <= self._store.now():
            raise InvalidInput(f"until {until} is past; give a time to come, or none for a standing grant")
        call = self._call("", comment or f"shared {given} with {principal}")
        if given:  # where to look comes first, then the right
            await self._store.run("SADD", self._store.keys.held(principal), self.id)
        grant = (principal, int(given), int(needed), ends, int(delegate))
        await self._store.mutate("stoa_share", self.id, *call, *grant)

    def _call(self, operation: str, comment: str, moment: datetime | None = None) -> list[Argument]:
        """What every mutation tells the Function library first."""
        check_comment(comment)
        actor = self.actor
        milliseconds = int((moment or self._spaces.clock.now()).timestamp() * 1000)
        who = (actor.principal.id, f"{actor.principal.origin.value}{':outside' if actor.outside else ''}")
        cause = (actor.cause.root, actor.cause.depth)
        return [*who, "" if actor.epoch is None else actor.epoch, operation, milliseconds, *cause, comment]

    async def _vector(self, content: str) -> bytes:
        embedder = self._spaces.embedder
        return (await embedder.embed([content]))[0] if embedder else b""

    async def _revise(
        self,
        call: Sequence[Argument],
        id: str,
        flags: str,
        content: str = "",
        old: str = "",
        vector: bytes = b"",
        metadata: bytes = b"",
        references: bytes = b"",
        *,
        origin: str = "",
        check: bool = True,
    ) -> Atom:
        """Write the next version, unless the atom has changed since this actor saw it."""
        expected = self.actor.ledger.get(f"{self.id}/{id}", "") if check else ""
        change = (flags, content, old, vector, metadata, references, self._spaces.contents_kept, origin)
        try:
            _, fields = await self._store.mutate("stoa_update", self.id, *call, id, expected, *change)
        except Conflict:
            raise await self._conflict(id, int(expected)) from None
        return self._seen(id, fields)

    async def _versions(self, id: str, first: int, last: int) -> list[Version]:
        """Entries of an atom's history, counted from 0, or from the newest (-1) back."""
        entries = await self._store.run(*self._store.reading("stoa_history", self.id, self.holder.id, id, first, last))
        if not entries:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        return [read_version(entry) for entry in entries]

    async def _states(self, id: str, wanted: Sequence[int | None]) -> list[State]:
        """What an atom was at these versions; None is the newest."""
        state, kept = State(), dict[int | None, State]()
        for first in itertools.count(0, PAGE):
            read = self._store.reading("stoa_history", self.id, self.holder.id, id, first, first + PAGE - 1)
            entries = await self._store.run(*read)
            for entry in entries:
                state.take(read_version(entry))
                if state.version in wanted:
                    kept[state.version] = state.copy()
            if len(entries) < PAGE:
                break
        if not state.version:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        kept[None] = state
        for version in wanted:
            if version not in kept:
                raise NotFound(f"{id!r} has no version {version!r}; its newest is {state.version}.")
        return [kept[version] for version in wanted]

    async def _conflict(self, id: str, seen: int) -> Conflict:
        """A conflict in words that an agent can act on."""
        read, who = self._store.reading, self.holder.id
        fields, before, after = await self._store.together(
            read("stoa_get", self.id, who, id),
            read("stoa_history", self.id, who, id, max(0, seen - 20), seen - 1),
            read("stoa_history", self.id, who, id, -50, -1),
        )
        known = [read_version(entry) for entry in before]
        news = changed(known, [v for v in map(read_version, after) if v.version > seen], self._seen(id, fields))
        return Conflict(
            f"{id!r} has changed since you saw version {seen}: {news} Look whether your change still makes sense, "
            "then update again."
        )

    def _seen(self, id: str, fields: Sequence[bytes | None]) -> Atom:
        """The atom in these fields, its version noted in the ledger."""
        atom = read_atom(self.id, id, fields)
        if atom is None:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        self.actor.saw(atom)
        return atom

    def _own(self, id: str) -> str:
        """An id of this space, given as `id` or `space/id`."""
        if not isinstance(id, str) or not id:
            raise InvalidInput(f"{id!r} is no atom's id; ids are text, as in atom.id")
        space, slash, rest = id.rpartition("/")
        if slash and space != self.id:
            raise InvalidInput(f"{id!r} lies in {space!r}, this is {self.id!r}; use that space")
        return rest


def first_words(text: str, most: int = 200) -> str:
    """The beginning of a text on one line, for a comment."""
    line = " ".join(text[: most * 2].split())
    return line if len(line) <= most and len(text) <= most * 2 else line[: most - 1] + "…"
