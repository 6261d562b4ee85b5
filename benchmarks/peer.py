"""One peer at the common work, run in the peers' own environment: `python peer.py NAME REDIS_URL DIRECTORY ATOMS`.

It knows nothing of Stoa. What it prints is JSON: the median milliseconds of each act, and the recall of its searches.
"""

import contextlib
import importlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

numpy: Any = importlib.import_module("numpy")

DIMENSIONS = 384
ACTS = {"put": 300, "get": 300, "update": 200, "search": 60}
LIMIT = 10
BATCH = 500
Item = tuple[str, str, str, Any]
"""An id, a text, a status and a vector of unit length."""


class RedisVL:
    """redisvl: a hash an atom, a FLAT index."""

    def __init__(self, url: str, directory: Path) -> None:
        redisvl, self.query = importlib.import_module("redisvl.index"), importlib.import_module("redisvl.query")
        self.tag = importlib.import_module("redisvl.query.filter").Tag
        self.index = redisvl.SearchIndex.from_dict(redisvl_schema(), redis_url=url)
        self.index.create(overwrite=True)

    def fill(self, items: Sequence[Item]) -> None:
        self.index.load(redisvl_rows(items), id_field="id")

    def get(self, id: str) -> object:
        return self.index.fetch(id)

    def update(self, item: Item) -> None:
        self.fill([item])

    def search(self, text: str, vector: Any) -> list[str]:
        wanted = self.query.VectorQuery(
            vector.tobytes(),
            "vector",
            ["id", "text", "status"],
            filter_expression=self.tag("status") == "pending",
            num_results=LIMIT,
        )
        return [found["id"].removeprefix("v:") for found in self.index.query(wanted)]


def redisvl_schema() -> dict[str, Any]:
    """The index of redisvl."""
    vector = {"algorithm": "flat", "dims": DIMENSIONS, "distance_metric": "cosine", "datatype": "float32"}
    fields = [{"name": "status", "type": "tag"}, {"name": "text", "type": "text"}]
    fields += [{"name": "vector", "type": "vector", "attrs": vector}]  # type: ignore[dict-item]
    return {"index": {"name": "v", "prefix": "v"}, "fields": fields}


