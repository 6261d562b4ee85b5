"""Editing: the ways in which an atom gets its next version, and the look back at the earlier ones."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Unpack

from core.atoms.atoms import ATTACHMENTS_KEY, Atom, Attachment, Origin, Value, Version, new_id
from core.atoms.claims import claim_patch
from core.atoms.text import find_like, nfc
from core.atoms.validation import checked_content, checked_metadata, checked_references, checked_text
from core.atoms.versions import State, changed, compare
from core.errors import Conflict, InvalidInput, NotFound
from core.search.index import check_limit
from core.search.vectors import Vectors
from core.spaces.handles import Handle
from core.spaces.options import ChangeOptions, spelled_out
from core.store.codec import bounded_patch, json_of, metadata_patch, milliseconds, pack, read_version
from core.store.errors import PieceNotFound
from core.store.store import Argument

HISTORY_PAGE = 100
MAX_VERSION = 1 << 53


@dataclass(frozen=True, slots=True)
class _Revision:
    """The next version of an atom, as the Function library takes it; `flags` say what is given."""

    flags: str
    content: str = ""
    old: str = ""
    vector: bytes = b""
    metadata: bytes = b""
    references: bytes = b""
    origin: str = ""
    file_bytes: int = 0
    checked: bool = True
    """Refused if the atom has changed since this actor saw it."""


class Revised(Handle):
    """A handle as far as it changes atoms and reads their history."""

    @spelled_out(operation="")
    async def update(
        self,
        id: str,
        *,
        comment: str,
        content: str | None = None,
        replace: tuple[str, str] | None = None,
        **options: Unpack[ChangeOptions],
    ) -> Atom:
        """Change an atom; needs write. What is not given stays; None removes a metadata key, [] a reference name.

        `replace=(old, new)` changes a piece of long content that occurs exactly once. Raises `Conflict` if the atom
        has changed since this actor last saw it, saying how.
        """
        id = self._own(id)
        revision = await self._checked_revision(_checked_text_change(content, replace), options)
        call = self._call(options.get("operation") or new_id(), comment)
        try:
            atom = await self._revise(call, id, revision)
        except PieceNotFound:
            atom = await self._revise(call, id, await self._with_piece_as_it_is(id, revision))
        if "r" in revision.flags and (words := self._words(atom.content)):
            await Vectors(self._store).add_words(self.id, id, atom.version, words)
        return atom

    async def _checked_revision(self, text: tuple[str, str, str], options: ChangeOptions) -> _Revision:
        flags, content, old = text
        references = options.get("references")
        return _Revision(
            flags if references is None else f"{flags}f",
            content,
            old,
            vector=await self._vector(content) if flags == "c" else b"",
            metadata=bounded_patch(checked_metadata(options.get("metadata") or {})),
            references=b"" if references is None else pack(checked_references(references)),
        )

    async def carry(self, id: str, attachments: Sequence[Attachment], *, comment: str, new_bytes: int = 0) -> Atom:
        """Let an atom carry exactly these files, `new_bytes` of them new; they must be kept already. Needs write."""
        id = self._own(id)
        patch = metadata_patch({ATTACHMENTS_KEY: [str(one) for one in attachments] or None})
        revision = _Revision("a", metadata=patch, file_bytes=new_bytes)
        return await self._revise(self._call(new_id(), comment), id, revision)

    async def deprecate(self, id: str, *, comment: str, operation: str = "") -> Atom:
        """Take an atom out of search; needs write. It stays readable by its id, with its history."""
        id = self._own(id)
        return await self._revise(self._call(operation or new_id(), comment), id, _Revision("d", checked=False))

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
        content, changed = old.kept(), old.kept() != now.content
        files_changed = old.metadata.get(ATTACHMENTS_KEY) != now.metadata.get(ATTACHMENTS_KEY)
        revision = _Revision(
            f"uf{'c' if changed else ''}{'a' if files_changed else ''}",
            content,
            vector=await self._vector(content) if changed else b"",
            metadata=metadata_patch(now.metadata_to(old)),
            references=pack(now.references_to(old)),
            origin=(old.origin or Origin.OUTSIDE).value,
        )
        return await self._revise(call, id, revision)

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
        """The atom as it was at one of its versions; needs read."""
        (state,) = await self._states(self._own(id), [version])
        return state

    async def compare(self, id: str, old: int, new: int | None = None) -> str:
        """The difference between two versions of an atom as a unified diff; without `new`, up to now; needs read."""
        before, after = await self._states(self._own(id), [old, new])
        return compare(before, after)

    async def _revise(self, call: Sequence[Argument], id: str, revision: _Revision) -> Atom:
        expected = self.actor.ledger.get(f"{self.id}/{id}", "") if revision.checked else ""
        change: list[Argument] = [revision.flags, revision.content, revision.old, revision.vector]
        change += [revision.metadata, revision.references, self._limits.contents_kept, revision.origin]
        change += [self._words(revision.content) if "c" in revision.flags else "", *self._room(revision.file_bytes)]
        try:
            _, fields = await self._store.mutate("stoa_update", self.id, *call, id, expected, *change)
        except Conflict:
            raise await self._conflict(id, int(expected)) from None
        return self._seen(id, fields)

    async def _with_piece_as_it_is(self, id: str, revision: _Revision) -> _Revision:
        """The revision with the piece to replace as the content has it, marks and line ends included."""
        fields = await self._store.run(*self._store.reading("stoa_get", self.id, self.holder.credentials, id))
        text = (fields[1] or b"").decode()
        found = find_like(text, revision.old)
        if len(found) != 1:
            raise PieceNotFound(
                f"The text to replace {'occurs more than once' if found else 'does not occur'}; give a piece that "
                "occurs exactly once."
            )
        lines = "\r\n" in found[0] or ("\r\n" in text and "\n" not in text.replace("\r\n", ""))
        new = revision.content.replace("\r\n", "\n").replace("\n", "\r\n") if lines else revision.content
        return replace(revision, old=found[0], content=new)

    async def _versions(self, id: str, first: int, last: int) -> list[Version]:
        found = await self._entries(id, first, last)
        if not found:
            raise NotFound(f"There is no atom {id!r} in {self.id!r}.")
        return found

    async def _entries(self, id: str, first: int, last: int) -> list[Version]:
        """Empty where there is no such atom; claims that have ended are given back first."""
        store, who = self._store, self.holder.id
        reading = store.reading("stoa_history", self.id, who, id, first, last)
        entries, (_, _, ended) = await store.together(reading, store.reading("stoa_level", self.id, who))
        if ended:
            await store.give_back([self.id])
            entries = await store.run(*reading)
        return [read_version(entry) for entry in entries]

    async def _states(self, id: str, wanted: Sequence[int | None]) -> list[State]:
        for version in wanted:
            if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
                raise InvalidInput(f"{version!r} is not a version; versions are numbers, as in atom.version")
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
        read, who = self._store.reading, self.holder.id
        fields, before, after = await self._store.together(
            read("stoa_get", self.id, who, id),
            read("stoa_history", self.id, who, id, max(0, seen - 20), seen - 1),
            read("stoa_history", self.id, who, id, -50, -1),
        )
        known = [read_version(entry) for entry in before]
        news = changed(known, [v for v in map(read_version, after) if v.version > seen], self._seen(id, fields))
        return Conflict(
            f"{id!r} has changed since you saw version {seen}: {news} Check that your change still makes sense, then "
            "update again."
        )


def _checked_text_change(content: str | None, replace: tuple[str, str] | None) -> tuple[str, str, str]:
    if content is not None and replace is not None:
        raise InvalidInput("give either the whole content or a piece to replace, not both")
    if replace is None:
        return "" if content is None else "c", "" if content is None else checked_content(content), ""
    if [type(one) for one in replace] != [str, str]:
        raise InvalidInput("replace takes two texts: the piece as it is, and its replacement")
    if not replace[0]:
        raise InvalidInput("the text to replace is empty; give a piece that occurs exactly once")
    return "r", checked_content(replace[1]), nfc(checked_text("the text to replace", replace[0]))
