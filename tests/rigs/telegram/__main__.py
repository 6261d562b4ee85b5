"""Runs the stand-in until it is interrupted: `python -m tests.rigs.telegram --port 21200`.

It prints the bot's token and addresses as one line of JSON. A person's act is a call:
`curl -H 'Content-Type: application/json' -d '["alice", "hello"]' http://127.0.0.1:21201/say`, and `/texts` answers what
Alice sees.
"""

import argparse
import asyncio
import json

from aiohttp import web

from tests.rigs.telegram.rig import TelegramRig
from tests.rigs.telegram.server import running


async def main() -> None:
    """Serve the Bot API on the port, and people's acts on the next one."""
    parser = argparse.ArgumentParser(prog="python -m tests.rigs.telegram", description="A stand-in for Telegram.")
    parser.add_argument("--port", type=int, default=21200, help="for the Bot API (default: %(default)s)")
    port = parser.parse_args().port
    async with running(port) as server:
        rig = TelegramRig(server)

        async def act(request: web.Request) -> web.Response:
            person, *words = await request.json()
            chat = rig.private(person)
            match request.match_info["act"]:
                case "say":
                    return web.json_response(await rig.say(person, chat, *words))
                case "press":
                    return web.json_response(await rig.press(person, rig.last(chat), *words))
                case "react":
                    await rig.react(person, rig.last(chat), *words)
                    return web.json_response(None)
                case "texts":
                    return web.json_response(rig.texts(chat))
            raise web.HTTPNotFound

        application = web.Application()
        application.add_routes([web.post("/{act}", act)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port + 1).start()
        options = rig.account().options
        print(json.dumps({"token": rig.bot.token, **options, "acts": f"http://127.0.0.1:{port + 1}"}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
