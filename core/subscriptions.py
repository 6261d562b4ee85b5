"""Subscriptions: when changes are to wake who asked to be told of them, and which changes these are."""

from collections.abc import Mapping

from core.atoms import Value
from core.checks import check_metadata
from core.errors import InvalidInput
from core.store import pack, token

LONGEST_DIGEST = 7 * 86_400.0
"""Seconds."""

Wish = Mapping[str, Value]
"""The metadata a changed atom must have; a list means any of its members."""


def subscription(wake: str | float, metadata: Wish) -> str | bytes:
    """A subscription as the Function library keeps it; raises `InvalidInput` for one that cannot be."""
    if isinstance(wake, bool) or (wake not in ("now", "never") and not isinstance(wake, int | float)):
        raise InvalidInput(f'wake is {wake!r}; give "now", "never", or the seconds of a digest')
    if not isinstance(wake, str) and not 0 < wake <= LONGEST_DIGEST:
        raise InvalidInput(f"wake is {wake!r}; a digest comes every 1 to {LONGEST_DIGEST:.0f} seconds")
    values = metadata.values() if isinstance(metadata, Mapping) else [None]
    if any(isinstance(value, Mapping) or value is None or value == [] for value in values):
        raise InvalidInput('metadata asks for values, such as {"status": "done"} or {"status": ["open", "late"]}')
    check_metadata(metadata)
    if isinstance(wake, str) and not metadata:
        return wake
    asked = [token(key, value) for key, value in metadata.items()]
    return pack([wake if isinstance(wake, str) else max(1, round(wake * 1000)), asked])
