"""Spaces: shared, access-controlled, searchable stores of atoms. `Space` is one holder's handle on one of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Unpack

from core.atoms.atoms import ATTACHMENTS_KEY, OWNER, Atom, Attachment, Change, Principal, Value, id_from, new_id
from core.atoms.claims import is_over
from core.atoms.permissions import Permission
from core.atoms.validation import SPACE_NAME, check_number, checked_content, checked_metadata, checked_references
from core.errors import InvalidInput, NotFound, StoaError
from core.models.embeddings import Embedder, field_of
from core.search.extraction import Texts
from core.search.finder import Finder
from core.search.index import check_limit
from core.search.indexing import MAX_WHOLE_CHARS
from core.search.query import SearchOptions, SearchRequest
from core.spaces.editing import Revised
from core.spaces.handles import Actor as Actor
from core.spaces.handles import SpaceLimits as SpaceLimits
from core.spaces.handles import first_words as first_words
from core.spaces.notifications import Notifications
from core.spaces.options import PutOptions, spelled_out
from core.spaces.references import Linked
from core.spaces.sharing import Shared
from core.store.codec import bounded_patch, pack, unpack
from core.store.spaces import SpaceRegistry
from core.store.store import Store

spelled_out_search = spelled_out(limit=10, deprecated=False, by="both", after="", explain=False, around=0)


class Spaces:
    """All spaces of one Stoa."""

    def __init__(
        self,
        store: Store,
        notifications: Notifications,
        embedder: Embedder | None,
        limits: SpaceLimits | None = None,
        texts: Texts | None = None,
    ) -> None:
        """Without an embedder, what is put is embedded by a worker, and a search goes by words."""
        self.store = store
        self.notifications = notifications
        self.clock = store.clock
        self.limits = limits or SpaceLimits()
        self.embedder = embedder
        self.finder = Finder(store, embedder, texts)
        self._registry = SpaceRegistry(store)
        self._foreseen: set[asyncio.Task[None]] = set()

    async def create(self, name: str, by: Principal | Actor = OWNER, description: str = "") -> "Space":
        """A new space, private to its creator; the same creator naming it again gets it as it is.

        Raises `InvalidInput` for a name that is not allowed or taken by someone else.
        """
        if not isinstance(name, str) or not SPACE_NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} cannot be a space's name: use 1 to 64 of a-z, 0-9, dot, dash and underscore")
        description = checked_content(description)
        space = self.open(name, by)
        await self._registry.add(name, space.holder.id)
        field = field_of(self.embedder) if self.embedder else "v"
        await self.store.mutate("stoa_create", name, *space._call("", f"created {name}"), description, field)
        return space

    def open(self, name: str, holder: Principal | Actor = OWNER) -> "Space":
        return Space(self, name, holder if isinstance(holder, Actor) else Actor(holder))

    def foresee(self, text: str) -> None:
        """Begin to embed a text whose vector will be needed in a moment, when its recipes are looked for."""

        async def embed(embedder: Embedder) -> None:
            with contextlib.suppress(StoaError):  # the next to need it asks again, and gets the error
                await embedder.embed([text])

        if self.embedder and len(text) <= MAX_WHOLE_CHARS:
            task = asyncio.create_task(embed(self.embedder), name="embed what was just said")
            self._foreseen.add(task)
            task.add_done_callback(self._foreseen.discard)

    async def held(self, principal: Principal = OWNER) -> dict[str, Permission]:
        """The principal's present rights by space, in alphabetical order."""
        names = await self.held_ever(principal)
        levels = await self.store.together(*(self.store.reading("stoa_level", n, principal.id) for n in names))
        return {name: Permission(level) for name, (level, *_) in zip(names, levels, strict=True) if level}

    async def passable(self, principal: Principal = OWNER) -> dict[str, Permission]:
        """The most this principal may give to others at this moment, by space; it may hold that to pass on only."""
        names = await self.held_ever(principal)
        levels = await self.store.together(*(self.store.reading("stoa_passable", n, principal.id) for n in names))
        return {name: Permission(level) for name, level in zip(names, levels, strict=True) if level}

    async def readers(self, name: str) -> list[str]:
        """The principals that may read the space at this moment."""
        known = list(await self._registry.grants(name))
        levels = await self.store.together(*(self.store.reading("stoa_level", name, one) for one in known))
        return sorted(one for one, (level, *_) in zip(known, levels, strict=True) if level)

    async def held_ever(self, principal: Principal) -> list[str]:
        return await self._registry.held_ever(principal.id)

    async def names(self, principal: Principal = OWNER) -> list[str]:
        return list(await self.held(principal))

    async def search(
        self,
        holder: Principal | Actor,
        query: str = "",
        *,
        within: Sequence[str] | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[Atom]:
        """The atoms that fit best, in the named spaces or all that the holder may read.

        `query` is matched by meaning and by words, what it names first (`by="meaning"` or `by="words"` for one alone);
        without one the newest come first. `metadata` takes equality, membership (a list) and
        comparisons (`{"due": {"lt": moment}}`); `references` asks that all targets of a name be in a state
        (`{"blocked_by": {"status": "done"}}`), or that `any` or `none` of them be (`{"blocked_by": {"any": {"status":
        "stuck"}}}`). To read on, give the `cursor` of the last atom as `after`. With `explain` each atom says in its
        `explanation` why it was found. `around` brings so many atoms put before and after each, in its `before` and
        `after`.
        """
        actor = holder if isinstance(holder, Actor) else Actor(holder)
        atoms = await self.finder.find(actor.principal, SearchRequest.of(query, within, options))
        for atom in atoms:
            for one in (*atom.before, atom, *atom.after):
                actor.saw(one)
        return atoms

    async def embed_waiting(self, names: Sequence[str]) -> int:
        return await self.finder.embed_waiting(names)

    async def give_back(self, owner: Principal | None = None) -> None:
        """Give back claims that have ended, or all those of an owner who is dead."""
        if owner:
            await self.store.give_back(await self.held_ever(owner), owner.id)
        else:
            await self.store.give_back(await self._registry.with_ended_claims())


@dataclass(frozen=True, slots=True)
class Description:
    """A description that a space has or had."""

    number: int
    at: datetime
    author: str
    outside: bool
    text: str

    @classmethod
    def read(cls, packed: bytes) -> "Description":
        """The description that the store keeps."""
        number, at, author, outside, text = unpack(packed)
        author, text = (one.decode() if isinstance(one, bytes) else one for one in (author, text))
        return cls(number, datetime.fromtimestamp(at / 1000, UTC), author, bool(outside), text)


@dataclass(frozen=True, slots=True)
class _NewAtom:
    """An atom to be put, checked and in normal form."""

    content: str
    metadata: dict[str, Value]
    references: dict[str, list[str]]
    attachments: tuple[Attachment, ...] = ()
    patch: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        carried = {ATTACHMENTS_KEY: [str(one) for one in self.attachments]} if self.attachments else {}
        object.__setattr__(self, "patch", bounded_patch({**self.metadata, **carried}))

    @classmethod
    def checked(cls, content: str, options: PutOptions, attachments: Sequence[Attachment]) -> "_NewAtom":
        metadata = checked_metadata(options.get("metadata") or {})
        references = checked_references(options.get("references") or {})
        return cls(
            checked_content(content),
            {key: value for key, value in metadata.items() if value is not None},
            {name: ids for name, ids in references.items() if ids},
            tuple(attachments),
        )


class Space(Shared, Revised, Linked):
    """One holder's handle on a space; it can do what its permission allows."""

    def __init__(self, spaces: Spaces, id: str, actor: Actor) -> None:
        super().__init__(spaces.store, id, actor, spaces.embedder, spaces.limits)
        self._spaces = spaces

    @spelled_out(comment="", operation="")
    async def put(
        self,
        content: str,
        *,
        attachments: Sequence[Attachment] = (),
        at_once: bool = False,
        **options: Unpack[PutOptions],
    ) -> Atom:
        """Add an atom; needs append. Without a comment its first words stand for one.

        `operation` names this very act: the same one twice is one atom. `attachments` must be kept already
        (`Attachments.keep`). With `at_once` its vector is left to a worker, for somebody waits for what it wakes; a
        search makes up for what is left.
        """
        new = _NewAtom.checked(content, options, attachments)
        moment, operation = self._store.clock.now(), options.get("operation") or ""
        id = id_from(f"{self.id}/{operation}") if operation else new_id()
        call = self._call(operation or id, options.get("comment") or first_words(new.content), moment)
        if at_once:
            self._spaces.foresee(new.content)
        later = attachments or at_once  # files are read by a worker, too
        vector = b"" if later else await self._vector(new.content)
        told = (id, new.content, vector, new.patch, pack(new.references) if new.references else b"")
        room = self._room(sum(one.size for one in attachments))
        _, done = await self._store.mutate("stoa_put", self.id, *call, *told, self._words(new.content), *room)
        if done:
            return self._seen(id, done)
        self.actor.ledger[f"{self.id}/{id}"] = 1
        return self._made(id, new, datetime.fromtimestamp(int(moment.timestamp() * 1000) / 1000, UTC))

    def _made(self, id: str, new: _NewAtom, at: datetime) -> Atom:
        return Atom(
            id=id,
            space=self.id,
            content=new.content,
            metadata=new.metadata,
            references=new.references,
            author=self.holder.id,
            origin=self.holder.origin,
            created=at,
            updated=at,
            outside=self.actor.outside,
            attachments=new.attachments,
        )

    async def get(self, id: str) -> Atom:
        """The atom as it is now; needs read. Raises `NotFound`."""
        id = self._own(id)
        reading = self._store.reading("stoa_get", self.id, self.holder.credentials, id)
        atom = self._seen(id, await self._store.run(*reading))
        if is_over(atom, self._store.clock.now()):
            await self._store.give_back([self.id])
            atom = self._seen(id, await self._store.run(*reading))
        return atom

    async def find(self, operation: str) -> Atom | None:
        """The atom that `put` with this operation put, if that was done; needs read."""
        try:
            return await self.get(id_from(f"{self.id}/{operation}")) if operation else None
        except NotFound:
            return None

    @spelled_out_search
    async def search(self, query: str = "", **options: Unpack[SearchOptions]) -> list[Atom]:
        """Find atoms here; needs read. See `search` in docs.

        Without a query the newest come first. `metadata` filters ({"status": "done"}, {"status": ["open", "late"]},
        {"n": {"gte": 3}}); `references` asks for the state of all targets of a reference ({"blocked_by": {"status":
        "done"}}), or of any or none of them ({"blocked_by": {"any": {...}}}). To read on, give the last atom's .cursor
        as `after`; with `explain` each atom says in .explanation why it was found; `around=1` brings the atoms put just
        before and after each, in .before and .after.
        """
        return await self._spaces.search(self.actor, query, within=[self.id], **options)

    async def changes(self, after: int = 0, limit: int = 1000) -> list[Change]:
        """The changes of the space after change number `after`, oldest first; needs read."""
        check_number(after, "after")
        check_limit(limit)
        return await self._spaces.notifications.changes(self.id, self.holder, after, limit)

    async def newest(self) -> int:
        """The number of the space's newest change; needs read."""
        return int(await self._store.run(*self._store.reading("stoa_newest", self.id, self.holder.credentials)))

    def follow(self, after: int = 0) -> AsyncIterator[Change]:
        """Every change after number `after`, then each new one as it happens; needs read."""
        check_number(after, "after")
        return self._spaces.notifications.follow(self.id, self.holder, after)

    async def description(self) -> str:
        """The convention that holds in this space, in its own words; needs read."""
        text = await self._store.run(*self._store.reading("stoa_description", self.id, self.holder.credentials))
        return str((text or b"").decode())

    async def descriptions(self) -> list[Description]:
        """The descriptions the space had, the present one last; needs read."""
        call = self._store.reading("stoa_descriptions", self.id, self.holder.credentials)
        return [Description.read(packed) for packed in await self._store.run(*call)]

    async def describe(self, description: str) -> None:
        """Replace the convention that holds here; needs grant."""
        text = checked_content(description)
        await self._store.mutate("stoa_describe", self.id, *self._call(new_id(), "described"), text)
