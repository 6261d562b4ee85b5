"""What a test does with the stand-in: `await rig.say("alice", room, "hello")`, `await rig.until(...)`."""

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from channels.accounts import Account
from core.secrets.secrets import SECRET_VARIABLE_PREFIX, Secrets
from tests.rigs.slack.workspace import Json

ROOT = Path(__file__).parents[3]
Found = TypeVar("Found")


@contextmanager
def program(port: int = 0) -> Iterator[Json]:
    """The stand-in in a process of its own, while the block lasts: its tokens and addresses."""
    command = [sys.executable, "-m", "tests.rigs.slack", "--port", str(port), "--while-parent-lives"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("The stand-in for Slack did not start; what it said stands above.")
        try:
            yield json.loads(line)
        finally:
            process.terminate()


class Rig:
    """A test's hold on the stand-in. Entered, everything there begins anew."""

    def __init__(self, facts: Json) -> None:
        self._take(facts)

    def _take(self, facts: Json) -> None:
        self.url: str = facts["url"]
        self.api_url: str = facts["api_url"]
        self.team: str = facts["team"]
        self.bot: str = facts["bot"]
        self.bot_token: str = facts["bot_token"]
        self.app_token: str = facts["app_token"]
        self.signing_secret: str = facts["signing_secret"]
        self.users: dict[str, str] = facts["users"]
        self.rooms: dict[str, str] = facts["rooms"]

    async def __aenter__(self) -> "Rig":
        self._http = aiohttp.ClientSession()
        self._take(await self._act("reset"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def _act(self, act: str, **asked: Any) -> Any:
        async with self._http.post(f"{self.url}/_rig/{act}", json=asked) as answer:
            said = await answer.json()
        if "error" in said:
            raise RuntimeError(f"{act}: {said['error']}")
        return said["answer"]

    # The app that is tested -------------------------------------------------------------------------------------------

    def account(self, id: str = "slack", **options: str) -> Account:
        """An account on it."""
        return Account(id=id, platform="slack", options={"api_url": self.api_url, **options})

    def environment(self, id: str = "slack") -> dict[str, str]:
        """The account's secrets, as variables."""
        named = {"BOT_TOKEN": self.bot_token, "APP_TOKEN": self.app_token, "SIGNING_SECRET": self.signing_secret}
        return {SECRET_VARIABLE_PREFIX + self.account(id).secret(name): value for name, value in named.items()}

    def secrets(self, id: str = "slack") -> Secrets:
        """The account's secrets."""
        return Secrets(self.environment(id))

    @property
    def mention(self) -> str:
        """How the app is named in a message."""
        return f"<@{self.bot}>"

    def sender(self, person: str) -> str:
        """How the channel calls a person."""
        return f"{self.team}:{self.users[person]}"

    # What people do ---------------------------------------------------------------------------------------------------

    async def say(self, person: str, channel: str, text: str, thread: str = "", files: int = 0) -> str:
        """Write a message with so many small files; answers its ts."""
        asked = {"person": person, "channel": channel, "text": text, "thread": thread, "files": files}
        return str(await self._act("say", **asked))

    async def upload(self, person: str, channel: str, name: str, content: str, thread: str = "") -> str:
        """Share one file with this text in it; answers the ts of its message."""
        asked = {"person": person, "channel": channel, "name": name, "content": content, "thread": thread}
        return str(await self._act("upload", **asked))

    async def edit(self, person: str, channel: str, ts: str, text: str) -> None:
        """Change a message."""
        await self._act("edit", person=person, channel=channel, ts=ts, text=text)

    async def delete(self, person: str, channel: str, ts: str) -> None:
        """Take a message away."""
        await self._act("delete", person=person, channel=channel, ts=ts)

    async def react(self, person: str, channel: str, ts: str, emoji: str) -> None:
        """Put an emoji, by its name there, to a message."""
        await self._act("react", person=person, channel=channel, ts=ts, emoji=emoji)

    async def click(self, person: str, channel: str, ts: str, value: str) -> Json | None:
        """Press the button of a message that has this value or text; answers the acknowledgement."""
        said: Json | None = await self._act("click", person=person, channel=channel, ts=ts, value=value)
        return said

    async def press_home(self, person: str, value: str, number: int = 0) -> None:
        """Press a button on the app's home."""
        await self._act("press_home", person=person, value=value, number=number)

    async def slash(self, person: str, channel: str, text: str, command: str = "/stoa") -> Json | None:
        """Type a slash command; answers what it was acknowledged with."""
        said: Json | None = await self._act("slash", person=person, channel=channel, text=text, command=command)
        return said

    async def dm(self, person: str) -> str:
        """The conversation in which this person is alone with the app."""
        return str(await self._act("dm", person=person))

    async def group(self, *people: str) -> str:
        """A group DM of these people and the app."""
        return str(await self._act("group", people=people))

    async def room(self, name: str, private: bool = False) -> str:
        """A new room with everybody in it."""
        return str(await self._act("room", name=name, private=private))

    async def stop(self, person: str, channel: str, thread: str) -> None:
        """Press the stop button under a thread."""
        await self._act("stop", person=person, channel=channel, thread=thread)

    async def open_home(self, person: str, tab: str = "home") -> None:
        """Look at the app's home, or at its `messages`."""
        await self._act("open_home", person=person, tab=tab)

    async def open_assistant(self, person: str) -> str:
        """Open a thread of the older assistant view; answers its ts."""
        return str(await self._act("open_assistant", person=person))

    # What goes wrong --------------------------------------------------------------------------------------------------

    async def event(self, **event: Any) -> None:
        """Tell the app of anything."""
        await self._act("event", event=event)

    async def kick(self, channel: str) -> None:
        """Throw the app out of a room."""
        await self._act("kick", channel=channel)

    async def enter(self, channel: str) -> None:
        """Let the app back in."""
        await self._act("enter", channel=channel)

    async def archive(self, channel: str) -> None:
        """Archive a room."""
        await self._act("archive", channel=channel)

    async def leave(self, person: str) -> None:
        """Deactivate a person's account."""
        await self._act("leave", person=person)

    async def revoke(self, error: str = "token_revoked") -> None:
        """Take the app's token away; every call is answered with this error."""
        await self._act("revoke", error=error)

    async def restore(self) -> None:
        """Give the app's token back."""
        await self._act("restore")

    async def lack(self, *scopes: str) -> None:
        """Take scopes away."""
        await self._act("scopes", missing=scopes)

    async def fault(
        self,
        method: str,
        error: str = "ratelimited",
        times: int = 1,
        *,
        after: int = 1,
        hang: float = 0,
        late: bool = False,
    ) -> None:
        """Let the next calls of a method (`*`: of any) fail: `after` are the seconds to wait of `ratelimited`, `hang`
        those until the answer; `late` calls are done first; the error `none` only hangs,
        `bad_gateway` is a page instead of an answer."""
        asked = {"method": method, "error": error, "times": times, "after": after, "hang": hang, "late": late}
        await self._act("fault", **asked)

    async def drop(self) -> int:
        """Tear every socket off; answers how many."""
        return int(await self._act("drop"))

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Let Slack close the sockets, as it does every few hours."""
        await self._act("disconnect", reason=reason)

    async def settle(self, **settings: Any) -> None:
        """Set `patience` (seconds for an acknowledgement), `hold` (seconds that an event waits for a socket until it
        is lost), `http_to`, `frozen`, `duplicates`, `redirect`."""
        await self._act("settle", **settings)

    async def expire_streams(self) -> None:
        """Let every stream die, as Slack does after some minutes."""
        await self._act("expire")

    async def again(self, last: int = 1) -> None:
        """Tell the last events once more."""
        await self._act("again", last=last)

    # What is to be seen -----------------------------------------------------------------------------------------------

    async def look(self) -> Json:
        """Sockets, calls, log of deliveries, statuses, prompts, streams, homes, ephemerals."""
        looked: Json = await self._act("look")
        return looked

    async def messages(self, channel: str, thread: str = "") -> list[Json]:
        """The messages of a conversation or of a thread, oldest first."""
        found: list[Json] = await self._act("messages", channel=channel, thread=thread)
        return found

    async def texts(self, channel: str, thread: str = "") -> list[str]:
        """What the app wrote there."""
        return [one["text"] for one in await self.messages(channel, thread) if one["user"] == self.bot]

    async def reactions(self, channel: str, ts: str) -> list[str]:
        """The names of the emoji on a message."""
        found: list[str] = await self._act("reactions", channel=channel, ts=ts)
        return found

    async def calls(self, method: str) -> list[Json]:
        """The app's calls of one method: arguments, `ok`, `error`, and `at`, when they came in seconds since 1970."""
        found: list[Json] = await self._act("calls", method=method)
        return found

    async def begun(self, method: str) -> int:
        """How many calls of a method have come in, answered or not."""
        return int(await self._act("begun", method=method))

    async def until(self, look: Callable[[], Awaitable[Found]], patience: float = 60) -> Found:
        """Wait until `look` answers something true, and answer it; it is asked anew whenever anything changes."""
        ends = time.monotonic() + patience
        version = 0
        while True:
            version = int(await self._act("wait", after=version, patience=0))
            if found := await look():
                return found
            if time.monotonic() > ends:
                raise AssertionError(f"nothing came within {patience} s; the stand-in has {await self.look()}")
            version = int(await self._act("wait", after=version, patience=0.5))

    async def connected(self, sockets: int = 1) -> None:
        """Wait until the app has that many sockets."""

        async def enough() -> bool:
            return bool(await self._act("sockets") == sockets)

        await self.until(enough)
