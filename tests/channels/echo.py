"""A conversation with nobody, to try a terminal by itself: `python -m tests.channels.echo HOME`."""

import asyncio
import sys
from pathlib import Path

from channels.contract import ChannelClosed, OutboundMessage, ShowsDrafts
from channels.terminal.channel import open_terminal


async def main(home: Path) -> None:
    try:
        async with open_terminal(home) as terminal:
            await terminal.tell("The echo is listening.")
            drafts = isinstance(terminal, ShowsDrafts) and terminal
            async for message in terminal.listen():
                match message.text:
                    case "think" if drafts:
                        await drafts.draft("owner", "assistant", "")
                    case "write" if drafts:
                        await drafts.draft("owner", "assistant", "Half of\n```python\nx = 1\n```\nan answer")
                    case "attack":
                        await terminal.send(OutboundMessage("owner", "a\x1b]0;owned\x07\x9b31mb"))
                    case "bold":
                        await terminal.send(OutboundMessage("owner", "**loud**"))
                    case "later":
                        await terminal.send(OutboundMessage("owner", "I will."))
                        asyncio.get_running_loop().call_later(1, remind, terminal.send)
                    case text:
                        await terminal.send(OutboundMessage("owner", f"echo {text!r}"))
    except ChannelClosed:
        pass


def remind(send: object) -> None:
    assert callable(send)
    reminders.append(asyncio.ensure_future(send(OutboundMessage("owner", "Reminder: it is time."))))


reminders: list[asyncio.Future[str]] = []

if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
