"""One Slack workspace: `emulate` in a process of its own, and what it does not keep itself."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.rigs.slack.installing import emulate, node

TEAM, APP, BOT, BOT_ID, BOT_NAME = "T000000001", "A0STOA", "U0STOA", "B0STOA", "stoa"
BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-stoa-stand-in", "xapp-stoa-stand-in", "stand-in-signing-secret"
PEOPLE = ("alice", "bob", "carol")
SCOPES = (
    "app_mentions:read assistant:write channels:history channels:read chat:write commands files:read files:write "
    "groups:history groups:read im:history im:read im:write mpim:history mpim:read reactions:read reactions:write "
    "users:read"
)
Json = dict[str, Any]


def token(person: str) -> str:
    """The token with which the stand-in acts as a person."""
    return f"xoxp-{person}"


@dataclass
class State:
    """What a test sets and sees; made anew by `reset`."""

    scopes: set[str] = field(default_factory=lambda: set(SCOPES.split()))
    revoked: str = ""
    """The error that every call with the bot's token is answered with."""
    faults: list[Json] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    """The methods that were called, answered or not."""
    sessions: dict[str, str] = field(default_factory=dict)
    """The status of each agent session, by channel:thread."""
    statuses: dict[str, str] = field(default_factory=dict)
    """The statuses of the older kind, by channel:thread."""
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    streams: dict[str, str] = field(default_factory=dict)
    """The text of each message that is still being streamed."""
    homes: dict[str, Json] = field(default_factory=dict)
    ephemerals: list[Json] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    """Rooms that the bot is not in."""
    left: set[str] = field(default_factory=set)
    """People who were deactivated."""
    private: set[str] = field(default_factory=set)
    redirect: str = ""
    """Where a download is sent on to."""
    events: list[Json] = field(default_factory=list)
    duplicates: float = 0
    """The share of events that are told twice."""


class Workspace:
    """The process, the calls to it, and each conversation's messages as its events told them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state = State()
        self.messages: dict[str, dict[str, Json]] = defaultdict(dict)
        self.users: dict[str, str] = {}
        self.rooms: dict[str, str] = {}
        self.version = 0
        self._changed = asyncio.Condition()

    async def start(self, events: str) -> None:
        """Start `emulate`, which tells its events there."""
        self.http = aiohttp.ClientSession()
        people: list[Json] = [
            {"name": name, "real_name": name.title(), "email": f"{name}@example.org"} for name in PEOPLE
        ]
        bot = {"app_id": APP, "client_id": "1.1", "bot_id": BOT_ID, "bot_user_id": BOT}
        tokens: list[Json] = [{"token": token(name), "type": "user", "user": name} for name in PEOPLE]
        tokens.append({"token": BOT_TOKEN, "type": "bot", "user_id": BOT, **bot})
        seed = {
            "team": {"name": "Home", "domain": "home"},
            "users": people,
            "channels": [{"name": "home"}],
            "oauth_apps": [{**bot, "client_secret": "s", "name": BOT_NAME, "redirect_uris": [], "bot_name": BOT_NAME}],
            "tokens": tokens,
        }
        folder = await asyncio.to_thread(emulate)
        self._process = await asyncio.create_subprocess_exec(
            node(),
            folder / "emulate.mjs",
            self.url,
            events,
            json.dumps({"slack": seed}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.inner = f"http://127.0.0.1:{json.loads(await self._line())['port']}"
        await self._look()

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self.http.close()

    async def reset(self) -> None:
        """Begin again as if nobody had ever written anything."""
        assert self._process.stdin
        self._process.stdin.write(b"reset\n")
        await self._line()
        self.state = State()
        self.messages.clear()
        await self._look()
        await self.tell()

    async def _line(self) -> bytes:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process with `emulate` ended; what it said stands above")
        return line

    async def _look(self) -> None:
        self.users = {name: (await self.call(token(name), "auth.test"))["user_id"] for name in PEOPLE}
        listed = await self.call(token("alice"), "conversations.list")
        self.rooms = {room["name"]: room["id"] for room in listed["channels"]}

    async def call(self, bearer: str, method: str, **arguments: Any) -> Json:
        """Call `emulate` itself, past everything that the stand-in adds."""
        headers = {"Authorization": f"Bearer {bearer}"}
        async with self.http.post(f"{self.inner}/api/{method}", headers=headers, json=arguments) as answer:
            said: Json = await answer.json(content_type=None)
            return said

    async def act(self, person: str, method: str, **arguments: Any) -> Json:
        """Do what a person does; raises `RuntimeError` when Slack refuses."""
        bearer = BOT_TOKEN if person == "bot" else token(person)
        said = await self.call(bearer, method, **arguments)
        if not said["ok"]:
            raise RuntimeError(f"{method} {arguments}: {said}")
        return said

    def kind(self, channel: str) -> str:
        """The `channel_type` of a conversation."""
        if channel[0] in "DG":
            return {"D": "im", "G": "mpim"}[channel[0]]
        return "group" if channel in self.state.private else "channel"

    def take(self, event: Json) -> None:
        """Keep what an event says about a message."""
        if event.get("type") != "message":
            return
        kept = self.messages[event["channel"]]
        match event.get("subtype"):
            case "message_changed":
                kept[event["message"]["ts"]] = event["message"]
            case "message_deleted":
                kept.pop(event["deleted_ts"], None)
            case _:
                kept[event["ts"]] = event

    async def tell(self) -> None:
        """Wake whoever waits for a change."""
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def changed(self, after: int, patience: float) -> int:
        """The version that follows `after`, or the same when nothing changed for that long."""
        try:
            async with asyncio.timeout(patience), self._changed:
                await self._changed.wait_for(lambda: self.version > after)
        except TimeoutError:
            pass
        return self.version
