"""Calls through litellm: tried again where that helps, and failing with a sentence that says what to do."""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any, TypeVar

from core.errors import ModelUnavailable, StoaError

Result = TypeVar("Result")

MAX_ATTEMPTS = 4
MAX_RETRY_AFTER_SECONDS = 30.0
"""A provider that asks us to wait longer before another attempt is given up."""
MAX_REASON_CHARS = 300
TIMEOUT_STATUS = 408
PASSING_STATUSES = (TIMEOUT_STATUS, 429, 500, 502, 503, 504, 529)
"""A little later the answer may be another one."""
FAILURE_KINDS = {401: "key", 402: "unpaid", 403: "key", 404: "unknown", 429: "busy"}
KEY_LIKE = re.compile(r"(?i)(?:bearer\s+\S+|\b(?:sk|pk|key|gsk|xai|AIza)[-_][\w*.-]{6,}|\bAIza[\w-]{10,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind a network, and the words with which errors speak of it."""

    kind: str
    """What it is to a person, such as `embedding model`."""
    name: str
    """The name that litellm knows it by."""
    url: str
    """The address of a server of one's own; empty for the provider's."""
    setting: str
    """The setting that names it; that with `_URL` behind is for its address."""
    without: str
    """How to do without it, where its key is missing."""
    hint: str = ""
    """What to do where the provider refuses a request."""
    patience: float = 120
    """Seconds for which it may be silent."""
    pause: float = 1
    """Seconds before the second attempt; doubled before each further one."""
    attempts: int = 3

    def options(self, litellm: ModuleType, model: str) -> dict[str, Any]:
        """The options of each call; raises `ModelUnavailable` where the key is missing."""
        missing = [key for key in litellm.validate_environment(model)["missing_keys"] if "API_KEY" in key]
        if not self.url and missing:
            raise ModelUnavailable(
                f"The {self.kind} {self.name!r} needs a key: set {' or '.join(missing)} in the environment, or "
                f"{self.without}.",
                "key",
            )
        own: dict[str, Any] = {"api_base": self.url} if self.url else {}
        if missing:
            own["api_key"] = "none"  # a server of one's own wants no key, its client library wants some text
        return {**own, "model": model, "max_retries": 0, "timeout": self.patience + 30}  # our own time limit ends first

    def failed(self, error: Exception, *, begun: bool = False) -> ModelUnavailable:
        return ModelUnavailable(self._sentence(error), _kind(error), _retry_after(error), begun=begun)

    def _sentence(self, error: Exception) -> str:
        status = getattr(error, "status_code", None)
        who, provider = f"The {self.kind} {self.name!r}", f"The provider of the {self.kind} {self.name!r}"
        where = self.url or "its provider"
        match _kind(error):
            case "silent":
                return (
                    f"{who} said nothing for {self.patience:g} seconds; try again, or choose another {self.kind} with "
                    f"{self.setting}."
                )
            case "unreachable":
                return f"{who} cannot be reached at {where}; check the network and {self.setting}_URL."
            case "key":
                return f"{provider} refused the key; check the key in the environment, or {self.without}."
            case "unknown":
                return f"{who} is not known at {where}; check {self.setting} and {self.setting}_URL."
            case "unpaid":
                return f"{provider} wants to be paid first; check the account."
            case "busy":
                return (
                    f"{provider} answers that there are too many requests, or that the account is used up; wait a "
                    f"little, check the account, or choose another {self.kind} with {self.setting}."
                )
            case "broken":
                return f"{provider} has an error of its own ({status}); try again later."
        return " ".join(filter(None, (f"{provider} refused the request: {_reason(error)}", self.hint)))


async def litellm_call(endpoint: Endpoint, call: Callable[[ModuleType], Awaitable[Result]]) -> Result:
    """The answer of a call that is made with litellm, tried again where that may help; raises `ModelUnavailable`."""
    litellm = await asyncio.to_thread(import_litellm)
    for attempt in range(1, endpoint.attempts + 1):
        try:
            async with asyncio.timeout(endpoint.patience):
                return await call(litellm)
        except StoaError:
            raise
        except call_errors() as error:
            wanted = _retry_after(error)
            if attempt >= min(endpoint.attempts, _attempts_worth(error)) or wanted > MAX_RETRY_AFTER_SECONDS:
                raise endpoint.failed(error) from None
        await asyncio.sleep(max(wanted, endpoint.pause * 2 ** (attempt - 1)))
    raise AssertionError("the last attempt returns or raises")


def call_errors() -> tuple[type[Exception], ...]:
    """Errors of the network, the provider or litellm itself; only once litellm is loaded."""
    import openai  # litellm's errors derive from its

    return (openai.OpenAIError, OSError, ValueError, LookupError)  # TimeoutError is an OSError


def import_litellm() -> ModuleType:
    """Import litellm: seconds and 165 MB, so only when a model is called, and without its own calls home."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import fetches a price list
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # every error it logs also reaches us as an exception
    return litellm


def without_keys(text: str) -> str:
    """The text with everything that is or looks like a key taken out."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"KEY|TOKEN|SECRET|PASSWORD", name):
            text = text.replace(value, "...")
    return KEY_LIKE.sub("...", text)


def _kind(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    if isinstance(error, TimeoutError) or status == TIMEOUT_STATUS:
        return "silent"
    if _nobody_there(error):
        return "unreachable"
    return FAILURE_KINDS.get(status or 0, "broken" if status and status >= 500 else "refused")


def _attempts_worth(error: Exception) -> int:
    """Many for what passes by itself, two after a long silence, else one."""
    if isinstance(error, TimeoutError):
        return 2
    return MAX_ATTEMPTS if getattr(error, "status_code", None) in PASSING_STATUSES else 1


def _retry_after(error: BaseException | None) -> float:
    """The seconds that the provider asks us to wait; 0 where it does not say."""
    while error is not None:
        wanted = str(getattr(getattr(error, "response", None), "headers", {}).get("retry-after", ""))
        with suppress(ValueError):
            return max(0.0, float(wanted))
        with suppress(ValueError):
            return max(0.0, (parsedate_to_datetime(wanted) - datetime.now(UTC)).total_seconds())
        error = error.__cause__ or error.__context__
    return 0.0


def _nobody_there(error: BaseException | None) -> bool:
    """litellm tells this apart only in what the error came from."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _reason(error: Exception) -> str:
    text = " ".join(without_keys(str(error)).split())
    return text if len(text) <= MAX_REASON_CHARS else text[:MAX_REASON_CHARS].rstrip() + "..."