def redisvl_rows(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The atoms as redisvl keeps them."""
    return [{"id": i, "text": t, "status": s, "vector": v.tobytes()} for i, t, s, v in items]


class RedisOM:
    """redis-om: a JSON document an atom, a FLAT index."""

    def __init__(self, url: str, directory: Path) -> None:
        os.environ["REDIS_OM_URL"] = url
        om = importlib.import_module("redis_om")
        model = importlib.import_module("redis_om.model.model")
        self.model = redis_om_model(om, model)
        self.knn = model.KNNExpression
        om.Migrator().run()

    def fill(self, items: Sequence[Item]) -> None:
        for id, text, status, vector in items:
            self.model(pk=id, text=text, status=status, vector=vector.tolist()).save()

    def get(self, id: str) -> object:
        return self.model.get(id)

    def update(self, item: Item) -> None:
        self.model.get(item[0]).update(status=item[2])

    def search(self, text: str, vector: Any) -> list[str]:
        nearest = self.knn(
            k=LIMIT, vector_field=self.model.vector, score_field=self.model.distance, reference_vector=vector.tobytes()
        )
        return [found.pk for found in self.model.find(self.model.status == "pending", knn=nearest).all()]


def redis_om_model(om: Any, model: Any) -> Any:
    """The model of redis-om, of its modules for ordinary or for asyncio code."""
    options = model.VectorFieldOptions.flat(
        type=model.VectorFieldOptions.TYPE.FLOAT32,
        dimension=DIMENSIONS,
        distance_metric=model.VectorFieldOptions.DISTANCE_METRIC.COSINE,
    )
    base: Any = om.JsonModel
    fields = {
        "__module__": __name__,
        "__annotations__": {"text": str, "status": str, "vector": list[float], "distance": float},
        "distance": 0.0,
        "status": om.Field(index=True),
        "vector": om.Field(index=True, vector_options=options),
    }
    return type(base)("Memory", (base,), fields, index=True)


class LangGraph:
    """langgraph-checkpoint-redis: the store, not the checkpoints."""

    def __init__(self, url: str, directory: Path) -> None:
        self.vectors: dict[str, list[float]] = {}
        store = importlib.import_module("langgraph.store.redis").RedisStore
        index = {"dims": DIMENSIONS, "embed": self.embed, "fields": ["text"], "distance_type": "cosine"}
        self.stack = contextlib.ExitStack()
        self.store = self.stack.enter_context(store.from_conn_string(url, index=index))
        self.store.setup()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def fill(self, items: Sequence[Item]) -> None:
        for id, text, status, vector in items:
            self.vectors[text] = vector.tolist()
            self.store.put(("atoms",), id, {"text": text, "status": status})

    def get(self, id: str) -> object:
        return self.store.get(("atoms",), id)

    def update(self, item: Item) -> None:
        self.fill([item])

    def search(self, text: str, vector: Any) -> list[str]:
        self.vectors[text] = vector.tolist()
        found = self.store.search(("atoms",), query=text, filter={"status": "pending"}, limit=LIMIT)
        return [one.key for one in found]


class Mem0:
    """mem0: its vector store on Redis, without the model that mem0 asks at each memory."""

    def __init__(self, url: str, directory: Path) -> None:
        os.environ.setdefault("MEM0_TELEMETRY", "False")
        os.environ["MEM0_DIR"] = str(directory)
        self.store = importlib.import_module("mem0.vector_stores.redis").RedisDB(url, "bench", DIMENSIONS)

    def fill(self, items: Sequence[Item]) -> None:
        self.store.insert([v for *_, v in items], [self._payload(item) for item in items], [i for i, *_ in items])

    def get(self, id: str) -> object:
        return self.store.get(id)

    def update(self, item: Item) -> None:
        payload = self._payload(item) | {"updated_at": "2026-01-01T00:00:00+00:00"}
        self.store.update(vector_id=item[0], vector=item[3], payload=payload)

    def search(self, text: str, vector: Any) -> list[str]:
        found = self.store.search(text, vector, top_k=LIMIT, filters={"user_id": "pending"})
        return [one.id for one in found]

    def _payload(self, item: Item) -> dict[str, str]:
        """Its schema has no metadata to filter by but the owner's ids; one of them stands for the status."""
        return {"hash": "0", "data": item[1], "created_at": "2026-01-01T00:00:00+00:00", "user_id": item[2]}


class Chroma:
    """chromadb: a collection on disk."""

    def __init__(self, url: str, directory: Path) -> None:
        chroma = importlib.import_module("chromadb")
        quiet = importlib.import_module("chromadb.config").Settings(anonymized_telemetry=False)
        client = chroma.PersistentClient(str(directory), settings=quiet)
        self.atoms = client.create_collection("atoms", metadata={"hnsw:space": "cosine"}, embedding_function=None)

    def fill(self, items: Sequence[Item]) -> None:
        ids, texts, states, vectors = zip(*items, strict=True)
        self.atoms.add(
            ids=list(ids), documents=list(texts), embeddings=list(vectors), metadatas=[{"status": s} for s in states]
        )

    def get(self, id: str) -> object:
        return self.atoms.get(ids=[id])["documents"][0]

    def update(self, item: Item) -> None:
        self.atoms.update(ids=[item[0]], metadatas=[{"status": item[2]}])

    def search(self, text: str, vector: Any) -> list[str]:
        found = self.atoms.query(query_embeddings=[vector], n_results=LIMIT, where={"status": "pending"})
        return list(found["ids"][0])


class SqliteVec:
    """sqlite-vec: a virtual table in a file, in this very process."""

    def __init__(self, url: str, directory: Path) -> None:
        # Not every Python's own sqlite3 can load an extension.
        self.base = importlib.import_module("pysqlite3").connect(str(directory / "atoms.db"))
        self.base.enable_load_extension(True)
        importlib.import_module("sqlite_vec").load(self.base)
        self.base.execute("PRAGMA journal_mode=WAL")
        self.base.execute("PRAGMA synchronous=NORMAL")
        vector = f"vector float[{DIMENSIONS}] distance_metric=cosine"
        self.base.execute(
            f"CREATE VIRTUAL TABLE atoms USING vec0(id text primary key, {vector}, status text, +text text)"
        )

    def fill(self, items: Sequence[Item]) -> None:
        with self.base:
            rows = [(i, v.tobytes(), s, t) for i, t, s, v in items]
            self.base.executemany("INSERT INTO atoms(id, vector, status, text) VALUES (?, ?, ?, ?)", rows)

    def get(self, id: str) -> object:
        return self.base.execute("SELECT text, status FROM atoms WHERE id = ?", (id,)).fetchone()

    def update(self, item: Item) -> None:
        with self.base:
            self.base.execute("UPDATE atoms SET status = ? WHERE id = ?", (item[2], item[0]))

    def search(self, text: str, vector: Any) -> list[str]:
        asked = (
            "SELECT id, text, status FROM atoms WHERE vector MATCH ? AND k = ? AND status = 'pending' ORDER BY distance"
        )
        return [row[0] for row in self.base.execute(asked, (vector.tobytes(), LIMIT))]


PEERS: dict[str, Callable[[str, Path], Any]] = {
    "redisvl": RedisVL,
    "redis-om": RedisOM,
    "langgraph-checkpoint-redis": LangGraph,
    "mem0": Mem0,
    "chromadb": Chroma,
    "sqlite-vec": SqliteVec,
}


def items(count: int) -> list[Item]:
    """The common work: the same atoms for everybody."""
    rows = numpy.random.default_rng(7).standard_normal((count, DIMENSIONS)).astype("float32")
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    return [(f"atom-{n}", f"This is the text of atom {n}.", ("pending", "done")[n % 2], rows[n]) for n in range(count)]


def recall(found: Sequence[Sequence[str]], atoms: Sequence[Item], asked: Sequence[Item]) -> float:
    """How many of the ten nearest pending atoms were found, by an exact answer."""
    pending = [item for item in atoms if item[2] == "pending"]
    rows = numpy.stack([item[3] for item in pending])
    shares = []
    for mine, item in zip(found, asked, strict=True):
        best = numpy.argsort(-(rows @ item[3]))[:LIMIT]
        shares.append(len(set(mine) & {pending[n][0] for n in best}) / LIMIT)
    return statistics.fmean(shares)


def work(peer: Any, count: int) -> dict[str, float]:
    """Fill it, then do each thing so many times, one after the other."""
    everything = items(count + ACTS["put"] + ACTS["search"])
    atoms, new, asked = everything[:count], everything[count : -ACTS["search"]], everything[-ACTS["search"] :]
    for first in range(0, count, BATCH):
        peer.fill(atoms[first : first + BATCH])
    taken = {"put": [_milliseconds(lambda item=item: peer.fill([item])) for item in new]}  # type: ignore[misc]
    some = atoms[:: max(1, count // ACTS["get"])][: ACTS["get"]]
    assert peer.get(some[0][0]), "it does not find what was put"
    taken["get"] = [_milliseconds(lambda item=item: peer.get(item[0])) for item in some]  # type: ignore[misc]
    found: list[list[str]] = []
    taken["search"] = [
        _milliseconds(lambda item=item: found.append(peer.search(item[1], item[3])))  # type: ignore[misc]
        for item in asked
    ]
    half = some[: ACTS["update"] // 2]
    changes = [(id, text, moved(status), vector) for id, text, status, vector in half] + half  # there and back
    taken["update"] = [_milliseconds(lambda item=item: peer.update(item)) for item in changes]  # type: ignore[misc]
    return {name: statistics.median(times) for name, times in taken.items()} | {
        "recall": recall(found, [*atoms, *new], asked)
    }


def moved(status: str) -> str:
    """What an update makes of a status."""
    return "done" if status == "pending" else "pending"


def _milliseconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    name, url, directory, count = sys.argv[1:]
    print(json.dumps(work(PEERS[name](url, Path(directory)), int(count))))
