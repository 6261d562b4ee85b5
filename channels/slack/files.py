"""Files on Slack, both ways."""

from urllib.parse import urljoin, urlsplit

import aiohttp

from channels.contract import File, Undeliverable
from channels.slack.api import WebAPI, missing_scope, network_errors
from channels.slack.events import channel_and_thread

SLACK_HOSTS = (".slack.com", ".slack-edge.com", ".slack-files.com")
"""Hosts that may see the bot's token, besides the Web API's own."""
MAX_FILE_REDIRECTS = 3
MAX_DOWNLOAD_BYTES = 100_000_000
TRANSFER_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_read=30)


class SlackFiles:
    """The files of one account."""

    def __init__(self, api: WebAPI, session: aiohttp.ClientSession, token: str, base: str) -> None:
        self._api = api
        self._session = session
        self._token = token
        self._home = _origin(base)

    async def read(self, file: File) -> bytes:
        """The bytes of a file; the token never leaves Slack, wherever the way leads."""
        with network_errors():
            return await self._read(file)

    async def _read(self, file: File) -> bytes:
        url = file.place
        for _ in range(MAX_FILE_REDIRECTS):
            if not self._slack(url):
                raise Undeliverable(f"{file.name!r} is kept outside of Slack, where the bot cannot read it.")
            headers = {"Authorization": f"Bearer {self._token}"}
            request = self._session.get(url, headers=headers, allow_redirects=False, timeout=TRANSFER_TIMEOUT)
            async with request as answer:
                if 300 <= answer.status < 400:
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                if answer.status != 200:
                    raise Undeliverable(f"Slack did not hand over {file.name!r}: HTTP {answer.status}.")
                if answer.content_type == "text/html" and file.media_type != "text/html":  # the page to sign in on
                    raise Undeliverable(
                        f"{file.name!r} cannot be read: {missing_scope(self._api.account, 'files:read')}"
                    )
                return await self._bytes(file, answer)
        raise Undeliverable(f"{file.name!r} is redirected more than {MAX_FILE_REDIRECTS} times.")

    async def _bytes(self, file: File, answer: aiohttp.ClientResponse) -> bytes:
        data = bytearray()
        async for part in answer.content.iter_chunked(1 << 16):
            data += part
            if len(data) > MAX_DOWNLOAD_BYTES:
                raise Undeliverable(
                    f"{file.name!r} is larger than {MAX_DOWNLOAD_BYTES:,} bytes, the most that is read."
                )
        return bytes(data)

    def _slack(self, url: str) -> bool:
        scheme, host, _ = origin = _origin(url)
        return origin == self._home or (scheme == "https" and host.endswith(SLACK_HOSTS))

    async def send(self, conversation: str, name: str, data: bytes) -> str:
        """Show a file and return Slack's id of it."""
        channel, thread = channel_and_thread(conversation)
        client = self._api.client
        asked = await self._api.ask(client.files_getUploadURLExternal(filename=name, length=len(data)))
        with network_errors():
            async with self._session.post(asked["upload_url"], data=data, timeout=TRANSFER_TIMEOUT) as answer:
                if answer.status >= 500:
                    raise ConnectionError(f"Slack has trouble of its own: HTTP {answer.status}")
                if answer.status != 200:
                    raise Undeliverable(f"Slack does not take {name!r}: HTTP {answer.status}.")
        file = {"id": asked["file_id"], "title": name}
        done = client.files_completeUploadExternal(files=[file], channel_id=channel, thread_ts=thread or None)
        await self._api.ask(done)
        return str(asked["file_id"])


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", "", None
