"""Bolt, through which every payload goes, whether it came over the socket or by signed HTTP."""

import json
import logging
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.events import SlackPayload
from channels.slack.socket import SlackDispatch


def bolt_dispatch(client: AsyncWebClient, take: SlackDispatch) -> SlackDispatch:
    """Let Bolt read each payload and hand it to `take`, which decides whether it is acknowledged.

    Signatures are checked before, where a payload came by HTTP. Everything is taken in one middleware, since Bolt
    acknowledges events before its listeners run.
    """

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id=None)

    async def heard(body: SlackPayload) -> BoltResponse:
        taken, said = await take(body)
        return BoltResponse(status=200 if taken else 503, body=said or "")

    quiet = logging.getLogger("stoa.slack.bolt")
    quiet.setLevel(logging.CRITICAL)  # what goes wrong is logged where it happens
    app = AsyncApp(
        name=quiet.name,  # Bolt gives the logger of this name the level of `logger`
        logger=quiet,
        client=client,
        authorize=authorize,
        signing_secret="checked before",
        ssl_check_enabled=False,
        ignoring_self_events_enabled=False,
        url_verification_enabled=False,
    )
    app.middleware(heard)

    async def dispatch(payload: SlackPayload) -> tuple[bool, Any]:
        answer = await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=dict(payload)))
        return answer.status == 200, json.loads(answer.body) if (answer.body or "").startswith("{") else None

    return dispatch
