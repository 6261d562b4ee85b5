"""Embeddings of a provider: any that litellm reaches, many texts a call."""

import hashlib
import re
from collections.abc import Sequence
from types import ModuleType

from core.errors import ModelUnavailable
from core.models.calls import Endpoint, litellm_call

TEXTS_PER_CALL = 64


class RemoteEmbedder:
    """An embedding model behind a network, by the name litellm knows it by."""

    def __init__(
        self, name: str, url: str = "", dimensions: int = 0, *, patience: float = 60, pause: float = 1
    ) -> None:
        """`dimensions` is 0 until `learn` has asked. For the others see `Endpoint`."""
        self.name = name
        self.dimensions = dimensions
        mark = hashlib.blake2b(f"{name} {url}".encode(), digest_size=4).hexdigest()
        self.id = f"{re.sub(r'[^a-z0-9.-]+', '-', name.lower())[:60]}-{mark}"
        self._endpoint = Endpoint(
            kind="embedding model",
            name=name,
            url=url,
            setting="STOA_EMBEDDER",
            without="use the built-in one with STOA_EMBEDDER=local",
            patience=patience,
            pause=pause,
        )

    async def learn(self) -> None:
        """Find out the length of its vectors, by asking for one."""
        self.dimensions = len((await self._ask(["how long is a vector?"]))[0])

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text, in order; raises `ModelUnavailable`."""
        if not texts:
            return []
        import numpy as np

        found: list[bytes] = []
        for start in range(0, len(texts), TEXTS_PER_CALL):
            asked = [text.strip() or "(empty)" for text in texts[start : start + TEXTS_PER_CALL]]  # no text is refused
            rows = np.array(await self._ask(asked), np.float32)
            if rows.shape != (len(asked), self.dimensions):
                raise ModelUnavailable(
                    f"The embedding model {self.name!r} answered vectors of {rows.shape[-1]} numbers, not of "
                    f"{self.dimensions} as before. Name the model that was used, or embed anew with another name."
                )
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            found += [row.astype("<f2").tobytes() for row in rows]
        return found

    async def _ask(self, texts: Sequence[str]) -> list[list[float]]:
        async def embed(litellm: ModuleType) -> list[list[float]]:
            options = self._endpoint.options(litellm, self.name)
            answer = await litellm.aembedding(input=list(texts), encoding_format="float", **options)
            return [one["embedding"] for one in sorted(answer.data, key=lambda one: int(one["index"]))]

        return await litellm_call(self._endpoint, embed)
