"""Finding: one search, from what is asked to the atoms, over the index and the rights of the one who asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.atoms import Atom, Principal
from core.embeddings import Embedder
from core.errors import InvalidInput, NotFound
from core.permissions import Permission
from core.search import (
    NUMBERS,
    RARE,
    SCHEMA,
    Filter,
    Query,
    States,
    by_meaning,
    by_words,
    check_filter,
    check_limit,
    fuse,
    identifiers_of,
    newest,
    read_hits,
    restrict,
    words_of,
)
from core.store import Argument, Store


@dataclass(frozen=True, slots=True)
class Asked:
    """What one search asks for. Raises `InvalidInput` where that cannot be asked."""

    query: str = ""
    metadata: Filter = field(default_factory=dict)
    references: States = field(default_factory=dict)
    limit: int = 10
    deprecated: bool = False

    def __post_init__(self) -> None:
        check_limit(self.limit)
        check_filter(self.metadata, self.references)


class Finder:
    """Answers searches, each in one round trip once it knows the spaces it searches."""

    def __init__(self, store: Store, embedder: Embedder | None) -> None:
        self._store = store
        self._embedder = embedder
        self._numbers: dict[str, dict[str, str]] = {}

    async def find(self, reader: Principal, names: Sequence[str], asked: Asked) -> list[Atom]:
        """The atoms of these spaces that fit best; raises `NotFound` for a space that the reader may not read."""
        built = await self._restricted(names, asked)
        return await self._ranked(reader, names, built, asked.query[:4_000].strip(), asked.limit)

    async def embed_waiting(self, names: Sequence[str]) -> int:
        """Make the vectors that are still missing in these spaces; answers how many."""
        if self._embedder is None:
            return 0
        done = 0
        for name in names:
            keys = self._store.keys
            while ids := await self._store.run("SRANDMEMBER", keys.unembedded(name), 64):
                known = [id.decode() for id in ids]
                stored = await self._store.together(*(["HMGET", keys.atom(name, id), "ver", "c"] for id in known))
                vectors = await self._embedder.embed([(text or b"").decode() for _, text in stored])
                await self._store.together(
                    *(
                        ["FCALL", "stoa_embed", 1, keys.space(name), id, version or b"", vector]
                        for id, (version, _), vector in zip(known, stored, vectors, strict=True)
                    )
                )
                done += len(known)
        return done

    async def _restricted(self, names: Sequence[str], asked: Asked) -> Query:
        await self._learn_numbers(names, [key for key, wanted in asked.metadata.items() if isinstance(wanted, Mapping)])
        query = Query()
        parts = [
            restrict(query, name, asked.metadata, asked.references, asked.deprecated, self._numbers.get(name, {}))
            for name in names
        ]
        query.filter = parts[0] if len(parts) == 1 else "(" + " | ".join(f"({part})" for part in parts) + ")"
        return query

    async def _learn_numbers(self, names: Sequence[str], keys: Sequence[str]) -> None:
        """Find out in which number fields these spaces hold these keys; a field given to a key stays with it."""
        unknown = [name for name in names if not self._numbers.get(name, {}).keys() >= set(keys)]
        fields = ["numbers", *(f"n:{key}" for key in keys)]
        stored = await self._store.together(*(["HMGET", self._store.keys.space(name), *fields] for name in unknown))
        for name, (taken, *found) in zip(unknown, stored, strict=True):
            if int(taken or 0) >= NUMBERS and not all(found):
                missing = ", ".join(key for key, field in zip(keys, found, strict=True) if not field)
                raise InvalidInput(
                    f"{name!r} compares {NUMBERS} keys already, {missing} is not among them; filter by others"
                )
            known = self._numbers.setdefault(name, {})
            known.update({key: field.decode() for key, field in zip(keys, found, strict=True) if field})

    async def _ranked(self, reader: Principal, names: Sequence[str], built: Query, text: str, limit: int) -> list[Atom]:
        embedder = self._embedder.id if self._embedder else await self._embedder_in_use()
        index = self._store.keys.index(SCHEMA, embedder)
        commands: list[Sequence[Argument]] = [self._store.reading("stoa_level", name, reader.id) for name in names]
        named = identifiers_of(text)
        if not text:
            commands.append(newest(index, built, limit))
        elif self._embedder:
            (vector,) = await self._embedder.embed([text])
            commands.append(by_meaning(index, built, vector, max(limit, 20) if named else limit))
            if named:
                commands.append(by_words(index, built, named, max(limit, 20)))
        elif words := words_of(text):
            commands.append(by_words(index, built, words, limit))
        else:
            return []
        answers = await self._store.together(*commands)
        levels, found = answers[: len(names)], answers[len(names) :]
        for name, (level, *_) in zip(names, levels, strict=True):
            if level < Permission.READ:
                raise NotFound(f"There is no space {name!r} that you may read. Check its name, or ask for access.")
        if ended := [name for name, (*_, claims) in zip(names, levels, strict=True) if claims]:
            await self._store.together(*(self._store.giving_back(name) for name in ended))
            return await self._ranked(reader, names, built, text, limit)
        if text and self._embedder and any(waiting for _, waiting, _ in levels):
            await self.embed_waiting(names)
            return await self._ranked(reader, names, built, text, limit)
        first, *rest = (read_hits(answer) for answer in found)
        if rest and 0 < rest[0][0] <= RARE:
            return fuse(first[1], rest[0][1], limit)
        return first[1][:limit]

    async def _embedder_in_use(self) -> str:
        """The embedder whose index is there, for a process that has none of its own."""
        prefix = self._store.keys.index(SCHEMA, "")
        for name in await self._store.run("FT._LIST"):
            if name.decode().startswith(prefix):
                return str(name.decode()[len(prefix) :])
        raise NotFound("There is no search index yet; start Stoa once with `stoa run`.")
