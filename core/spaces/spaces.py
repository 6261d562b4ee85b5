"""Spaces: shared, access-controlled, searchable stores of atoms. `Space` is one holder's handle on one of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime

from core.atoms.atoms import (
    ATTACHMENTS_KEY,
    OWNER,
    Atom,
    Attachment,
    Change,
    Principal,
    References,
    Value,
    id_from,
    new_id,
)
from core.atoms.claims import is_over
from core.atoms.permissions import Permission
from core.atoms.validation import SPACE_NAME, check_content, check_metadata, check_number, checked_references
from core.errors import InvalidInput, NotFound, StoaError
from core.models.embeddings import Embedder, field_of
from core.search.extraction import Texts
from core.search.filters import Filter, States
from core.search.finder import Finder
from core.search.index import check_limit
from core.search.indexing import MAX_WHOLE_CHARS
from core.search.query import SearchRequest
from core.spaces.editing import Revised
from core.spaces.handles import Actor as Actor
from core.spaces.handles import first_words as first_words
from core.spaces.notifications import Notifications
from core.spaces.references import Linked
from core.spaces.sharing import Shared
from core.store.codec import bounded_patch, pack
from core.store.store import Argument, Store
from core.times.clock import Clock


class Spaces:
    """All spaces of one Stoa."""

    def __init__(
        self,
        store: Store,
        notifications: Notifications,
        clock: Clock,
        embedder: Embedder | None,
        contents_kept: int = 0,
        texts: Texts | None = None,
    ) -> None:
        self.store = store
        self.notifications = notifications
        self.clock = clock
        self.contents_kept = contents_kept
        self.embedder = embedder
        """Without one, what is put is embedded by a worker, and a search goes by words."""
        self.finder = Finder(store, embedder, texts)
        self._foreseen: set[asyncio.Task[None]] = set()

    async def create(self, name: str, by: Principal | Actor = OWNER, description: str = "") -> "Space":
        """A new space, private to its creator; the same creator naming it again gets it as it is.

        Raises `InvalidInput` for a name that cannot be one or is taken by someone else.
        """
        if not isinstance(name, str) or not SPACE_NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot be a space's name: use 1 to 64 of a-z, 0-9, dot, dash and underscore")
        check_content(description)
        space = self.open(name, by)
        await self.store.run("SADD", self.store.keys.spaces(), name)  # where to look comes first, then what is there
        await self.store.run("SADD", self.store.keys.held(space.holder.id), name)
        field = field_of(self.embedder) if self.embedder else "v"
        await self.store.mutate("stoa_create", name, *space._call("", f"created {name}"), description, field)
        return space

    def open(self, name: str, holder: Principal | Actor = OWNER) -> "Space":
        """A handle on the space called `name`. What the holder may do there is checked at each use."""
        return Space(self, name, holder if isinstance(holder, Actor) else Actor(holder))

    def foresee(self, text: str) -> None:
        """Begin to embed a text whose vector will be asked for in a moment: when its recipes are looked for."""

        async def embed(embedder: Embedder) -> None:
            with contextlib.suppress(StoaError):  # whoever needs it asks again, and is told
                await embedder.embed([text])

        if self.embedder and len(text) <= MAX_WHOLE_CHARS:
            task = asyncio.create_task(embed(self.embedder), name="embed what was just said")
            self._foreseen.add(task)
            task.add_done_callback(self._foreseen.discard)

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

    async def held_ever(self, principal: Principal) -> list[str]:
        """The spaces in which this principal was ever given something, also what has ended since."""
        return await self._known(principal)

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
        by: str = "both",
        after: str = "",
        explain: bool = False,
    ) -> list[Atom]:
        """The atoms that fit best, over the named spaces or all that the holder may read.

        `query` is matched by meaning, and by the rare words in it that name something (`by="meaning"` or `by="words"`
        for one alone); without one the newest come first. `metadata` takes equality, membership (a list) and
        comparisons (`{"due": {"lt": moment}}`); `references` asks that all targets of a name be in a state
        (`{"blocked_by": {"status": "done"}}`), or that `any` or `none` of them be (`{"blocked_by": {"any": {"status":
        "stuck"}}}`). To read on, give the `cursor` of the last atom as `after`. With `explain` each atom says in its
        `explanation` why it was found.
        """
        actor = holder if isinstance(holder, Actor) else Actor(holder)
        asked = SearchRequest(query, metadata or {}, references or {}, limit, deprecated, by, after, explain)
        atoms = await self.finder.find(actor.principal, within, asked)
        for atom in atoms:
            actor.saw(atom)
        return atoms

    async def embed_waiting(self, names: Sequence[str]) -> int:
        """Make the vectors that are still missing in these spaces; answers how many."""
        return await self.finder.embed_waiting(names)

    async def give_back(self, owner: Principal | None = None) -> None:
        """Give back what was claimed for a time that is over; or all that this owner, who is dead, has claimed."""
        if owner:
            await self.store.give_back(await self._known(owner), owner.id)
            return
        names, now = await self._known(OWNER), self.store.now()
        counting: list[list[Argument]] = [["ZCOUNT", self.store.keys.claims(n), "-inf", now] for n in names]
        counts = await self.store.together(*counting)
        await self.store.give_back([name for name, count in zip(names, counts, strict=True) if count])


class Space(Shared, Revised, Linked):
    """One holder's handle on a space; it can do what its permission allows."""

    def __init__(self, spaces: Spaces, id: str, actor: Actor) -> None:
        super().__init__(spaces.store, id, actor, spaces.embedder, spaces.contents_kept)
        self._spaces = spaces

    async def put(
        self,
        content: str,
        *,
        comment: str = "",
        metadata: Mapping[str, Value] | None = None,
        references: References | None = None,
        operation: str = "",
        attachments: Sequence[Attachment] = (),
        at_once: bool = False,
    ) -> Atom:
        """Add an atom; needs append. Without a comment its first words stand for one.

        `operation` names this very act: the same one twice is one atom. What it carries as `attachments` has to be kept
        already (`Attachments.keep`). With `at_once` its vector is left to a worker, for somebody waits for what it
        wakes; a search makes up for what is left.
        """
        check_content(content)
        check_metadata(metadata or {})
        wanted = {name: ids for name, ids in checked_references(references or {}).items() if ids}
        moment = self._spaces.clock.now()
        id = id_from(f"{self.id}/{operation}") if operation else new_id()
        call = self._call(operation or id, comment or first_words(content), moment)
        carried = {ATTACHMENTS_KEY: [str(one) for one in attachments]} if attachments else {}
        patch, targets = bounded_patch({**(metadata or {}), **carried}), pack(wanted) if wanted else b""
        later = attachments or at_once  # files are read by a worker, too
        if at_once:
            self._spaces.foresee(content)
        vector = b"" if later else await self._vector(content)
        _, done = await self._store.mutate("stoa_put", self.id, *call, id, content, vector, patch, targets)
        if done:
            return self._seen(id, done)
        self.actor.ledger[f"{self.id}/{id}"] = 1
        at = datetime.fromtimestamp(int(moment.timestamp() * 1000) / 1000, UTC)
        return Atom(
            id=id,
            space=self.id,
            content=content,
            metadata={key: value for key, value in (metadata or {}).items() if value is not None},
            references=wanted,
            author=self.holder.id,
            origin=self.holder.origin,
            created=at,
            updated=at,
            outside=self.actor.outside,
            attachments=tuple(attachments),
        )

    async def get(self, id: str) -> Atom:
        """The atom as it is now; needs read. Raises `NotFound`."""
        id = self._own(id)
        reading = self._store.reading("stoa_get", self.id, self.holder.id, id)
        atom = self._seen(id, await self._store.run(*reading))
        if is_over(atom, self._spaces.clock.now()):
            await self._store.give_back([self.id])
            atom = self._seen(id, await self._store.run(*reading))
        return atom

    async def find(self, operation: str) -> Atom | None:
        """What `put` with this operation put, if that was done; needs read."""
        try:
            return await self.get(id_from(f"{self.id}/{operation}")) if operation else None
        except NotFound:
            return None

    async def search(
        self,
        query: str = "",
        *,
        metadata: Filter | None = None,
        references: States | None = None,
        limit: int = 10,
        deprecated: bool = False,
        by: str = "both",
        after: str = "",
        explain: bool = False,
    ) -> list[Atom]:
        """Find atoms here; needs read. See `search` in docs.

        Without a query the newest come first. `metadata` filters ({"status": "done"}, {"status": ["open", "late"]},
        {"n": {"gte": 3}}); `references` asks for the state of all targets of a reference ({"blocked_by": {"status":
        "done"}}), or of any or none of them ({"blocked_by": {"any": {...}}}). To read on, give the last atom's .cursor
        as `after`; with `explain` each atom says in .explanation why it was found.
        """
        return await self._spaces.search(
            self.actor,
            query,
            within=[self.id],
            metadata=metadata,
            references=references,
            limit=limit,
            deprecated=deprecated,
            by=by,
            after=after,
            explain=explain,
        )

    async def changes(self, after: int = 0, limit: int = 1000) -> list[Change]:
        """What changed in the space after change number `after`, oldest first; needs read."""
        check_number(after, "after")
        check_limit(limit)
        return await self._spaces.notifications.changes(self.id, self.holder, after, limit)

    async def newest(self) -> int:
        """The number of the space's newest change; needs read."""
        return int(await self._store.run(*self._store.reading("stoa_newest", self.id, self.holder.id)))

    def follow(self, after: int = 0) -> AsyncIterator[Change]:
        """Every change after number `after`, then each new one as it happens; needs read."""
        check_number(after, "after")
        return self._spaces.notifications.follow(self.id, self.holder, after)

    async def description(self) -> str:
        """The convention that holds in this space, in its own words; needs read."""
        text = await self._store.run(*self._store.reading("stoa_description", self.id, self.holder.id))
        return str((text or b"").decode())

    async def describe(self, description: str) -> None:
        """Say anew what convention holds here; needs grant."""
        check_content(description)
        await self._store.mutate("stoa_describe", self.id, *self._call(new_id(), "described"), description)
