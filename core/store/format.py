"""The number of the data format, and the refusal of data from a newer Stoa."""

from core.errors import InvalidInput
from core.store.store import Store

FORMAT = 1
"""Raised when stored data changes shape. Exports carry it, too."""


async def check_format(store: Store) -> None:
    """Raises `InvalidInput` for data of a newer Stoa; to be called before anything is touched."""
    found = int(await store.run("GET", store.keys.format()) or FORMAT)
    if found > FORMAT:
        raise InvalidInput(
            f"The data is of a newer Stoa (format {found}, this one knows up to {FORMAT}), so nothing was touched. "
            "Update Stoa, or set STOA_HOME or REDIS_URL to other data."
        )


async def write_format(store: Store) -> None:
    await store.run("SET", store.keys.format(), FORMAT, "NX")
