"""Transcription: a recording as text, by any transcription model that litellm reaches."""

from types import ModuleType

from core.errors import ModelUnavailable
from core.models.calls import Endpoint, litellm_call

MAX_RECORDING_BYTES = 25_000_000
"""OpenAI takes no more."""
RECORDING_ENDINGS = {
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
KNOWN_ENDINGS = frozenset({*RECORDING_ENDINGS.values(), "mp4", "mpeg", "mpga"})


class Transcriber:
    """A transcription model, by the name litellm knows it by. Nothing is loaded before the first recording."""

    def __init__(self, name: str, url: str = "", *, patience: float = 120, pause: float = 1) -> None:
        self.name = name
        self.url = url
        self._endpoint = Endpoint(
            kind="transcriber",
            name=name,
            url=url,
            setting="STOA_TRANSCRIBER",
            without="leave STOA_TRANSCRIBER empty",
            hint="Send the recording in another format, such as MP3, or shorter.",
            patience=patience,
            pause=pause,
        )

    async def text(self, data: bytes, name: str, media_type: str) -> str:
        """The words in a recording; empty where nobody speaks. Raises `ModelUnavailable`."""
        if len(data) > MAX_RECORDING_BYTES:
            raise ModelUnavailable(
                f"{name!r} has {len(data):,} bytes, and a recording may have {MAX_RECORDING_BYTES:,} to be written "
                "down; send it in parts.",
                "refused",
            )

        async def transcribe(litellm: ModuleType) -> str:
            options = self._endpoint.options(litellm, self.name)
            answer = await litellm.atranscription(file=(_called(name, media_type), data, media_type), **options)
            return str(answer.text or "").strip()

        return await litellm_call(self._endpoint, transcribe)


def _called(name: str, media_type: str) -> str:
    """The name with the ending by which a provider knows the format: `voice.oga` becomes `voice.ogg`."""
    begin, _, ending = name.rpartition(".")
    kind = RECORDING_ENDINGS.get(media_type.partition(";")[0].strip().lower())
    return name if ending.lower() in KNOWN_ENDINGS or not kind else f"{begin or name}.{kind}"
