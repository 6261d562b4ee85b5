"""The repository of vectors: those still to be made, those that are there, and the embedder they are of."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.atoms.atoms import OWNER, Passage
from core.search.words import hidden_words
from core.store.codec import pack
from core.store.store import Argument, Store

RETIRED_PREFIX = "retired:"


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """An embedder by name, and the field of the atoms that holds its vectors."""

    name: str
    url: str
    id: str
    dimensions: int
    field: str


@dataclass(frozen=True, slots=True)
class RetiredEmbedder:
    """An embedder whose vectors are still there; another has been in use since `since` (ms)."""

    field: str
    id: str
    since: int


@dataclass(frozen=True, slots=True)
class StoredText:
    """One version of an atom, as far as it is indexed."""

    id: str
    version: bytes
    content: str
    metadata: bytes | None


class Vectors:
    """Reads what is to be embedded and writes what was."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def waiting(self, space: str, count: int) -> list[StoredText]:
        keys = self._store.keys
        ids = [id.decode() for id in await self._store.run("SRANDMEMBER", keys.unembedded(space), count)]
        stored = await self._store.together(*(["HMGET", keys.atom(space, id), "ver", "c", "m"] for id in ids))
        return [
            StoredText(id, version or b"", (content or b"").decode(), metadata)
            for id, (version, content, metadata) in zip(ids, stored, strict=True)
        ]

    async def waiting_metadata(self, space: str, count: int) -> dict[str, bytes | None]:
        keys = self._store.keys
        ids = [id.decode() for id in await self._store.run("SRANDMEMBER", keys.unembedded(space), count)]
        stored = await self._store.together(*(["HGET", keys.atom(space, id), "m"] for id in ids))
        return dict(zip(ids, stored, strict=True))

    async def texts(self, space: str, ids: Sequence[str]) -> list[StoredText]:
        keys = self._store.keys
        stored = await self._store.together(*(["HMGET", keys.atom(space, id), "ver", "c", "m"] for id in ids))
        return [StoredText(id, ver or b"", (c or b"").decode(), m) for id, (ver, c, m) in zip(ids, stored, strict=True)]

    async def write(
        self, space: str, text: StoredText, field: str, vectors: Sequence[bytes], passages: Sequence[Passage]
    ) -> None:
        """Keep the vectors of an atom and of its passages, unless it has changed meanwhile."""
        packed = [
            [one.text, vector, str(one.start), str(one.end), one.file, hidden_words(one.text)]
            for one, vector in zip(passages, vectors[1:], strict=True)
        ]
        words = "" if passages else hidden_words(text.content)
        told = (text.id, text.version, vectors[0], pack(packed) if packed else b"", field, words)
        await self._store.run("FCALL", "stoa_embed", 1, self._store.keys.space(space), *told)

    async def without_context(self, space: str, count: int) -> list[str]:
        return [id.decode() for id in await self._store.run("SRANDMEMBER", self._store.keys.contexts(space), count)]

    async def understood(self, space: str, id: str) -> None:
        """The atom needs no context, or is gone."""
        await self._store.run("SREM", self._store.keys.contexts(space), id)

    async def context(self, space: str, id: str) -> tuple[str, bool]:
        """The text an atom is understood by, and whether that asks for it; '' if it needs none."""
        found = await self._store.run("FCALL_RO", "stoa_context", 1, self._store.keys.space(space), id)
        return (found[0].decode(), found[1] == b"asked") if found else ("", False)

    async def changed(self, space: str, after: int) -> tuple[list[str], int]:
        found: dict[str, None] = {}
        while entries := await self._store.run(*self._store.reading("stoa_changes", space, OWNER.id, after, 1000)):
            after = int(entries[-1][0].partition(b"-")[0])
            found |= dict.fromkeys(fields[fields.index(b"id") + 1].decode() for _, fields in entries)
        return [id for id in found if id], after

    async def add_words(self, space: str, id: str, version: int, words: str) -> None:
        """Index the words of an atom that was changed by a piece, unless it has changed meanwhile."""
        await self._store.run("FCALL", "stoa_words", 1, self._store.keys.space(space), id, version, words)

    async def pieces(self, space: str, id: str) -> tuple[bytes, list[str]] | None:
        """An atom's version, and the texts its vectors are of: its own and those of its passages."""
        keys = self._store.keys
        version, content, count = await self._store.run("HMGET", keys.atom(space, id), "ver", "c", "pn")
        if version is None:
            return None
        numbers = range(1, int(count or 0) + 1)
        found = await self._store.together(*(["HGET", keys.atom(space, f"{id}#{n}"), "c"] for n in numbers))
        return version, [(text or b"").decode() for text in (content, *found)]

    async def add(self, space: str, id: str, version: bytes, field: str, vectors: Sequence[bytes]) -> None:
        """Keep another embedder's vectors beside those there are, unless the atom has changed meanwhile."""
        key = self._store.keys.space(space)
        await self._store.run("FCALL", "stoa_reembed", 1, key, id, version, field, pack(list(vectors)))

    async def forget(self, space: str, ids: Sequence[str], retired: RetiredEmbedder, field: str) -> None:
        """Remove old vectors; what has none in `field`, or perhaps an outdated one, waits for it."""
        key, told = self._store.keys.space(space), (retired.field, field, retired.since)
        commands: list[Sequence[Argument]] = [["FCALL", "stoa_forget_vectors", 1, key, id, *told] for id in ids]
        await self._store.together(*commands)

    async def refuse_before(self, space: str, field: str) -> None:
        await self._store.run("HSET", self._store.keys.space(space), "vf", field)

    async def choice(self) -> EmbedderChoice | None:
        stored = await self._store.run("HGETALL", self._store.keys.embedder())
        known = {key.decode(): value.decode() for key, value in stored.items()}
        if not known:
            return None
        return EmbedderChoice(known["name"], known["url"], known["id"], int(known["dimensions"]), known["field"])

    async def choose(self, choice: EmbedderChoice, before: EmbedderChoice | None = None, since: int = 0) -> None:
        told = ["name", choice.name, "url", choice.url, "id", choice.id, "field", choice.field]
        told += [f"{RETIRED_PREFIX}{before.field}", f"{since} {before.id}"] if before else []
        await self._store.run("HSET", self._store.keys.embedder(), *told, "dimensions", choice.dimensions)

    async def retired(self) -> list[RetiredEmbedder]:
        found = []
        for name, told in (await self._store.run("HGETALL", self._store.keys.embedder())).items():
            if name.decode().startswith(RETIRED_PREFIX):
                since, _, id = told.decode().partition(" ")
                found.append(RetiredEmbedder(name.decode().removeprefix(RETIRED_PREFIX), id, int(since)))
        return found

    async def forget_embedder(self, field: str) -> None:
        await self._store.run("HDEL", self._store.keys.embedder(), f"{RETIRED_PREFIX}{field}")
