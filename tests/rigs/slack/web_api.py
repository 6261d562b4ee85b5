"""The Web API as the app sees it: `emulate`, with the refusals, limits and methods of Slack's that it lacks."""

import asyncio
import json
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.rigs.slack.deliveries import Deliveries
from tests.rigs.slack.workspace import BOT_TOKEN, Json, Workspace

NEEDS = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.startStream": "chat:write",
    "chat.appendStream": "chat:write",
    "chat.stopStream": "chat:write",
    "agents.sessions.setStatus": "chat:write",
    "assistant.threads.setStatus": "assistant:write",
    "assistant.threads.setSuggestedPrompts": "assistant:write",
    "assistant.threads.setTitle": "assistant:write",
    "reactions.add": "reactions:write",
    "users.info": "users:read",
    "files.info": "files:read",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "conversations.open": "im:write",
}
BY_KIND = {"im": "im", "mpim": "mpim", "group": "groups", "channel": "channels"}
"""Kind of conversation -> how its scopes begin."""
WRITES = {"chat.postMessage", "chat.startStream", "files.completeUploadExternal"}
STREAM_LIMIT, UPDATE_LIMIT, BLOCK_LIMIT = 12_000, 4_000, 3_000


class Refused(Exception):
    """A call that Slack answers with this error."""

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        self.answer = {"ok": False, "error": error, **details}


