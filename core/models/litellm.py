"""Providers: any model that litellm can reach, streamed, with patience and errors that say what to do."""

import asyncio
import base64
import logging
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

from core.errors import ModelUnavailable
from core.models.llm import Message, Picture, Usage

ATTEMPTS = 4
LONGEST_RETRY = 30.0
"""Seconds a provider may ask us to wait before another attempt; asked for more, the answer is given up."""
OLLAMA = "ollama/"
OLLAMA_URL = "http://localhost:11434"
REMEMBERING = frozenset({"anthropic", "bedrock", "bedrock_converse", "vertex_ai-anthropic_models"})
"""The providers that keep what was read before only where they are told to."""
PICTURES_REFUSED = (400, 413, 415, 422)
"""Answers that may be about a picture in the request."""
UNSEEN = "[The images are not shown to you: you see none, or one of them is damaged.]"
CONNECTING = "set STOA_MODEL to provider/name and the provider's key in its variable, or STOA_MODEL=offline"
KEY_LIKE = re.compile(r"(?i)(?:bearer\s+\S+|\b(?:sk|pk|key|gsk|xai|AIza)[-_][\w*.-]{6,}|\bAIza[\w-]{10,})")


class Provider:
    """Any model that litellm can reach, streamed, with a few patient attempts and errors that say what to do."""

    def __init__(
        self,
        name: str,
        url: str = "",
        patience: float = 120,
        pause: float = 1,
        attempts: int = ATTEMPTS,
        sees: bool | None = None,
    ) -> None:
        """`sees` says whether the model sees pictures; None is for litellm to know."""
        self.name = name
        self.url = url or (_ollama() if name.startswith(OLLAMA) else "")
        self.attempts = attempts
        self.patience = patience
        """How many seconds the model may be silent, before its first word and between two."""
        self.pause = pause
        """How many seconds to wait before the second attempt; doubled before each further one."""
        self._sees = sees

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        litellm = await asyncio.to_thread(import_litellm)
        import openai  # what litellm's errors derive from; here it is loaded already

        options = self._options(litellm)
        marked = _provider(litellm, options["model"]) in REMEMBERING
        seeing = any(message.pictures for message in messages) and await self.sees()
        turns = _turns(messages, marked=marked, seeing=seeing)
        for attempt in range(1, self.attempts + 1):
            begun, usage = False, None
            try:
                async with asyncio.timeout(self.patience):
                    stream = await litellm.acompletion(messages=turns, **options)
                try:
                    while (chunk := await self._next(stream)) is not None:
                        if chunk.choices and (piece := chunk.choices[0].delta.content):
                            begun = True
                            yield piece
                        if taken := getattr(chunk, "usage", None):
                            usage = self._usage(litellm, options["model"], taken)
                    if usage:
                        yield usage
                    return
                finally:
                    await stream.aclose()
            except (openai.OpenAIError, TimeoutError) as error:
                refused = getattr(error, "status_code", None) in PICTURES_REFUSED
                if seeing and refused and not begun and attempt < self.attempts:
                    seeing, turns = False, _turns(messages, marked=marked)  # a damaged picture shall silence nobody;
                    continue  # whatever else was wrong is refused once more
                wanted = _retry_after(error)
                if begun or attempt >= min(self.attempts, _attempts(error)) or wanted > LONGEST_RETRY:
                    raise ModelUnavailable(self._sentence(error), _kind(error), wanted, begun=begun) from None
            await asyncio.sleep(max(wanted, self.pause * 2 ** (attempt - 1)))

    async def sees(self) -> bool:
        """Whether the model sees pictures."""
        if self._sees is None:
            litellm = await asyncio.to_thread(import_litellm)
            known = not self.name.startswith(OLLAMA)  # to know of those, litellm would ask Ollama and block us
            self._sees = known and bool(litellm.supports_vision(self.name))
        return self._sees

    async def _next(self, stream: Any) -> Any | None:
        """The next piece of the answer, None at the end."""
        async with asyncio.timeout(self.patience):
            return await anext(stream, None)

    def _usage(self, litellm: ModuleType, model: str, taken: Any) -> Usage:
        """What the provider says the reply took, and what that costs where litellm knows the model's prices."""
        try:
            dollars = sum(litellm.cost_per_token(model=model, usage_object=taken))
        except litellm.exceptions.ModelNotMappedError:
            dollars = 0.0
        cached = getattr(taken.prompt_tokens_details, "cached_tokens", None) or 0
        return Usage(self.name, taken.prompt_tokens or 0, taken.completion_tokens or 0, cached, dollars)

    def _options(self, litellm: ModuleType) -> dict[str, Any]:
        """What every call is made with; raises `ModelUnavailable` for an unknown provider or a missing key."""
        options: dict[str, Any] = {"model": self.name, "stream": True, "max_retries": 0}
        options["stream_options"] = {"include_usage": True}
        options["timeout"] = self.patience + 30  # ours ends first: litellm's is no time-out any more when it arrives
        if self.name.startswith(OLLAMA):  # its own protocol knows no turns, the one it shares with OpenAI does
            options["model"] = f"openai/{self.name.removeprefix(OLLAMA)}"
        elif not _provider(litellm, self.name):
            if not self.url:
                raise ModelUnavailable(
                    f"No provider is known for the model {self.name!r}; {CONNECTING}. "
                    "Names look like anthropic/claude-sonnet-4-5 or ollama/qwen3.",
                    "unknown",
                )
            options["model"] = f"openai/{self.name}"
        missing = [key for key in litellm.validate_environment(options["model"])["missing_keys"] if "API_KEY" in key]
        if self.url:
            options["api_base"] = self.url
            if missing:
                options["api_key"] = "none"  # a server of one's own wants no key, its client library wants some text
        elif missing:
            raise ModelUnavailable(
                f"The model {self.name!r} needs a key: set {' or '.join(missing)} in the environment, "
                "or use the built-in model with STOA_MODEL=offline.",
                "key",
            )
        return options

    def _sentence(self, error: Exception) -> str:
        """What went wrong, whose it is, and what to do about it, without any key."""
        status = getattr(error, "status_code", None)
        if isinstance(error, TimeoutError) or status == 408:
            return (
                f"The model {self.name!r} said nothing for {self.patience:g} seconds; try again, or choose another "
                "with STOA_MODEL."
            )
        match status:
            case 401 | 403:
                return (
                    f"The provider of {self.name!r} refused the key; check the key in the environment, or {CONNECTING}."
                )
            case 404:
                return f"The provider knows no model {self.name!r}; check the name in STOA_MODEL."
            case 402:
                return f"The provider of {self.name!r} wants to be paid first; check the account."
            case 429:
                return (
                    f"The provider of {self.name!r} answers that there are too many requests, or that the account is "
                    "used up; wait a little, check the account, or choose another model with STOA_MODEL."
                )
            case 500 | 502 | 503 | 504 | 529 if not unreachable(error):
                return f"The provider of {self.name!r} has an error of its own ({status}); try again later."
        if unreachable(error):
            where = self.url or "the provider"
            return f"The model {self.name!r} cannot be reached at {where}; check the network and STOA_MODEL_URL."
        return f"The provider of {self.name!r} refused the request: {_reason(error)}"


