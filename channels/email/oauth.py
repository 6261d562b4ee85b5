"""Access tokens for XOAUTH2, got with the refresh token that is among the account's secrets."""

import time
from dataclasses import dataclass

import httpx2

from channels.contract import Unusable
from channels.email.imap import Credentials

TOKEN_SECONDS = 30.0
"""So long may the provider take."""
EARLY_SECONDS = 120.0
"""A token is renewed so long before it ends."""


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """Where tokens come from, and for whom."""

    url: str
    client: str
    client_secret: str
    refresh_token: str


class Tokens:
    """The access token of one account."""

    def __init__(self, account: str, app: OAuthApp) -> None:
        self._account = account
        self._app = app
        self._token = ""
        self._until = 0.0

    async def credentials(self) -> Credentials:
        """A token that is good for some minutes; raises `Unusable` if none is given any more."""
        if time.monotonic() >= self._until:
            await self._renew()
        return Credentials(self._token, token=True)

    def forget(self) -> None:
        """Ask for a new token next time: this one was refused."""
        self._until = 0.0

    async def _renew(self) -> None:
        asked = {
            "grant_type": "refresh_token",
            "refresh_token": self._app.refresh_token,
            "client_id": self._app.client,
            "client_secret": self._app.client_secret,
        }
        try:
            async with httpx2.AsyncClient(timeout=TOKEN_SECONDS) as client:
                answer = await client.post(self._app.url, data={name: value for name, value in asked.items() if value})
        except httpx2.HTTPError as error:
            raise ConnectionError(f"The provider of tokens cannot be reached: {type(error).__name__}") from None
        if answer.status_code >= 500:
            raise ConnectionError(f"The provider of tokens has trouble of its own: HTTP {answer.status_code}")
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        if answer.status_code != 200 or not told.get("access_token"):
            why = told.get("error_description") or told.get("error") or f"HTTP {answer.status_code}"
            raise Unusable(
                f"The sign-in of {self._account} has ended: {str(why)[:200]}. Sign in again and store the new refresh "
                f"token with `stoa setup {self._account}`."
            )
        self._token = str(told["access_token"])
        self._until = time.monotonic() + float(told.get("expires_in", 3600)) - EARLY_SECONDS
