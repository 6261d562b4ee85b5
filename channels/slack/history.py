"""The messages that stand in a Slack conversation."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from channels.slack.api import WebAPI

HISTORY_PAGE_MESSAGES = 200
MAX_HISTORY_PAGES = 10


async def history(api: WebAPI, channel: str, thread: str, oldest: str) -> AsyncIterator[dict[str, Any]]:
    """The messages of a channel or of a thread after `oldest`, in Slack's order, as far as its pages reach."""
    cursor = None
    asked: dict[str, Any] = {"channel": channel, "oldest": oldest, "limit": HISTORY_PAGE_MESSAGES}
    for _ in range(MAX_HISTORY_PAGES):
        asked |= {"include_all_metadata": True, "cursor": cursor}
        if thread:
            messages = partial(api.client.conversations_replies, ts=thread, **asked)
        else:
            messages = partial(api.client.conversations_history, **asked)
        answer = await api.patiently(messages)
        for event in answer["messages"]:
            yield event
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
