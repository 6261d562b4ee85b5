"""Recordings of what models were asked and answered, played again for tests and reports."""

import hashlib
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Self

import orjson

from core.errors import InvalidInput, ModelUnavailable
from core.models.calls import without_keys
from core.models.llm import LLM, Message, Picture, Usage, sees
from core.private import private
from core.secrets.secrets import Secrets

VOLATILE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|\b\d{1,2}:\d\d\b|\b[0-9a-hjkmnp-tv-z]{12}\b|\(\w+day, [\w/+-]+\)"
)
"""Times and the names of atoms, which differ from run to run."""


class Recorder:
    """A model whose conversations are written to a file, one a line, without secrets."""

    def __init__(self, model: LLM, file: Path, secrets: Secrets) -> None:
        self.name = model.name
        self._model = model
        self._file = file
        self._secrets = secrets

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        pieces: list[str] = []
        usage, failed = Usage(self.name), ""
        try:
            async for piece in self._model.reply(messages):
                if isinstance(piece, Usage):
                    usage = piece
                else:
                    pieces.append(piece)
                yield piece
        except ModelUnavailable as error:
            failed = str(error)
            raise
        finally:
            self._write(messages, "".join(pieces), usage, failed)

    def _write(self, messages: Sequence[Message], reply: str, usage: Usage, failed: str) -> None:
        entry = {
            "messages": [self._entry(message) for message in messages],
            "reply": self._clean(reply),
            "usage": astuple(usage),
            "failed": self._clean(failed),
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with open(self._file, "ab", opener=private) as file:
            file.write(orjson.dumps(entry) + b"\n")

    def _entry(self, message: Message) -> list[object]:
        """A message as it is written down; of pictures only the label, kind and digest."""
        pictures = [[one.label, one.media_type, one.sha256] for one in message.pictures]
        entry = [message.role, self._clean(message.text), message.example]
        return [*entry, pictures] if pictures else entry

    async def sees(self) -> bool:
        return await sees(self._model)

    def _clean(self, text: str) -> str:
        return without_keys(self._secrets.redacted(text))


class Replay:
    """A model that answers what was recorded: the same question has the same answer, several in their order."""

    name = "replay"

    def __init__(self, entries: Sequence[dict[str, object]], source: str = "the recording") -> None:
        self._source = source
        self._answers: dict[str, deque[dict[str, object]]] = defaultdict(deque)
        self._pictures = False
        for entry in entries:
            told = [_message(*message) for message in entry["messages"]]  # type: ignore[attr-defined]
            self._pictures |= any(message.pictures for message in told)
            self._answers[_question(told)].append(entry)

    async def sees(self) -> bool:
        return self._pictures

    @classmethod
    def read(cls, file: str) -> Self:
        """The recording in a file; raises `InvalidInput` for one that cannot be read."""
        try:
            lines = Path(file).expanduser().read_bytes().splitlines()
            return cls([orjson.loads(line) for line in lines if line.strip()], file)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"{file} cannot be played as a recording ({error}); STOA_RECORD makes one.") from None

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str | Usage]:
        answers = self._answers.get(_question(messages))
        if not answers:
            raise ModelUnavailable(f"{self._source} holds no answer to this: it was recorded with other words.")
        entry = answers.popleft() if len(answers) > 1 else answers[0]
        if entry["failed"]:
            raise ModelUnavailable(str(entry["failed"]))
        if entry["reply"]:
            yield str(entry["reply"])
        yield Usage(*entry["usage"])  # type: ignore[misc]


def _question(messages: Sequence[Message]) -> str:
    """The digest of who is asked and of what was last said and shown, without what differs from run to run."""
    ends = [messages[0].text, messages[-1].text] if messages else []
    shown = [one.sha256 for message in messages for one in message.pictures]
    known = [*(VOLATILE.sub("~", text) for text in ends), *shown]
    return hashlib.blake2b("\0".join(known).encode(), digest_size=16).hexdigest()


def _message(role: Any, text: str, example: bool, pictures: Sequence[Sequence[str]] = ()) -> Message:
    shown = tuple(Picture(label, media_type, b"", sha256) for label, media_type, sha256 in pictures)
    return Message(role, text, example, shown)
