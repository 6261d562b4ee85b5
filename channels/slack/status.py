"""The status under a thread while an answer is being written, with Slack's stop button beside it."""

import logging
from collections.abc import Awaitable

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from channels.contract import Later, Undeliverable, Unusable
from channels.slack.api import Refused, WebAPI
from channels.slack.events import channel_and_thread

THINKING_STATUS = "is thinking…"
NO_SESSIONS_ERRORS = {"unknown_method", "not_authorized", "not_allowed", "feature_not_enabled", "method_deprecated"}
"""Errors of a workspace, or of an app made from an older manifest, that has no agent sessions."""
NO_STOP_WARNING = "missing_agent_session_stopped_event_subscription"
NO_STOP_ADVICE = (
    "%s: Slack shows no stop button, as the app does not subscribe to agent_session_stopped. Add it at "
    "https://api.slack.com/apps under Event Subscriptions, as deploy/slack-app.yaml has it."
)

log = logging.getLogger(__name__)


class ThreadStatus:
    """The threads in which we are shown to be at work. Nobody would miss a status, so no call here is tried again."""

    def __init__(self, api: WebAPI, hasty: AsyncWebClient) -> None:
        self._api = api
        self._hasty = hasty
        self._working: set[str] = set()
        self._has_sessions = True
        self._advised = False

    async def show(self, conversation: str, working: bool) -> None:
        """Show whether we are at work there. Only threads can show it."""
        channel, thread = channel_and_thread(conversation)
        if not thread or working == (conversation in self._working):
            return
        (self._working.add if working else self._working.discard)(conversation)
        if self._has_sessions and await self._session(channel, thread, working):
            return
        status = THINKING_STATUS if working else ""
        await self.decorate(
            self._hasty.assistant_threads_setStatus(channel_id=channel, thread_ts=thread, status=status)
        )

    def answered(self, conversation: str) -> None:
        """Note that a message of ours stands there now, which clears a status of the older kind."""
        if not self._has_sessions:
            self._working.discard(conversation)

    async def stopped(self, conversation: str) -> None:
        """Show that the stop button was heard: Slack leaves that to us."""
        self._working.add(conversation)
        await self.show(conversation, False)

    async def _session(self, channel: str, thread: str, working: bool) -> bool:
        """Set the status of the agent's session; False where the older call has to do."""
        status = "processing" if working else "active"
        call = self._hasty.agents_sessions_setStatus(channel_id=channel, thread_ts=thread, status=status)
        try:
            answer = await self._api.ask(call)
        except Refused as error:
            self._has_sessions = error.error not in NO_SESSIONS_ERRORS
            log.info("%s has no agent session: %s", self._api.account, error)
            return False
        except (Undeliverable, Unusable, Later, OSError) as error:
            log.info("%s shows no status: %s", self._api.account, type(error).__name__)
            return True
        if NO_STOP_WARNING in str(answer.get("warning") or "") and not self._advised:
            self._advised = True
            log.warning(NO_STOP_ADVICE, self._api.account)
        return True

    async def decorate(self, call: Awaitable[AsyncSlackResponse]) -> None:
        """Make a call that may fail."""
        try:
            await self._api.ask(call)
        except (Undeliverable, Unusable, Later, OSError) as error:
            log.info("%s goes without a decoration: %s", self._api.account, type(error).__name__)
