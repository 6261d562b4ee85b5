"""Embeddings of a provider: any that litellm reaches, many texts a call, with errors that say what to do."""

import asyncio
import hashlib
import re
from collections.abc import Sequence

from core.errors import ModelUnavailable
from core.models.litellm import import_litellm

BATCH = 64
"""Texts in one call."""
ATTEMPTS = 3
PASSING = (408, 429, 500, 502, 503, 504, 529)
"""Answers that may be others a little later."""


class RemoteEmbedder:
    """An embedding model behind a network, by the name litellm knows it under."""

    def __init__(
        self, name: str, url: str = "", dimensions: int = 0, *, patience: float = 60, pause: float = 1
    ) -> None:
        """`dimensions` is 0 until `learn` has asked; `pause` the seconds before a second attempt, doubled after."""
        self.name = name
        self.url = url
        self.dimensions = dimensions
        mark = hashlib.blake2b(f"{name} {url}".encode(), digest_size=4).hexdigest()
        self.id = f"{re.sub(r'[^a-z0-9.-]+', '-', name.lower())[:60]}-{mark}"
        self._patience = patience
        self._pause = pause

    async def learn(self) -> None:
        """Find out how many numbers its vectors have, by asking for one."""
        self.dimensions = len((await self._ask(["how long is a vector?"]))[0])

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text, in order; raises `ModelUnavailable`."""
        if not texts:
            return []
        import numpy as np

        found: list[bytes] = []
        for start in range(0, len(texts), BATCH):
            asked = [text.strip() or "(empty)" for text in texts[start : start + BATCH]]  # providers refuse no text
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
        litellm = await asyncio.to_thread(import_litellm)
        import openai  # what litellm's errors derive from; here it is loaded already

        options: dict[str, object] = {"api_base": self.url, "api_key": "none"} if self.url else {}
        if self.url and not litellm.validate_environment(self.name)["missing_keys"]:
            del options["api_key"]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._patience):
                    answer = await litellm.aembedding(
                        model=self.name, input=list(texts), encoding_format="float", max_retries=0, **options
                    )
                return [one["embedding"] for one in sorted(answer.data, key=lambda one: int(one["index"]))]
            except (openai.OpenAIError, TimeoutError) as error:
                status = getattr(error, "status_code", None)
                if attempt == ATTEMPTS or not (isinstance(error, TimeoutError) or status in PASSING):
                    raise ModelUnavailable(self._sentence(error, status)) from None
            await asyncio.sleep(self._pause * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _sentence(self, error: Exception, status: object) -> str:
        """What went wrong and what to do; nothing of what the provider said, since keys can stand in it."""
        where = f" at {self.url}" if self.url else ""
        name = f"The embedding model {self.name!r}"
        match status:
            case 401 | 403:
                return f"The provider of {name[4:]} refused the key; check the provider's key in the environment."
            case 404:
                return f"{name} is not known{where}; check STOA_EMBEDDER and STOA_EMBEDDER_URL."
            case 429:
                return f"The provider of {name[4:]} answers that there are too many requests; wait a little."
            case 400:
                return f"{name} cannot be used so: the provider refused the request. Check STOA_EMBEDDER."
        if isinstance(error, TimeoutError):
            return f"{name} said nothing for {self._patience:g} seconds{where}; try again later."
        return f"{name} cannot be reached{where}; check the network, STOA_EMBEDDER and STOA_EMBEDDER_URL."
