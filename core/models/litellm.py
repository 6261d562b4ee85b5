"""Providers: any model that litellm can reach, streamed."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from types import ModuleType
from typing import Any

from core.errors import ModelUnavailable
from core.models.calls import MAX_ATTEMPTS, Endpoint, call_errors, import_litellm, litellm_call
from core.models.llm import Message, Picture, Usage

OLLAMA_PREFIX = "ollama/"
OLLAMA_URL = "http://localhost:11434"
CACHE_MARKED_PROVIDERS = frozenset({"anthropic", "bedrock", "bedrock_converse", "vertex_ai-anthropic_models"})
"""The providers that keep what was read before only where they are told to."""
UNSEEN_NOTE = "[The images are not shown to you: you see none, or one of them is damaged.]"


class Provider:
    """Any model that litellm can reach, streamed, with a few patient attempts and errors that say what to do."""

    def __init__(
        self,
        name: str,
        url: str = "",
        *,
        patience: float = 120,
        pause: float = 1,
        attempts: int = MAX_ATTEMPTS,
        sees: bool | None = None,
    ) -> None:
        """`sees` says whether the model sees pictures; None is for litellm to know. For the others see `Endpoint`."""
        self.name = name
        self._sees = sees
        self._endpoint = Endpoint(
            kind="model",
            name=name,
            url=url or (_ollama() if name.startswith(OLLAMA_PREFIX) else ""),
            setting="STOA_MODEL",
            without="use the built-in model with STOA_MODEL=offline",
            patience=patience,
            pause=pause,
            attempts=attempts,
        )

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        seeing = any(message.pictures for message in messages) and await self.sees()
        try:
            stream, chunk = await self._begun(messages, seeing=seeing)
        except ModelUnavailable as error:
            if not seeing or error.kind != "refused":
                raise
            stream, chunk = await self._begun(messages)  # a damaged picture must silence nobody
        usage = None
        try:
            while chunk is not None:
                if piece := _text(chunk):
                    yield piece
                usage = getattr(chunk, "usage", None) or usage
                chunk = await self._next(stream)
        except call_errors() as error:
            raise self._endpoint.failed(error, begun=True) from None
        finally:
            await stream.aclose()
        if usage:
            yield self._usage(import_litellm(), usage)

    async def sees(self) -> bool:
        """True if the model sees pictures."""
        if self._sees is None:
            litellm = await asyncio.to_thread(import_litellm)
            known = not self.name.startswith(OLLAMA_PREFIX)  # to know of those, litellm would ask Ollama and block us
            self._sees = known and bool(litellm.supports_vision(self.name))
        return self._sees

    async def _begun(self, messages: Sequence[Message], *, seeing: bool = False) -> tuple[Any, Any]:
        """A reply's stream and its first piece of text, or its end: until then a call that fails is made again."""

        async def begin(litellm: ModuleType) -> tuple[Any, Any]:
            options = self._options(litellm)
            marked = _provider(litellm, options["model"]) in CACHE_MARKED_PROVIDERS
            stream = await litellm.acompletion(messages=_turns(messages, marked=marked, seeing=seeing), **options)
            async with AsyncExitStack() as stack:
                stack.push_async_callback(stream.aclose)
                chunk = await anext(stream, None)
                while chunk is not None and not _text(chunk) and not getattr(chunk, "usage", None):
                    chunk = await anext(stream, None)
                stack.pop_all()
            return stream, chunk

        return await litellm_call(self._endpoint, begin)

    async def _next(self, stream: Any) -> Any | None:
        async with asyncio.timeout(self._endpoint.patience):
            return await anext(stream, None)

    def _usage(self, litellm: ModuleType, taken: Any) -> Usage:
        """The tokens that the provider counted, and their price where litellm knows it."""
        try:
            dollars = sum(litellm.cost_per_token(model=self._model(litellm), usage_object=taken))
        except litellm.exceptions.ModelNotMappedError:
            dollars = 0.0
        cached = getattr(taken.prompt_tokens_details, "cached_tokens", None) or 0
        return Usage(self.name, taken.prompt_tokens or 0, taken.completion_tokens or 0, cached, dollars)

    def _options(self, litellm: ModuleType) -> dict[str, Any]:
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        return self._endpoint.options(litellm, self._model(litellm)) | streamed

    def _model(self, litellm: ModuleType) -> str:
        """The model's name as litellm is given it; raises `ModelUnavailable` for an unknown provider."""
        if self.name.startswith(OLLAMA_PREFIX):  # its own protocol knows no turns, the one it shares with OpenAI does
            return f"openai/{self.name.removeprefix(OLLAMA_PREFIX)}"
        if _provider(litellm, self.name):
            return self.name
        if self._endpoint.url:
            return f"openai/{self.name}"
        raise ModelUnavailable(
            f"No provider is known for the model {self.name!r}. Set STOA_MODEL to provider/name, such as "
            "anthropic/claude-sonnet-4-5 or ollama/qwen3, and the provider's key in its variable; or set "
            "STOA_MODEL=offline.",
            "unknown",
        )


def _text(chunk: Any) -> str:
    return str(chunk.choices[0].delta.content or "") if chunk.choices else ""


def _turns(messages: Sequence[Message], *, marked: bool, seeing: bool = False) -> list[dict[str, Any]]:
    """The messages as a provider takes them; `marked` where what is read again should be kept: head, past, and all.

    Only a model that is `seeing` gets the pictures; any other is told that it does not.
    """
    texts = [f"{one.text}\n\n{UNSEEN_NOTE}" if one.pictures and not seeing else one.text for one in messages]
    turns: list[dict[str, Any]] = [
        {"role": one.role, "content": text} for one, text in zip(messages, texts, strict=True)
    ]
    if marked and turns:
        examples = next((n for n, message in enumerate(messages) if message.example), len(turns))
        for n in {0, max(0, examples - 1), len(turns) - 1}:
            turns[n]["content"] = [{"type": "text", "text": texts[n], "cache_control": {"type": "ephemeral"}}]
    for turn, message in zip(turns, messages, strict=True):
        if message.pictures and seeing:
            said = [{"type": "text", "text": message.text}] if isinstance(turn["content"], str) else turn["content"]
            turn["content"] = [part for picture in message.pictures for part in _shown(picture)] + said
    return turns


def _shown(picture: Picture) -> list[dict[str, Any]]:
    url = f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
    return [{"type": "text", "text": picture.label}, {"type": "image_url", "image_url": {"url": url}}]


def _provider(litellm: ModuleType, name: str) -> str:
    try:
        return str(litellm.get_llm_provider(name)[1])
    except litellm.exceptions.BadRequestError:
        return ""


def _ollama() -> str:
    """Ollama's address: from its own variables, else on this machine."""
    named = os.environ.get("OLLAMA_API_BASE") or os.environ.get("OLLAMA_HOST") or OLLAMA_URL
    named = named if "://" in named else f"http://{named}"
    return f"{named.rstrip('/').removesuffix('/v1')}/v1"