def without_keys(text: str) -> str:
    """The text with everything that is or looks like a key taken out."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"KEY|TOKEN|SECRET|PASSWORD", name):
            text = text.replace(value, "...")
    return KEY_LIKE.sub("...", text)


def _turns(messages: Sequence[Message], *, marked: bool, seeing: bool = False) -> list[dict[str, Any]]:
    """The messages as a provider takes them; `marked` where what is read again should be kept: head, past, and all.

    Only a model that is `seeing` gets the pictures; any other is told that it does not.
    """
    texts = [f"{one.text}\n\n{UNSEEN}" if one.pictures and not seeing else one.text for one in messages]
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
    """A picture as a provider takes it, under its label."""
    url = f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
    return [{"type": "text", "text": picture.label}, {"type": "image_url", "image_url": {"url": url}}]


def _provider(litellm: ModuleType, name: str) -> str:
    """Whose model this is; empty if nobody knows."""
    try:
        return str(litellm.get_llm_provider(name)[1])
    except litellm.exceptions.BadRequestError:
        return ""


def _ollama() -> str:
    """Where Ollama listens: where its own variables say, else on this machine."""
    named = os.environ.get("OLLAMA_API_BASE") or os.environ.get("OLLAMA_HOST") or OLLAMA_URL
    named = named if "://" in named else f"http://{named}"
    return f"{named.rstrip('/').removesuffix('/v1')}/v1"


def _retry_after(error: BaseException | None) -> float:
    """How many seconds the provider asks us to wait; 0 where it does not say."""
    while error is not None:
        wanted = str(getattr(getattr(error, "response", None), "headers", {}).get("retry-after", ""))
        with suppress(ValueError):
            return max(0.0, float(wanted))
        with suppress(ValueError):
            return max(0.0, (parsedate_to_datetime(wanted) - datetime.now(UTC)).total_seconds())
        error = error.__cause__ or error.__context__
    return 0.0


def _kind(error: Exception) -> str:
    """What kind of failure it is, in one word."""
    status = getattr(error, "status_code", None)
    if isinstance(error, TimeoutError) or status == 408:
        return "silent"
    if unreachable(error):
        return "unreachable"
    kinds = {401: "key", 402: "unpaid", 403: "key", 404: "unknown", 429: "busy"}
    return kinds.get(status or 0, "broken" if status and status >= 500 else "refused")


def _attempts(error: Exception) -> int:
    """How many attempts such an error is worth: many if it passes by itself, two after a long silence, else one."""
    if isinstance(error, TimeoutError):
        return 2
    return ATTEMPTS if getattr(error, "status_code", None) in (408, 429, 500, 502, 503, 504, 529) else 1


def unreachable(error: BaseException | None) -> bool:
    """Whether no answer came because nobody was there: litellm tells it apart only in what the error came from."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: Exception) -> str:
    """The first words of a provider's reason, without keys."""
    text = " ".join(without_keys(str(error)).split())
    return text if len(text) <= 300 else text[:300].rstrip() + "..."


def import_litellm() -> ModuleType:
    """Import litellm: seconds and 165 MB, so only when a model is called, and without its own calls home."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a price list
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # every error it logs also reaches us as an exception
    return litellm
