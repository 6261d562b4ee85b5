"""Translates Redis and connection errors into ours."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from redis import exceptions as redis_errors

from core.atoms.permissions import Permission
from core.atoms.validation import MAX_CONTENT_BYTES, too_large_metadata
from core.errors import Conflict, InvalidInput, LeaseLost, NotFound, PermissionDenied, StoaError, StoreUnavailable
from core.redis.link import COMMAND_SECONDS, LinkLost


class PieceNotFound(InvalidInput):
    """The piece to replace does not occur, or occurs more than once."""


@contextlib.contextmanager
def in_our_words() -> Iterator[None]:
    """Translates the errors of redis-py, where it is used beside the link."""
    try:
        yield
    except redis_errors.RedisError as error:
        raise translated(error) from error


def translated(error: Exception) -> StoaError:
    """Our error for one of Redis or of the connection; the Function library's begin with a word of its own."""
    text = str(error)
    word, _, rest = text.partition(" ")
    if word in FUNCTION_ERRORS:
        return FUNCTION_ERRORS[word](rest)
    if word in REDIS_ERRORS:
        return StoreUnavailable(REDIS_ERRORS[word].format(rest=rest, text=text))
    if isinstance(error, TimeoutError):
        text = text or f"no answer within {COMMAND_SECONDS:.0f} seconds"
    if isinstance(error, OSError | redis_errors.ConnectionError | redis_errors.TimeoutError):
        return StoreUnavailable(
            f"Redis cannot be reached ({text}). Nothing was lost; I'll try again. See `stoa doctor` for details."
        )
    return InvalidInput(f"The store cannot carry that out: {text}")


OUTAGES = (StoreUnavailable, redis_errors.RedisError, LinkLost, ExceptionGroup)
"""What an outage of Redis may be raised as; `outage` decides."""


def outage(error: BaseException) -> StoreUnavailable | None:
    """The outage of Redis behind an error, or behind any of a group; None for every other error."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := outage(one))), None)
    ours = translated(error) if isinstance(error, redis_errors.RedisError | LinkLost) else error
    return ours if isinstance(ours, StoreUnavailable) else None


def _denied(rest: str) -> StoaError:
    held, needed = (Permission(int(level)) for level in rest.split()[:2])
    return PermissionDenied(f"This needs {needed}, you hold {held}. Whoever holds grant there can give it.")


def _claimed(rest: str) -> StoaError:
    ends, _, owner = rest.partition(" ")
    moment = datetime.fromtimestamp(int(ends.partition(".")[0]) / 1000, UTC)
    until = "" if ends == "0" else f" until {moment.isoformat()}"
    return Conflict(f"That is for {owner} to do{until}. Claim another one that is pending.")


def _no_match(rest: str) -> StoaError:
    times = "does not occur" if rest == "0" else "occurs more than once"
    kind = PieceNotFound if rest == "0" else InvalidInput
    return kind(f"The text to replace {times}; give a piece that occurs exactly once.")


def _too_big(rest: str) -> StoaError:
    total, size, largest = rest.split(" ", 2)
    return too_large_metadata(int(total), int(size), largest)


def _full(rest: str) -> StoaError:
    kind, space, used, most = rest.split(" ")
    setting = "STOA_SPACE_FILE_BYTES" if kind == "files" else "STOA_SPACE_TEXT_BYTES"
    what = "files" if kind == "files" else "text with its history"
    return InvalidInput(
        f"The space {space!r} holds {int(used):,} bytes of {what}, and {int(most):,} are the most, so nothing was "
        f"written. Use another space, or ask the owner to raise {setting}."
    )


FUNCTION_ERRORS: dict[str, Callable[[str], StoaError]] = {
    "NOSPACE": lambda rest: NotFound(
        f"There is no space {rest!r} that you may read. Check its name, or ask for access."
    ),
    "DENIED": _denied,
    "NOATOM": lambda rest: NotFound(f"There is no atom {rest!r} in this space."),
    "NOTGIVEN": lambda rest: NotFound(f"You gave {rest} nothing here, so there was nothing to take back."),
    "EXISTS": lambda rest: InvalidInput(f"There is an atom {rest!r} already; update it, or put without an id."),
    "TAKEN": lambda rest: InvalidInput(f"There is a space {rest!r} already; choose another name."),
    "MOVING": lambda rest: InvalidInput(
        f"An import of {rest!r} is under way or was cut off; let it end, or import it again."
    ),
    "CONFLICT": lambda rest: Conflict(f"The atom is at version {rest} by now."),
    "CLAIMED": _claimed,
    "NOTFREE": lambda rest: Conflict(
        f"Its status is {rest}, and only a pending atom can be claimed. Claim another one."
    ),
    "NOMATCH": _no_match,
    "TOOLONG": lambda rest: InvalidInput(
        f"The content would have {int(rest):,} bytes, one atom holds {MAX_CONTENT_BYTES:,}; split it."
    ),
    "TOOMUCH": lambda rest: InvalidInput(
        f"The atom would have {rest}, more than one holds; put another that refers to it."
    ),
    "TOOBIG": _too_big,
    "FULL": _full,
    "RETIRED": lambda _: StoreUnavailable(
        "Another embedder is in use now than the one this process began with, so it can make no vectors. Nothing was "
        "lost; start it again."
    ),
    "FENCED": lambda rest: LeaseLost(f"Another worker has taken over the turn of {rest}."),
}
"""The first word of a Function's error -> our error, from the rest of it."""
NOT_NOW = "Redis takes no changes at this moment ({text}). Nothing was lost; try again."
REDIS_ERRORS = {
    "MISCONF": (
        "Redis cannot write to its disk, so nothing was changed. Most often the disk is full: free some space and try "
        "again; what was kept before is safe."
    ),
    "OOM": (
        "Redis is out of memory, so nothing was changed. Free some, or raise its limit (STOA_REDIS_BYTES for the "
        "embedded one, maxmemory for others), and try again."
    ),
    "WRONGPASS": "Redis refuses the name or the password in REDIS_URL. Correct them and start again.",
    "NOAUTH": "Redis refuses the name or the password in REDIS_URL. Correct them and start again.",
    "NOPERM": "Redis does not let this user do what Stoa needs: {rest} Give it ~* &* +@all.",
    "Timeout": "The search took longer than Redis allows. Ask for less or in fewer spaces, or try again.",
    **dict.fromkeys(("READONLY", "NOREPLICAS", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "LOADING"), NOT_NOW),
}
"""The first word of an error of Redis or its search module -> the words of our `StoreUnavailable`."""
