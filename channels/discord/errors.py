"""Discord's refusals as the contract's errors, in words for the owner."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from channels.contract import Later, Undeliverable, Unusable

UNKNOWN_MESSAGE_CODE = 10_008
MAX_WAIT_SECONDS = 30.0
"""discord.py waits by itself for a rate limit up to this; for a longer one the bridge does."""
CLOUDFLARE_WAIT_SECONDS = 60.0
CLOSE_BAD_TOKEN, CLOSE_DISALLOWED_INTENTS = 4004, 4014
REASONS = {
    10_003: "the channel is gone",
    10_004: "the server is gone, or the bot was removed from it",
    10_013: "Discord knows no such person",
    UNKNOWN_MESSAGE_CODE: "the message is gone",
    40_005: "the file is too large for Discord",
    50_001: "the bot may not see that channel; let its role View Channel there",
    50_007: "they have blocked the bot, share no server with it, or take no direct messages",
    50_013: "the bot lacks a permission there; its role needs Send Messages, Send Messages in Threads, Attach Files, "
    "Add Reactions and Read Message History",
    50_083: "the thread is archived",
    160_005: "the thread is locked",
}


def refused_token(account: str) -> Unusable:
    return Unusable(
        f"Discord refuses the token of {account}. Choose Reset Token on the app's page Bot at "
        f"https://discord.com/developers/applications, then run `stoa setup {account}`."
    )


def missing_content_intent(account: str) -> str:
    return (
        f"{account} may not read what is said in servers unless it is mentioned: turn on Message Content Intent on the "
        "app's page Bot at https://discord.com/developers/applications. Direct messages and mentions work without it."
    )


@contextmanager
def translated(account: str) -> Iterator[None]:
    """Raises what the contract says for everything that discord.py can raise."""
    try:
        yield
    except discord.LoginFailure:
        raise refused_token(account) from None
    except discord.RateLimited as error:
        raise Later(error.retry_after) from None
    except discord.DiscordServerError as error:
        raise ConnectionError(f"Discord has trouble of its own: HTTP {error.status}") from None
    except discord.HTTPException as error:
        raise _refusal(account, error) from None
    except discord.PrivilegedIntentsRequired:
        raise Unusable(missing_content_intent(account)) from None
    except discord.ConnectionClosed as error:
        if error.code == CLOSE_BAD_TOKEN:
            raise refused_token(account) from None
        raise ConnectionError(f"Discord closed the connection: {error.code}") from None
    except discord.GatewayNotFound as error:
        if isinstance(cause := error.__cause__, discord.HTTPException) and cause.status == 401:
            raise refused_token(account) from None
        raise ConnectionError("Discord does not name its gateway") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ConnectionError(f"Discord cannot be reached: {type(error).__name__}") from None


def _refusal(account: str, error: discord.HTTPException) -> Exception:
    if error.status == 401:
        return refused_token(account)
    if error.status == 429:
        return Later(CLOUDFLARE_WAIT_SECONDS)
    return Undeliverable(f"Discord refused it: {REASONS.get(error.code) or error.text or f'HTTP {error.status}'}.")
