"""Transcribing: what is said in a recording, as text, by any transcription model that litellm reaches."""

import asyncio

from core.errors import ModelUnavailable
from core.models.litellm import import_litellm, unreachable

LARGEST = 25_000_000
"""Bytes of one recording: the most that OpenAI takes."""
ATTEMPTS = 3
PASSING = (408, 429, 500, 502, 503, 504, 529)
"""Answers that may be others a little later."""
ENDINGS = {
    "audio/aac": "m4a",
    "audio/flac": "flac",
    "audio/m4a": "m4a",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
}
"""How a provider expects the name of a recording of each kind to end."""
HEARD = frozenset({*ENDINGS.values(), "mp4", "mpeg", "mpga"})


class Transcriber:
    """A transcription model, by the name litellm knows it under. Nothing is loaded before the first recording."""

    def __init__(self, name: str, url: str = "", *, patience: float = 120, pause: float = 1) -> None:
        """`patience` is how many seconds one answer may take; `pause` how many to wait before a second attempt, doubled
        before a third."""
        self.name = name
        self.url = url
        self._patience = patience
        self._pause = pause

    async def text(self, data: bytes, name: str, media_type: str) -> str:
        """What is said in a recording; empty where nothing is.

        Raises `ModelUnavailable` where no model can be had, or none for such a recording.
        """
        if len(data) > LARGEST:
            raise ModelUnavailable(
                f"{name!r} has {len(data):,} bytes, a recording that is to be written down may have {LARGEST:,}; "
                "send it in parts.",
                "refused",
            )
        litellm = await asyncio.to_thread(import_litellm)
        import openai  # what litellm's errors derive from; here it is loaded already

        missing = litellm.validate_environment(self.name)["missing_keys"]
        if missing and not self.url:
            raise ModelUnavailable(
                f"The transcriber {self.name!r} needs a key: set {' or '.join(missing)} in the environment, or leave "
                "STOA_TRANSCRIBER empty.",
                "key",
            )
        options: dict[str, object] = {"api_base": self.url} if self.url else {}
        if missing:
            options["api_key"] = "none"  # a server of one's own wants no key, its client library wants some text
        recording = (_called(name, media_type), data, media_type)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(self._patience):
                    answer = await litellm.atranscription(
                        model=self.name, file=recording, timeout=self._patience + 30, max_retries=0, **options
                    )
                return str(answer.text or "").strip()
            except (openai.OpenAIError, TimeoutError) as error:
                status = getattr(error, "status_code", None)
                if attempt == ATTEMPTS or isinstance(error, TimeoutError) or status not in PASSING:
                    raise ModelUnavailable(self._sentence(error, status)) from None
            await asyncio.sleep(self._pause * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _sentence(self, error: Exception, status: object) -> str:
        """What went wrong and what to do; nothing of what the provider said, since keys can stand in it."""
        where = f" at {self.url}" if self.url else ""
        name = f"The transcriber {self.name!r}"
        match status:
            case 401 | 403:
                return f"The provider of {name[4:]} refused the key; check the provider's key in the environment."
            case 404:
                return f"{name} is not known{where}; check STOA_TRANSCRIBER and STOA_TRANSCRIBER_URL."
            case 429:
                return f"The provider of {name[4:]} answers that there are too many requests; wait a little."
            case 400 | 413 | 415 | 422:
                return f"{name} cannot read this recording; send it in another format, such as MP3, or shorter."
            case 500 | 502 | 503 | 504 | 529 if not unreachable(error):
                return f"The provider of {name[4:]} has an error of its own ({status}); try again later."
        if isinstance(error, TimeoutError) or status == 408:
            return f"{name} said nothing for {self._patience:g} seconds{where}; try again later."
        return f"{name} cannot be reached{where}; check the network, STOA_TRANSCRIBER and STOA_TRANSCRIBER_URL."


def _called(name: str, media_type: str) -> str:
    """A name that ends as a provider expects it, which goes by that: `voice.oga` is `voice.ogg` to it."""
    begin, _, ending = name.rpartition(".")
    kind = ENDINGS.get(media_type.partition(";")[0].strip().lower())
    return name if ending.lower() in HEARD or not kind else f"{begin or name}.{kind}"
