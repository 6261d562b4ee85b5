"""Revising: every way in which an atom gets a next version, and the look back at the ones before."""

import itertools
from collections.abc import Mapping, Sequence

from core.atoms.atoms import ATTACHMENTS_KEY, Atom, Attachment, Origin, References, Value, Version, new_id
from core.atoms.claims import claim_patch
from core.atoms.validation import check_content, check_metadata, check_text, checked_references
from core.atoms.versions import State, changed, compare
from core.errors import Conflict, InvalidInput, NotFound
from core.search.index import check_limit
from core.spaces.handles import Handle
from core.store.codec import bounded_patch, json_of, metadata_patch, milliseconds, pack, read_version
from core.store.store import Argument

HISTORY_PAGE = 100
"""Versions that are read at once."""
MAX_VERSION = 1 << 53
"""No atom has so many versions."""


class Revised(Handle):
    """A handle as far as it changes atoms and reads their history."""

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
        if replace is not None and [type(one) for one in replace] != [str, str]:
            raise InvalidInput("replace takes two texts: the piece as it is, and what it shall be")
        old, new = replace or ("", content if content is not None else "")
        check_text("the text to replace", old)
        if replace is not None and not old:
            raise InvalidInput("the text to replace is empty; give a piece that occurs exactly once")
        check_content(new)
        targets = b"" if references is None else pack(checked_references(references))
        flags = "r" if replace else "c" if content is not None else ""
        flags += "f" if references is not None else ""
        vector = await self._vector(content) if content is not None else b""
        call = self._call(operation or new_id(), comment)
        return await self._revise(call, id, flags, new, old, vector, bounded_patch(metadata or {}), targets)

    async def carry(self, id: str, attachments: Sequence[Attachment], *, comment: str) -> Atom:
        """Let an atom carry exactly these files, which have to be kept already; needs write."""
        id = self._own(id)
        patch = metadata_patch({ATTACHMENTS_KEY: [str(one) for one in attachments] or None})
        return await self._revise(self._call(new_id(), comment), id, "a", metadata=patch)

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
        patch, until = claim_patch(self.holder, self._store.clock.now(), lease, metadata or {})
        claim = (id, milliseconds(until), bounded_patch(patch), json_of(self.holder.id))
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
        flags += "a" if old.metadata.get(ATTACHMENTS_KEY) != now.metadata.get(ATTACHMENTS_KEY) else ""
        vector = await self._vector(content) if content != now.content else b""
        origin = (old.origin or Origin.OUTSIDE).value
        return await self._revise(
            call, id, flags, content, "", vector, metadata_patch(metadata), pack(references), origin=origin
        )

    async def history(self, id: str, limit: int = 100, before: int | None = None) -> list[Version]:
        """The newest `limit` versions of an atom, or of those before version `before`; oldest first; needs read."""
        id = self._own(id)
        check_limit(limit)
        if before is not None and (not isinstance(before, int) or isinstance(before, bool)):
            raise InvalidInput(f"before is {before!r}; give the number of a version")
        if before is not None and before <= 1:
            return []
        if before is not None and before < MAX_VERSION:
            found = await self._entries(id, max(0, before - 1 - limit), before - 2)
            if found and found[-1].version == before - 1:
                return found
        return await self._versions(id, -limit, -1)  # as long as there is no version `before`, all lie before it

    async def at(self, id: str, version: int) -> State:
        """What an atom was at one of its versions; needs read."""
        (state,) = await self._states(self._own(id), [version])
        return state

    async def compare(self, id: str, old: int, new: int | None = None) -> str:
        """What differs between two versions of an atom, as a unified diff; without `new`, up to now; needs read."""
        id = self._own(id)
        before, after = await self._states(id, [old, new])
        return compare(before, after)

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
        change = (flags, content, old, vector, metadata, references, self._kept, origin)
        try:
            _, fields = await self._store.mutate("stoa_update", self.id, *call, id, expected, *change)
        except Conflict:
            raise await self._conflict(id, int(expected)) from None
        return self._seen(id, fields)

    async def _versions(self, id: str, first: int, last: int) -> list[Version]:
        """Entries of an atom's history, counted from 0, or from the newest (-1) back."""
        found = await self._entries(id, first, last)
        if not found:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        return found

    async def _entries(self, id: str, first: int, last: int) -> list[Version]:
        """The same, nothing where there is no such atom; claims whose time is over are given back before."""
        store, who = self._store, self.holder.id
        reading = store.reading("stoa_history", self.id, who, id, first, last)
        entries, (_, _, ended) = await store.together(reading, store.reading("stoa_level", self.id, who))
        if ended:
            await store.give_back([self.id])
            entries = await store.run(*reading)
        return [read_version(entry) for entry in entries]

    async def _states(self, id: str, wanted: Sequence[int | None]) -> list[State]:
        """What an atom was at these versions; None is the newest."""
        for version in wanted:
            if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
                raise InvalidInput(f"{version!r} is no version; versions are numbers, as in atom.version")
        state, kept = State(), dict[int | None, State]()
        for first in itertools.count(0, HISTORY_PAGE):
            entries = await self._entries(id, first, first + HISTORY_PAGE - 1)
            for entry in entries:
                state.take(entry)
                if state.version in wanted:
                    kept[state.version] = state.copy()
            if len(entries) < HISTORY_PAGE:
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
