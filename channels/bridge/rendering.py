"""Rendering beside the event loop, within a time limit; a text that cannot be rendered in it is shown plain.

Short texts are rendered in a thread. Long ones are rendered in a process of their own, since nothing but its end stops
a regular expression that has gone astray.
"""

import asyncio
import json
import pickle
import sys
from dataclasses import dataclass

from channels.markdown import Dialect

RENDER_SECONDS = 5.0
MAX_THREAD_CHARS = 20_000
"""Longer texts are rendered in a process: it takes some 0.2 seconds to begin."""


class Unrenderable(Exception):
    """The text was not rendered in time, or at all; the message says why, in words for the owner."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Writes Markdown in the dialect of a channel."""

    dialect: Dialect
    seconds: float = RENDER_SECONDS

    async def messages(self, markdown: str) -> list[str]:
        """The text in as many messages as the platform needs; raises `Unrenderable`."""
        try:
            async with asyncio.timeout(self.seconds):
                if len(markdown) <= MAX_THREAD_CHARS:
                    return await asyncio.to_thread(self.dialect.messages, markdown)
                return await self._in_a_process(markdown)
        except TimeoutError:
            raise Unrenderable(f"its formatting took more than {self.seconds:g} seconds") from None
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise Unrenderable(f"its formatting failed ({type(error).__name__})") from error

    async def _in_a_process(self, markdown: str) -> list[str]:
        request = pickle.dumps((self.dialect, markdown))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=pipe, stdout=pipe)
        try:
            answer, _ = await process.communicate(request)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Unrenderable("its formatting failed")
        messages: list[str] = json.loads(answer)
        return messages


def main() -> None:
    """Render what comes by standard input, for a parent process."""
    dialect, markdown = pickle.load(sys.stdin.buffer)
    sys.stdout.write(json.dumps(dialect.messages(markdown)))


if __name__ == "__main__":
    main()
