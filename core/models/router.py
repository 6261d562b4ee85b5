"""The router: which model answers for an agent, and which one when that cannot."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from core.errors import InvalidInput, ModelUnavailable
from core.models.calls import MAX_ATTEMPTS
from core.models.embeddings import Embedder
from core.models.litellm import Provider
from core.models.llm import LLM, Message, Usage, sees
from core.models.offline import OfflineLLM
from core.models.recording import Recorder, Replay
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings

COOL_DOWN_SECONDS = 60.0
"""A model that failed is passed over for so long."""
REPLAY_PREFIX = "replay:"


def model_names(settings: Settings) -> list[str]:
    found = [name.strip() for name in settings.model.split(",")]
    if not all(found):
        raise InvalidInput(f"STOA_MODEL={settings.model!r} has an empty name in it; write first,second,third")
    return found


def connect(settings: Settings, embedder: Embedder) -> LLM:
    """The model that the settings name, with those that answer when it cannot. Nothing is loaded or called yet.

    One of them may have an address of its own, as `name@http://host:port/v1`; `STOA_MODEL_URL` is the first one's.
    """
    chosen = model_names(settings)
    urls = [settings.model_url, *[""] * len(chosen)]
    attempts = MAX_ATTEMPTS if len(chosen) == 1 else 2
    models: list[LLM] = [
        OfflineLLM(embedder)
        if name == "offline"
        else named_model(name, url, attempts=attempts, sees=settings.model_sees)
        for name, url in zip(chosen, urls, strict=False)
    ]
    model = models[0] if len(models) == 1 else Fallbacks(models)
    return Recorder(model, settings.record, Secrets(vault=Vault(settings.home))) if settings.record else model


def named_model(
    name: str, url: str = "", *, patience: float = 120, attempts: int = MAX_ATTEMPTS, sees: bool | None = None
) -> LLM:
    """One model other than the built-in one; raises `InvalidInput` for a recording that cannot be read."""
    if name.startswith(REPLAY_PREFIX):
        return Replay.read(name.removeprefix(REPLAY_PREFIX))
    name, at, own = name.partition("@http")
    return Provider(name, f"http{own}" if at else url, patience=patience, attempts=attempts, sees=sees)


class Fallbacks:
    """Several models as one: the first answers, and another one only while it cannot."""

    def __init__(
        self, models: Sequence[LLM], cool: float = COOL_DOWN_SECONDS, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """A model that failed is asked again after `cool` seconds, or when its provider says."""
        self.name = models[0].name
        self._models = models
        self._cool = cool
        self._seconds = seconds
        self._until: dict[int, float] = {}

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        failures: list[ModelUnavailable] = []
        for n in self._order():
            try:
                async for piece in self._models[n].reply(messages):
                    yield piece
            except ModelUnavailable as error:
                if error.kind != "refused":  # that was about this request, not about the model
                    self._until[n] = self._seconds() + max(self._cool, error.retry_after)
                if error.begun:
                    raise
                failures.append(error)
            else:
                self._until.pop(n, None)
                return
        raise ModelUnavailable(
            "No model answers. " + " ".join(map(str, failures)),
            failures[0].kind,
            min(error.retry_after for error in failures),
        )

    async def sees(self) -> bool:
        """True if any of them sees; the others are told that there was a picture."""
        return any([await sees(model) for model in self._models])

    def _order(self) -> list[int]:
        now = self._seconds()
        resting = {n: until for n, until in self._until.items() if until > now}
        return [n for n in range(len(self._models)) if n not in resting] + sorted(resting, key=resting.__getitem__)