class WebAPI:
    """Answers the app's calls."""

    def __init__(self, workspace: Workspace, deliveries: Deliveries) -> None:
        self.workspace = workspace
        self.deliveries = deliveries
        self._own: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "agents.sessions.setStatus": self._set_session,
            "assistant.threads.setStatus": self._set_status,
            "assistant.threads.setSuggestedPrompts": self._set_prompts,
            "assistant.threads.setTitle": self._set_title,
            "chat.startStream": self._start_stream,
            "chat.appendStream": self._append_stream,
            "chat.stopStream": self._stop_stream,
            "conversations.history": self._history,
            "conversations.replies": self._history,
            "views.publish": self._publish,
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one call, of whatever encoding."""
        method, at = request.match_info["method"], time.time()
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        arguments = await _arguments(request)
        headers = {"x-oauth-scopes": ",".join(sorted(self.workspace.state.scopes))} if bearer == BOT_TOKEN else {}
        self.workspace.state.begun.append(method)
        await self.workspace.tell()
        try:
            await self._fail_as_wished(method, arguments)
            said = await self._called(method, bearer, arguments)
        except Refused as refused:
            said = refused.answer
            if said["error"] == "bad_gateway":  # what stands before Slack answers with a page
                return web.Response(status=502, text="<h1>Bad Gateway</h1>", content_type="text/html")
            if said["error"] == "ratelimited":
                self._log(method, arguments, said, at)
                return web.json_response(said, status=429, headers={"Retry-After": str(said["after"])})
        self._log(method, arguments, said, at)
        await self.workspace.tell()
        return web.json_response(said, headers=headers)

    def _log(self, method: str, arguments: Json, said: Json, at: float) -> None:
        entry = {"method": method, "arguments": arguments, "ok": said["ok"], "error": said.get("error", "")}
        self.workspace.state.calls.append({**entry, "ts": said.get("ts", ""), "at": at})

    async def _fail_as_wished(self, method: str, arguments: Json) -> None:
        for fault in self.workspace.state.faults:
            if fault["method"] in (method, "*") and fault["times"] > 0:
                fault["times"] -= 1
                if fault["hang"]:
                    await asyncio.sleep(fault["hang"])
                if fault["late"]:  # done, and told to have failed
                    await self._called(method, BOT_TOKEN, arguments)
                if fault["error"] != "none":
                    raise Refused(fault["error"], after=fault["after"])

    async def _called(self, method: str, bearer: str, arguments: Json) -> Json:
        if method == "apps.connections.open":
            return self.deliveries.ticket(bearer)
        if bearer == BOT_TOKEN:
            if self.workspace.state.revoked:
                raise Refused(self.workspace.state.revoked)
            self._check_scope(method, arguments)
            self._check_target(method, arguments)
            self._check_limits(method, arguments)
        elif not bearer:
            raise Refused("not_authed")
        elif not bearer.startswith("xoxp-"):
            raise Refused("invalid_auth")
        if method in self._own:
            return await self._own[method](arguments)
        said = await self.workspace.call(bearer, method, **arguments)
        if said["ok"] and method in WRITES:
            self._answered(arguments)
        if said["ok"] and method == "chat.postEphemeral":
            self.workspace.state.ephemerals.append(arguments)
        return said

    def _check_scope(self, method: str, arguments: Json) -> None:
        need = NEEDS.get(method, "")
        if method in ("conversations.history", "conversations.replies", "conversations.info"):
            kind = BY_KIND[self.workspace.kind(str(arguments.get("channel") or "C"))]
            need = f"{kind}:{'read' if method == 'conversations.info' else 'history'}"
        if need and need not in self.workspace.state.scopes:
            provided = ",".join(sorted(self.workspace.state.scopes))
            raise Refused("missing_scope", needed=need, provided=provided)

    def _check_target(self, method: str, arguments: Json) -> None:
        """Refuse what leads to a room the bot is not in, to people who left, and to threads that are gone."""
        state = self.workspace.state
        channel = str(arguments.get("channel") or arguments.get("channel_id") or "")
        if set(str(arguments.get("users", "")).split(",")) & state.left or channel in state.left:
            raise Refused("user_disabled")
        if channel in state.outside and method != "conversations.info":
            raise Refused("not_in_channel")
        thread = arguments.get("thread_ts")
        if method in WRITES and thread and thread not in self.workspace.messages[channel]:
            raise Refused("thread_not_found")

    def _check_limits(self, method: str, arguments: Json) -> None:
        if method == "chat.update":
            if arguments.get("ts") in self.workspace.state.streams:
                raise Refused("streaming_state_conflict")
            if len(arguments.get("text", "")) > UPDATE_LIMIT:
                raise Refused("msg_too_long")
        if method in ("chat.startStream", "chat.appendStream", "chat.stopStream") and (
            len(arguments.get("markdown_text", "")) > STREAM_LIMIT
        ):
            raise Refused("msg_too_long")
        blocks = arguments.get("blocks") or []
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        if len(blocks) > 50 or not all(map(_fits, blocks)):
            raise Refused("invalid_blocks")

    def _answered(self, arguments: Json) -> None:
        channel, thread = arguments.get("channel") or arguments.get("channel_id"), arguments.get("thread_ts")
        self.workspace.state.statuses.pop(f"{channel}:{thread}", None)

    # What emulate lacks -----------------------------------------------------------------------------------------------

    async def _set_session(self, arguments: Json) -> Json:
        status = arguments["status"]
        if status not in ("active", "processing", "suspended", "closed"):
            raise Refused("invalid_arguments")
        self.workspace.state.sessions[f"{arguments['channel_id']}:{arguments['thread_ts']}"] = status
        return {"ok": True, "status": status, "agent_status": status}

    async def _set_status(self, arguments: Json) -> Json:
        place = f"{arguments['channel_id']}:{arguments['thread_ts']}"
        self.workspace.state.statuses.pop(place, None)
        if arguments["status"]:
            self.workspace.state.statuses[place] = arguments["status"]
        return {"ok": True}

    async def _set_prompts(self, arguments: Json) -> Json:
        self.workspace.state.prompts[arguments["channel_id"]] = arguments["prompts"]
        return {"ok": True}

    async def _set_title(self, arguments: Json) -> Json:
        return {"ok": True}

    async def _publish(self, arguments: Json) -> Json:
        view = arguments["view"]
        view = json.loads(view) if isinstance(view, str) else view
        if len(view["blocks"]) > 100 or not all(map(_fits, view["blocks"])):
            raise Refused("invalid_arguments")
        self.workspace.state.homes[arguments["user_id"]] = view
        return {"ok": True, "view": {**view, "id": "V1"}}

    async def _start_stream(self, arguments: Json) -> Json:
        if not arguments.get("thread_ts"):
            raise Refused("invalid_thread_ts")
        if self.workspace.kind(arguments["channel"]) != "im" and not arguments.get("recipient_user_id"):
            raise Refused("missing_recipient_user_id")
        text = arguments.get("markdown_text", "")
        posted = await self.workspace.act(
            "bot",
            "chat.postMessage",
            channel=arguments["channel"],
            thread_ts=arguments["thread_ts"],
            text=text or "\u2060",
        )
        self.workspace.state.streams[posted["ts"]] = text
        self._answered(arguments)
        return {"ok": True, "channel": arguments["channel"], "ts": posted["ts"]}

    async def _append_stream(self, arguments: Json) -> Json:
        ts = arguments["ts"]
        if ts not in self.workspace.state.streams:
            raise Refused("message_not_in_streaming_state")
        self.workspace.state.streams[ts] += arguments.get("markdown_text", "")
        shown = {"channel": arguments["channel"], "ts": ts, "text": self.workspace.state.streams[ts]}
        named = {"metadata": arguments["metadata"]} if arguments.get("metadata") else {}
        await self.workspace.act("bot", "chat.update", **shown, **named)
        return {"ok": True, "channel": arguments["channel"], "ts": ts}

    async def _stop_stream(self, arguments: Json) -> Json:
        said = await self._append_stream(arguments)
        del self.workspace.state.streams[arguments["ts"]]
        return said

    async def _history(self, arguments: Json) -> Json:
        """Pages between `oldest` and `latest`: newest first in a conversation, oldest first in a thread."""
        channel, thread = arguments["channel"], arguments.get("ts")
        if channel not in self.workspace.messages and not self._known(channel):
            raise Refused("channel_not_found")
        kept = self.workspace.messages[channel].values()
        if thread:
            if thread not in self.workspace.messages[channel]:
                raise Refused("thread_not_found")
            found = [one for one in kept if thread in (one["ts"], one.get("thread_ts"))]
        else:
            found = [one for one in kept if one.get("thread_ts") in (None, one["ts"])]
        try:
            oldest, latest = float(arguments.get("oldest") or 0), float(arguments.get("latest") or "inf")
        except ValueError:
            raise Refused("invalid_ts_oldest") from None
        whole = str(arguments.get("inclusive", "")).lower() in ("1", "true")
        found = [
            one
            for one in found
            if oldest < float(one["ts"]) < latest or (whole and float(one["ts"]) in (oldest, latest))
        ]
        found.sort(key=lambda one: float(one["ts"]), reverse=not thread)
        start, limit = int(arguments.get("cursor") or 0), int(arguments.get("limit") or 100)
        more = start + limit < len(found)
        page = [self._with_metadata(one, arguments) for one in found[start : start + limit]]
        cursor = {"next_cursor": str(start + limit) if more else ""}
        return {"ok": True, "messages": page, "has_more": more, "response_metadata": cursor}

    def _with_metadata(self, message: Json, arguments: Json) -> Json:
        wanted = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        return message if wanted else {name: value for name, value in message.items() if name != "metadata"}

    def _known(self, channel: str) -> bool:
        return channel[0] in "DG" or channel in self.workspace.rooms.values()


def _fits(block: Json) -> bool:
    """Whether a block keeps Slack's limits on its texts and buttons."""
    text = block.get("text", {}).get("text", "")
    elements = block.get("elements", [])
    return (
        (block["type"] != "section" or 0 < len(text) <= BLOCK_LIMIT)
        and (block["type"] != "header" or 0 < len(text) <= 150)
        and len(block.get("block_id", "")) <= 255
        and len(elements) <= 25
        and all(
            0 < len(button["text"]["text"]) <= 75 and len(button.get("value", "")) <= 2_000
            for button in elements
            if button["type"] == "button"
        )
        and len({button.get("action_id") for button in elements}) == len(elements)
    )


async def _arguments(request: web.Request) -> Json:
    """What a call says, in the query, a form or JSON."""
    body = (await request.read()).decode()
    if request.content_type == "application/json":
        said: Json = json.loads(body or "{}")
    else:
        said = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        for name in ("blocks", "metadata", "files", "prompts", "view"):
            if isinstance(said.get(name), str):
                said[name] = json.loads(said[name])
    return {**request.query, **said}
