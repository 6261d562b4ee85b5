"""Runs the stand-in until it is interrupted: `python -m tests.rigs.slack --port 21100`."""

import argparse
import asyncio
import contextlib
import json
import os
import signal

from tests.rigs.slack.server import running


async def main() -> None:
    """Say the tokens and addresses as one line of JSON, and serve; ends when the one who started it does."""
    parser = argparse.ArgumentParser(prog="python -m tests.rigs.slack", description="A stand-in for Slack.")
    parser.add_argument("--port", type=int, default=21100, help="0 for a free one (default: %(default)s)")
    parser.add_argument("--while-parent-lives", action="store_true", help="end when the starting process does")
    asked = parser.parse_args()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    parent = os.getppid()
    async with running(asked.port) as stand_in:
        print(json.dumps(stand_in.facts), flush=True)
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await ended.wait()
            if asked.while_parent_lives and os.getppid() != parent:
                return


if __name__ == "__main__":
    asyncio.run(main())
