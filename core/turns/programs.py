"""Programs that wait: all that is needed to let one go on, sealed with a key that stays with the house."""

import hmac
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.atoms.values import Notice, decode, encode
from core.private import private
from core.sandbox.runs import Call, Image
from core.store.codec import pack, unpack
from core.store.store import Store
from core.tools.waits import Wait

KEY_FILE = "programs.key"
EXECUTOR_PACKAGE = "pydantic-monty"
SPECIAL_FIELDS = ("answers", "waits", "image")
"""The fields of a program that are written in forms of their own."""
MAX_ANSWER_BYTES = 4_000_000
"""So much is kept to run a program again where its image is of no use."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that waits, with what its session did before: enough to load it, or else to run it again."""

    id: str
    root: str
    depth: int
    about: list[str]
    """What its words go back to, in the space the agent speaks in."""
    first: int
    """The number of its session's first call."""
    notices: list[Notice]
    objects: list[str]
    """The names of the objects it holds."""
    ran: list[list[str]]
    """The steps that ran to their end in its session before."""
    code: list[str]
    """The pieces of its step, of which the one at `at` waits, having printed so many `characters`."""
    at: int
    characters: int
    answers: dict[int, bytes]
    """The journal of its session's calls; empty if that grew too large."""
    waits: dict[int, tuple[str, Wait]]
    """The calls that wait: their number, the turn in which they were made, and what for."""
    heard: dict[str, int]
    """For each space, the last change it has been told of by `wait_for`."""
    image: Image | None = field(repr=False)
    """None where it was made by another executor, or could have been changed since."""


class Programs:
    """The waiting programs of all agents, as they are kept."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store = store
        self._home = home
        self._executor = version(EXECUTOR_PACKAGE)

    async def load(self, agent: str, id: str) -> Program | None:
        kept = await self._store.run("HGET", self._store.keys.programs(agent), id)
        return None if kept is None else self.opened(agent, id, kept)

    def sealed(self, agent: str, program: Program) -> bytes:
        assert program.image
        image = program.image
        rest = {one.name: getattr(program, one.name) for one in fields(Program) if one.name not in SPECIAL_FIELDS}
        answers = program.answers if sum(map(len, program.answers.values())) <= MAX_ANSWER_BYTES else {}
        about = encode(
            [
                rest,
                {str(number): b64encode(answer).decode() for number, answer in answers.items()},
                {str(number): [turn, wait.written()] for number, (turn, wait) in program.waits.items()},
                [
                    [sorted(list(span) for span in spans) for spans in image.awaited],
                    image.number,
                    _call(image.standing) if image.standing else None,
                    {str(id): _call(call) for id, call in image.calls.items()},
                ],
            ]
        )
        return pack([self._seal(agent, program.id, about, image.state), about, image.state])

    def opened(self, agent: str, id: str, kept: bytes) -> Program:
        """The program that `sealed` sealed; without its image where the seal is not this house's and executor's."""
        seal, about, state = unpack(kept)
        rest, answers, waits, (awaited, number, standing, calls) = decode(about)
        program = Program(
            **rest,
            answers={int(number): b64decode(answer) for number, answer in answers.items()},
            waits={int(number): (turn, Wait.read(wait)) for number, (turn, wait) in waits.items()},
            image=Image(
                state,
                [frozenset((start, end) for start, end in spans) for spans in awaited],
                number,
                Call(*standing) if standing else None,
                {int(id): Call(*call) for id, call in calls.items()},
            ),
        )
        genuine = hmac.compare_digest(seal, self._seal(agent, id, about, state))
        return program if genuine else replace(program, image=None)

    def _seal(self, agent: str, id: str, about: bytes, state: bytes) -> bytes:
        parts = (self._executor.encode(), agent.encode(), id.encode(), about, state)
        return hmac.digest(self._key(), pack([len(part) for part in parts]) + b"".join(parts), "sha256")

    def _key(self) -> bytes:
        path = self._home / KEY_FILE
        if not path.exists():
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = self._home / f".{KEY_FILE}.{secrets.token_hex(4)}"
            with open(made, "xb", opener=private) as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(made, path)  # whole or not at all, and made by the first that comes
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return path.read_bytes()


def _call(call: Call) -> list[Any]:
    return [call.number, call.target, call.name, call.args, call.kwargs]
