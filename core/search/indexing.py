"""Indexing: making what is put findable by meaning: one vector an atom, and one for each passage of a long text."""

import re
from collections.abc import Callable, Iterator, Sequence

from core.atoms.atoms import ATTACHMENTS_KEY, Passage, read_attachment
from core.models.embeddings import Embedder, field_of
from core.search.extraction import Texts
from core.store.codec import pack, read_metadata
from core.store.store import Store

MAX_WHOLE_CHARS = 1_000
"""Longer texts are searched in passages."""
INDEX_BATCH_ATOMS = 32
"""Atoms looked at in one round trip."""
MAX_FILE_SCAN_ATOMS = 1_000
"""Atoms among which a search by words looks for files that wait."""
MAX_PASSAGES = 4_000
"""Passages of one atom; what comes after the first 3 MB of text is found by no search."""


class Indexer:
    """Makes the vectors that are missing."""

    def __init__(self, store: Store, embedder: Embedder, texts: Texts | None) -> None:
        self._store = store
        self._embedder = embedder
        self._texts = texts
        """What reads attached files; without it they are left out."""

    async def waiting(self, names: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> int:
        """Make the vectors that are still missing in these spaces; answers how many atoms got theirs."""
        done = 0
        keys = self._store.keys
        for name in names:
            while ids := await self._store.run("SRANDMEMBER", keys.unembedded(name), INDEX_BATCH_ATOMS):
                known = [id.decode() for id in ids]
                await self._index_all(name, known)
                done += len(known)
                progress(len(known))
        return done

    async def files(self, names: Sequence[str]) -> int:
        """Have the text of files found that were attached just now; answers how many atoms that were.

        Where more atoms wait than a search can look through, as after an import, files wait with them.
        """
        done = 0
        for name in names if self._texts else ():
            keys = self._store.keys
            ids = await self._store.run("SRANDMEMBER", keys.unembedded(name), MAX_FILE_SCAN_ATOMS)
            known = [id.decode() for id in ids]
            stored = await self._store.together(*(["HGET", keys.atom(name, id), "m"] for id in known))
            carrying = [id for id, data in zip(known, stored, strict=True) if ATTACHMENTS_KEY in read_metadata(data)]
            await self._index_all(name, carrying)
            done += len(carrying)
        return done

    async def _index_all(self, space: str, ids: Sequence[str]) -> None:
        stored = await self._store.together(*(["HMGET", self._store.keys.atom(space, i), "ver", "c", "m"] for i in ids))
        for id, (version, content, metadata) in zip(ids, stored, strict=True):
            await self._index(space, id, version or b"", (content or b"").decode(), metadata)

    async def _index(self, space: str, id: str, version: bytes, content: str, metadata: bytes | None) -> None:
        pieces = passages(content)
        attached = read_metadata(metadata).get(ATTACHMENTS_KEY)
        if self._texts and isinstance(attached, list):
            for one in map(read_attachment, attached):
                pieces += passages(await self._texts.of(one), one.name)
        pieces = pieces[:MAX_PASSAGES]
        field = field_of(self._embedder)  # another embedder may have taken over by the time the vectors are there
        vector, *others = await self._embedder.embed([content, *(piece.text for piece in pieces)])
        told = [_packed(piece, other) for piece, other in zip(pieces, others, strict=True)]
        key = self._store.keys.space(space)
        packed = pack(told) if told else b""
        await self._store.run("FCALL", "stoa_embed", 1, key, id, version, vector, packed, field)


def _packed(piece: Passage, vector: bytes) -> list[object]:
    return [piece.text, vector, str(piece.start), str(piece.end), piece.file]


PASSAGE_CHARS = 900
"""Characters of a passage, at most."""
PASSAGE_OVERLAP_CHARS = 120
"""About how many characters two passages share, so that no sentence is only ever seen in halves."""
CUT_PATTERNS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?]\s"), re.compile(r"\s"))
"""Where a text is cut, the best place first."""


def passages(text: str, file: str = "") -> list[Passage]:
    """The passages of a text: none of a short content, which is looked at as a whole; at least one of a file."""
    if not text.strip() or (not file and len(text) <= MAX_WHOLE_CHARS):
        return []
    return [Passage(text[start:end], start, end, file) for start, end in _cuts(text) if text[start:end].strip()]


def _cuts(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > PASSAGE_CHARS:
        end = start + _last_ending(text[start : start + PASSAGE_CHARS], PASSAGE_CHARS // 2)
        yield start, end
        back = text[end - PASSAGE_OVERLAP_CHARS : end]
        start = end - PASSAGE_OVERLAP_CHARS + _first_word(back) if end - PASSAGE_OVERLAP_CHARS > start else end
    yield start, len(text)


def _last_ending(piece: str, least: int) -> int:
    """The end of the last paragraph, line, sentence or word in the piece, not before `least`."""
    for ending in CUT_PATTERNS:
        ends = [match.end() for match in ending.finditer(piece) if match.end() >= least]
        if ends:
            return ends[-1]
    return len(piece)


def _first_word(piece: str) -> int:
    """Where the first whole sentence begins in a piece, or else the first whole word."""
    for ending in (CUT_PATTERNS[2], CUT_PATTERNS[3]):
        if match := ending.search(piece):
            return match.end()
    return 0
