"""What Redis, or the way to it, says against us, as one of our errors."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from redis import exceptions as redis_errors

from core.atoms.permissions import Permission
from core.atoms.validation import MAX_CONTENT_BYTES, too_large_metadata
from core.errors import Conflict, InvalidInput, LeaseLost, NotFound, PermissionDenied, StoaError, StoreUnavailable
from core.redis.link import COMMAND_SECONDS, LinkLost


@contextlib.contextmanager
def in_our_words() -> Iterator[None]:
    """What redis-py raises in here, for whoever uses it beside the link, as one of our errors."""
    try:
        yield
    except redis_errors.RedisError as error:
        raise translated(error) from error


def translated(error: Exception) -> StoaError:
    """Our error for one of Redis' or of the way to it; the Function library's begin with a word of its own."""
    text = str(error)
    word, _, rest = text.partition(" ")
    match word:
        case "NOSPACE":
            return NotFound(f"There is no space {rest!r} that you may read. Check its name, or ask for access.")
        case "DENIED":
            held, needed = (Permission(int(level)) for level in rest.split()[:2])
            return PermissionDenied(f"This needs {needed}, you hold {held}. Whoever holds grant there can give it.")
        case "NOATOM":
            return NotFound(f"There is no atom {rest!r} in this space.")
        case "EXISTS":
            return InvalidInput(f"There is an atom {rest!r} already; update it, or put without an id.")
        case "TAKEN":
            return InvalidInput(f"There is a space {rest!r} already; choose another name.")
        case "MOVING":
            return InvalidInput(f"An import of {rest!r} is under way or was cut off; let it end, or import it again.")
        case "CONFLICT":
            return Conflict(f"The atom is at version {rest} by now.")
        case "CLAIMED":
            ends, _, owner = rest.partition(" ")
            until = (
                ""
                if ends == "0"
                else f" until {datetime.fromtimestamp(int(ends.partition('.')[0]) / 1000, UTC).isoformat()}"
            )
            return Conflict(f"That is for {owner} to do{until}. Claim another one that is pending.")
        case "NOTFREE":
            return Conflict(f"Its status is {rest}, and only what is pending can be claimed. Claim another one.")
        case "NOMATCH":
            times = "does not occur" if rest == "0" else "occurs more than once"
            return InvalidInput(f"The text to replace {times}; give a piece that occurs exactly once.")
        case "TOOLONG":
            return InvalidInput(
                f"The content would have {int(rest):,} bytes, one atom holds {MAX_CONTENT_BYTES:,}; split it."
            )
        case "TOOMUCH":
            return InvalidInput(f"The atom would have {rest}, more than one holds; put another that refers to it.")
        case "TOOBIG":
            total, size, largest = rest.split(" ", 2)
            return too_large_metadata(int(total), int(size), largest)
        case "RETIRED":
            return StoreUnavailable(
                "Another embedder is in use by now than the one this process began with, so it can make no vectors. "
                "Nothing was lost; start it again."
            )
        case "FENCED":
            return LeaseLost(f"Another worker has taken over the turn of {rest}.")
    if known := _of_redis(word, rest, text):
        return known
    if isinstance(error, TimeoutError):
        text = text or f"no answer within {COMMAND_SECONDS:.0f} seconds"
    if isinstance(error, OSError | redis_errors.ConnectionError | redis_errors.TimeoutError):
        return StoreUnavailable(
            f"Redis cannot be reached ({text}). Nothing was lost; it is tried again. Look at it with `stoa doctor`."
        )
    return InvalidInput(f"The store cannot carry that out: {text}")


def _of_redis(word: str, rest: str, text: str) -> StoreUnavailable | None:
    """Our error for one that begins with a word of Redis' own."""
    match word:
        case "MISCONF":
            return StoreUnavailable(
                "Redis cannot write to its disk, so nothing was changed. Most often the disk is full: free some "
                "space and try again; what was kept before is safe."
            )
        case "OOM":
            return StoreUnavailable(
                "Redis is out of memory, so nothing was changed. Raise its maxmemory and try again."
            )
        case "WRONGPASS" | "NOAUTH":
            return StoreUnavailable("Redis refuses the name or the password in REDIS_URL. Mend them and start again.")
        case "NOPERM":
            return StoreUnavailable(f"Redis does not let this user do what Stoa needs: {rest} Give it ~* &* +@all.")
        case "Timeout":  # what the search module says
            return StoreUnavailable(
                "The search took longer than Redis lets one take. Ask for less or in fewer spaces, or try again."
            )
        case "READONLY" | "NOREPLICAS" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "LOADING":
            return StoreUnavailable(f"Redis takes no changes at this moment ({text}). Nothing was lost; try again.")
    return None


OUTAGES = (StoreUnavailable, redis_errors.RedisError, LinkLost, ExceptionGroup)
"""What an outage of Redis may be raised as; `outage` decides."""


def outage(error: BaseException) -> StoreUnavailable | None:
    """The outage of Redis that an error, or any of a group of errors, goes back to; None for every other error."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := outage(one))), None)
    ours = translated(error) if isinstance(error, redis_errors.RedisError | LinkLost) else error
    return ours if isinstance(ours, StoreUnavailable) else None
