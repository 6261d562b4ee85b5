"""Indexing: makes the vectors by which atoms are found, one for each atom and each passage of a long text or a file."""

import re
from collections.abc import Callable, Iterator, Sequence

from core.atoms.atoms import ATTACHMENTS_KEY, Passage, read_attachment
from core.models.embeddings import Embedder, field_of
from core.search.contexts import embed_in_context
from core.search.extraction import Texts
from core.search.vectors import StoredText, Vectors
from core.store.codec import read_metadata
from core.store.store import Store

MAX_WHOLE_CHARS = 1_000
"""Longer texts are searched in passages."""
INDEX_BATCH_ATOMS = 32
MAX_FILE_SCAN_ATOMS = 1_000
"""Waiting atoms among which a search by words looks for files."""
MAX_PASSAGES = 4_000
"""Of one atom; no search finds what comes after the first 3 MB of text."""


class Indexer:
    """Makes the vectors that are missing."""

    def __init__(self, store: Store, embedder: Embedder, texts: Texts | None) -> None:
        self._vectors = Vectors(store)
        self._embedder = embedder
        self._texts = texts

    async def waiting(self, names: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> int:
        done = 0
        for name in names:
            while found := await self._vectors.waiting(name, INDEX_BATCH_ATOMS):
                for one in found:
                    await self._index(name, one)
                done += len(found)
                progress(len(found))
            done += await self._contexts(name)
        return done

    async def _contexts(self, space: str) -> int:
        """Give atoms that were put with a vector of their own another that knows what they follow."""
        done = 0
        while ids := await self._vectors.without_context(space, INDEX_BATCH_ATOMS):
            for id in ids:
                field = field_of(self._embedder)
                found = await self._vectors.pieces(space, id)
                if found is None or len(found[1]) > 1:
                    await self._vectors.understood(space, id)
                    continue
                version, (content,) = found
                vector = await embed_in_context(self._embedder, self._vectors, space, id, content)
                await self._vectors.add(space, id, version, field, [vector])
            done += len(ids)
        return done

    async def files(self, names: Sequence[str]) -> int:
        """Index atoms with files that were attached just now; returns their number.

        Where more atoms wait than a search can look through, as after an import, files wait with them.
        """
        done = 0
        for name in names if self._texts else ():
            known = await self._vectors.waiting_metadata(name, MAX_FILE_SCAN_ATOMS)
            carrying = [id for id, metadata in known.items() if ATTACHMENTS_KEY in read_metadata(metadata)]
            for one in await self._vectors.texts(name, carrying):
                await self._index(name, one)
            done += len(carrying)
        return done

    async def _index(self, space: str, text: StoredText) -> None:
        pieces = passages(text.content)
        attached = read_metadata(text.metadata).get(ATTACHMENTS_KEY)
        if self._texts and isinstance(attached, list):
            for one in map(read_attachment, attached):
                pieces += passages(await self._texts.found_in(one), one.name)
        pieces = pieces[:MAX_PASSAGES]
        field = field_of(self._embedder)  # another embedder may have taken over by the time the vectors are there
        if pieces:
            vectors = await self._embedder.embed([text.content, *(piece.text for piece in pieces)])
        else:
            vectors = [await embed_in_context(self._embedder, self._vectors, space, text.id, text.content)]
        await self._vectors.write(space, text, field, vectors, pieces)


PASSAGE_CHARS = 900
PASSAGE_OVERLAP_CHARS = 120
"""About as much is shared by two passages, so that each sentence stands whole in one."""
CUT_PATTERNS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?]\s"), re.compile(r"\s"))
"""Places to cut a text, the best first."""


def passages(text: str, file: str = "") -> list[Passage]:
    """None of a short content, which is indexed as a whole; at least one of a file."""
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
    for ending in (CUT_PATTERNS[2], CUT_PATTERNS[3]):
        if match := ending.search(piece):
            return match.end()
    return 0
