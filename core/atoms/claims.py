"""Claims: one of several takes a task for as long as a lease lasts; then, or when it dies, it is pending again."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.atoms.atoms import Atom, Principal, Value
from core.atoms.validation import checked_metadata
from core.errors import InvalidInput

MAX_LEASE_SECONDS = 30 * 86_400.0
"""Seconds."""


def claim_patch(
    owner: Principal, now: datetime, lease: float, metadata: Mapping[str, Value | None]
) -> tuple[dict[str, Value | None], datetime]:
    """The metadata that a claim sets, and the moment it ends; raises `InvalidInput`."""
    if not isinstance(lease, int | float) or isinstance(lease, bool) or not 0 < lease <= MAX_LEASE_SECONDS:
        raise InvalidInput(f"lease is {lease!r}; give the seconds you need it for, at most {MAX_LEASE_SECONDS:.0f}")
    metadata = checked_metadata(metadata)
    if taken := {"owner", "lease"} & set(metadata):
        raise InvalidInput(f"a claim sets {' and '.join(sorted(taken))} itself; leave it out of the metadata")
    until = now + timedelta(seconds=lease)
    until -= timedelta(microseconds=until.microsecond % 1000)  # the store counts in milliseconds
    return {"status": "claimed", **metadata, "owner": owner.id, "lease": until}, until


def is_over(atom: Atom, now: datetime) -> bool:
    lease = atom.metadata.get("lease")
    return isinstance(lease, datetime) and lease <= now and "owner" in atom.metadata
