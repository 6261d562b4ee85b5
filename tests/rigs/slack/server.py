"""The stand-in as one server: the app's side under /api, /link and the files' places, the test's under /_rig."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.rigs.slack.deliveries import Deliveries
from tests.rigs.slack.people import People
from tests.rigs.slack.web_api import WebAPI
from tests.rigs.slack.workspace import APP, APP_TOKEN, BOT, BOT_ID, BOT_TOKEN, SIGNING_SECRET, TEAM, Json, Workspace


class StandIn:
    """Everything together."""

    def __init__(self, url: str, seed: int = 1) -> None:
        self.url = url
        self.workspace = Workspace(url)
        self.deliveries = Deliveries(self.workspace)
        self.people = People(self.workspace, self.deliveries)
        self.people.tell = self.tell  # type: ignore[method-assign]
        self.api = WebAPI(self.workspace, self.deliveries)
        self.elsewhere: list[Json] = []
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[Any]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Where everything is."""
        return [
            web.route("*", "/api/{method}", self.api.answer),
            web.get("/link/", self.deliveries.link),
            web.post("/upload/v1/{file}", self.files),
            web.get("/files-pri/{place:.*}", self.files),
            web.get("/elsewhere", self.gone_elsewhere),
            web.post("/_events", self.event),
            web.post("/_rig/{act}", self.act),
        ]

    @property
    def facts(self) -> Json:
        """What one needs to know to use it."""
        tokens = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "signing_secret": SIGNING_SECRET}
        names = {"team": TEAM, "app": APP, "bot": BOT, "bot_id": BOT_ID}
        places = {"url": self.url, "api_url": f"{self.url}/api/"}
        return {**places, **tokens, **names, "users": self.workspace.users, "rooms": self.workspace.rooms}

    async def event(self, request: web.Request) -> web.Response:
        """What `emulate` tells, made what Slack tells an app."""
        payload: Json = await request.json()
        event = payload["event"]
        if event["type"] in ("message", "reaction_added") and "event_ts" not in event:
            event["event_ts"] = event.get("ts") or f"{asyncio.get_running_loop().time():.6f}"
        if event["type"] == "message":
            event.setdefault("channel_type", self.workspace.kind(event["channel"]))
            event.setdefault("team", TEAM)
            if event.get("user") == BOT:
                event |= {"bot_id": BOT_ID, "app_id": APP}
            if thread := event.get("thread_ts"):
                event.setdefault(
                    "parent_user_id", self.workspace.messages[event["channel"]].get(thread, {}).get("user")
                )
        self.workspace.take(event)
        installed = {"team_id": TEAM, "user_id": BOT, "is_bot": True, "enterprise_id": None}
        payload |= {"api_app_id": APP, "token": "x", "authorizations": [installed]}
        await self.tell(payload)
        mentioned = f"<@{BOT}>" in event.get("text", "") and event.get("user") != BOT
        if event["type"] == "message" and not event.get("subtype") and mentioned and event["channel_type"] != "im":
            again = {**payload, "event_id": payload["event_id"] + "M", "event": {**event, "type": "app_mention"}}
            again["event"].pop("channel_type")
            await self.tell(again)
        return web.Response(text="ok")

    async def tell(self, payload: Json) -> None:
        """Tell the app of an event, perhaps twice."""
        self.workspace.state.events.append(payload)
        await self.workspace.tell()
        times = 2 if self._random.random() < self.workspace.state.duplicates else 1
        for _ in range(times):
            self._later(self.deliveries.tell("events_api", payload))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def files(self, request: web.Request) -> web.StreamResponse:
        """Uploads and downloads."""
        if request.method == "GET":
            if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}" or self.workspace.state.revoked:
                return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
            if "files:read" not in self.workspace.state.scopes:
                return web.Response(text="<html>Sign in to Slack</html>", content_type="text/html")
            if self.workspace.state.redirect:
                return web.Response(status=302, headers={"Location": self.workspace.state.redirect})
        kept = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        inner = f"{self.workspace.inner}{request.path_qs}"
        data = await request.read()
        async with self.workspace.http.request(request.method, inner, headers=kept, data=data) as answer:
            body, kind = await answer.read(), {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
            return web.Response(body=body, status=answer.status, headers=kind)

    async def gone_elsewhere(self, request: web.Request) -> web.Response:
        """Another host, which must never see the token."""
        self.elsewhere.append(dict(request.headers))
        return web.Response(text="gotcha")

    # The test's side --------------------------------------------------------------------------------------------------

    async def act(self, request: web.Request) -> web.Response:
        """Do what a test asks for: an act of people, or one of the stand-in's own."""
        act, asked = request.match_info["act"], await request.json()
        does = getattr(self, f"do_{act}", None) or getattr(self.people, act)
        try:
            return web.json_response({"answer": await does(**asked)})
        except (RuntimeError, LookupError) as error:
            return web.json_response({"error": str(error)})

    async def do_facts(self) -> Json:
        return self.facts

    async def do_reset(self) -> Json:
        for task in self._tasks:
            task.cancel()
        self.deliveries.reset()
        self.elsewhere.clear()
        await self.workspace.reset()
        return self.facts

    async def do_wait(self, after: int, patience: float) -> int:
        return await self.workspace.changed(after, patience)

    async def do_look(self) -> Json:
        """Everything that a test may look at, but the messages."""
        state = self.workspace.state
        return {
            "version": self.workspace.version,
            "sockets": len(self.deliveries.sockets),
            "log": self.deliveries.log,
            "calls": state.calls,
            "sessions": state.sessions,
            "statuses": state.statuses,
            "prompts": state.prompts,
            "streams": state.streams,
            "homes": state.homes,
            "ephemerals": state.ephemerals,
            "elsewhere": self.elsewhere,
        }

    async def do_sockets(self) -> int:
        return len(self.deliveries.sockets)

    async def do_calls(self, method: str) -> list[Json]:
        return [one for one in self.workspace.state.calls if one["method"] == method]

    async def do_begun(self, method: str) -> int:
        return self.workspace.state.begun.count(method)

    async def do_messages(self, channel: str, thread: str = "") -> list[Json]:
        found = self.workspace.messages[channel].values()
        if thread:
            found = [one for one in found if thread in (one["ts"], one.get("thread_ts"))]  # type: ignore[assignment]
        return sorted(found, key=lambda one: float(one["ts"]))

    async def do_reactions(self, channel: str, ts: str) -> list[str]:
        found = await self.workspace.act("alice", "reactions.get", channel=channel, timestamp=ts)
        return [one["name"] for one in found["message"].get("reactions", [])]

    async def do_fault(self, method: str, error: str, times: int, after: int, hang: float, late: bool) -> None:
        fault = {"method": method, "error": error, "times": times, "after": after, "hang": hang, "late": late}
        self.workspace.state.faults.append(fault)

    async def do_scopes(self, missing: list[str]) -> None:
        self.workspace.state.scopes -= set(missing)

    async def do_settle(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self.deliveries if hasattr(self.deliveries, name) else self.workspace.state, name, value)

    async def do_drop(self) -> int:
        return self.deliveries.drop()

    async def do_disconnect(self, reason: str) -> None:
        await self.deliveries.disconnect(reason)

    async def do_expire(self) -> None:
        """Let every stream die, as Slack does after some minutes."""
        self.workspace.state.streams.clear()

    async def do_again(self, last: int) -> None:
        """Tell the last events once more."""
        for payload in self.workspace.state.events[-last:]:
            self._later(self.deliveries.tell("events_api", payload))

    async def do_enter(self, channel: str) -> None:
        """Let the app back in."""
        self.workspace.state.outside.discard(channel)

    async def do_restore(self) -> None:
        """Give the app's token back."""
        self.workspace.state.revoked = ""

    async def close(self) -> None:
        """End everything under way."""
        for task in self._tasks:
            task.cancel()
        await self.workspace.stop()


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[StandIn]:
    """The stand-in on this port of the loopback interface, or on a free one."""
    application = web.Application(client_max_size=64 << 20)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    listening = socket.create_server(("127.0.0.1", port))
    stand_in = StandIn(f"http://127.0.0.1:{listening.getsockname()[1]}")
    application.add_routes(stand_in.routes())
    await runner.setup()
    await web.SockSite(runner, listening).start()
    await stand_in.workspace.start(f"{stand_in.url}/_events")
    try:
        yield stand_in
    finally:
        await stand_in.close()
        await runner.cleanup()
