"""The data format: which one a store has, and the way from each to the next."""

from collections.abc import AsyncIterator, Awaitable, Callable

from core.atoms.atoms import OWNER
from core.errors import InvalidInput
from core.store.store import Store

FORMAT = 4
"""Counts the changes to what is kept that need a migration. Exports carry it, too."""
LONG = 1_000
"""Characters above which a text is searched in pieces since format 2."""

Migration = Callable[[Store], Awaitable[None]]


async def migrate(store: Store) -> int:
    """Bring the store to this format, one step after the other; answers how many steps were taken.

    A step that was cut off is taken again, and two processes may take it at once. Raises `InvalidInput` for data of a
    newer Stoa, of which nothing is touched.
    """
    key = store.keys.format()
    found, spaces = await store.together(["GET", key], ["SCARD", store.keys.spaces()])
    at = int(found) if found is not None else 1 if spaces else FORMAT
    _check(at)
    for step in range(at, FORMAT):
        await MIGRATIONS[step](store)
        await store.run("SET", key, step + 1)
    if found is None and at == FORMAT:
        await store.run("SET", key, FORMAT)
    return FORMAT - at


async def check_format(store: Store) -> None:
    """Raises `InvalidInput` for data of a newer Stoa, whose processes need their own Function libraries to go on."""
    _check(int(await store.run("GET", store.keys.format()) or FORMAT))


def _check(at: int) -> None:
    if at > FORMAT:
        raise InvalidInput(
            f"The data is of a newer Stoa (format {at}, this one knows up to {FORMAT}), so nothing was touched. "
            "Update Stoa, or set STOA_HOME or REDIS_URL to other data."
        )


async def _search_long_texts_in_pieces(store: Store) -> None:
    """Have the long texts that were put before embedded anew, in pieces."""
    keys = store.keys
    for name in sorted(one.decode() for one in await store.run("SMEMBERS", keys.spaces())):
        async for put in _put(store, name):
            sizes = await store.together(*(["HSTRLEN", keys.atom(name, id), "c"] for id in put))
            if long := [id for id, size in zip(put, sizes, strict=True) if size > LONG]:
                await store.run("SADD", keys.unembedded(name), *long)


async def _know_age_and_targets(store: Store) -> None:
    """Write down for the index when atoms were put, and the state of what they refer to in other spaces."""
    await _order_referrers(store)  # what a space owes the others is carried out here, and reads them in this order
    for name in sorted(one.decode() for one in await store.run("SMEMBERS", store.keys.spaces())):
        async for put in _put(store, name):
            await store.run("FCALL", "stoa_restate", 1, store.keys.space(name), *put)
        await store.settle(name, background=True)


async def _order_referrers(store: Store) -> None:
    """Keep who refers to an atom in an order, so that it can be read page by page."""
    for name in sorted(one.decode() for one in await store.run("SMEMBERS", store.keys.spaces())):
        async for put in _put(store, name):
            await store.run("FCALL", "stoa_sort_referrers", 1, store.keys.space(name), *put)


async def _put(store: Store, space: str) -> AsyncIterator[list[str]]:
    """The ids of all that was ever put into a space, some hundred at a time."""
    after = 0
    while entries := await store.run(*store.reading("stoa_changes", space, OWNER.id, after, 500)):
        after = int(entries[-1][0].partition(b"-")[0])
        if put := [fields[fields.index(b"id") + 1].decode() for _, fields in entries if fields[1] == b"put"]:
            yield put


MIGRATIONS: dict[int, Migration] = {1: _search_long_texts_in_pieces, 2: _know_age_and_targets, 3: _order_referrers}
"""For each format the way to the next."""
