"""Context: the vector of an atom that makes sense only after another, made from both."""

from core.models.embeddings import Embedder
from core.search.vectors import Vectors

ASKED_WEIGHT = 0.6
"""Share of the text with its context, where that is a question or a heading."""
TOLD_WEIGHT = 0.3
MAX_DEPENDENT_CHARS = 120
"""A longer text is understood without what it refers to, unless that asks for it."""


async def embed_in_context(embedder: Embedder, vectors: Vectors, space: str, id: str, content: str) -> bytes:
    context, asked = await vectors.context(space, id)
    if not context or not (asked or len(content) <= MAX_DEPENDENT_CHARS):
        return (await embedder.embed([content]))[0]
    alone, together = await embedder.embed([content, f"{context}\n{content}"])
    return _blended(alone, together, ASKED_WEIGHT if asked else TOLD_WEIGHT)


def _blended(one: bytes, other: bytes, share: float) -> bytes:
    import numpy as np

    alone, together = (np.frombuffer(vector, "<f2").astype(np.float32) for vector in (one, other))
    blend = (1 - share) * alone + share * together
    return (blend / (np.linalg.norm(blend) or 1)).astype("<f2").tobytes()
