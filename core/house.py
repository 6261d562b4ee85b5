"""The house: every part of one Stoa, opened in order and closed again."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from core.agents.agents import Agents
from core.agents.budgets import Budgets
from core.agents.lifecycle import Lifecycle
from core.models.embeddings import CachedEmbedder, Embedder, LocalEmbedder
from core.models.transcription import Transcriber
from core.redis.checks import check_server
from core.search.embedders import CurrentEmbedder, Embedders
from core.search.extraction import Texts
from core.search.index import create_index
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import Settings
from core.spaces.attachments import Attachments
from core.spaces.notifications import Notifications
from core.spaces.spaces import SpaceLimits, Spaces
from core.store.files import Files
from core.store.format import check_format, write_format
from core.store.keys import Keys
from core.store.store import Store, client, waiting_client
from core.times.clock import Clock
from core.tools.timers import Timers
from core.trust.approvals import Approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The parts of one Stoa; opened by `open_house`."""

    settings: Settings
    url: str
    clock: Clock
    store: Store
    notifications: Notifications
    embedder: Embedder
    """The local one, by which recipes are found; what spaces are searched by is `spaces.embedder`."""
    spaces: Spaces
    agents: Agents
    timers: Timers
    approvals: Approvals
    budgets: Budgets
    lifecycle: Lifecycle
    secrets: Secrets
    attachments: Attachments
    texts: Texts
    embedders: Embedders
    transcriber: Transcriber | None
    """Writes down what is said in recordings; None where the settings name none."""


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings, url: str, *, clock: Clock | None = None, embedder: Embedder | None = None
) -> AsyncIterator[House]:
    """Open the house over the Redis at `url`: enough to use spaces; `core.worker` brings the agents to life.

    Raises `StoreUnavailable` where there is no Redis with search. Nothing heavy is loaded before it is needed.
    """
    async with contextlib.AsyncExitStack() as stack:
        link = await stack.enter_async_context(contextlib.aclosing(client(url)))
        waiting = await stack.enter_async_context(contextlib.aclosing(waiting_client(link)))
        store = Store(link, Keys(settings.namespace), clock or Clock(settings.zone, settings.day_first))
        await _prepare(store)
        local = await stack.enter_async_context(LocalEmbedder())
        embedders = Embedders(store, local, settings.embedder, settings.embedder_url)
        if embedder is None:
            embedder, searched = CachedEmbedder(local, store), await embedders.open()
        else:
            searched = CurrentEmbedder(embedder)
            await create_index(store, embedder.id, embedder.dimensions)
        files = Files(settings.home, settings.files)
        texts = Texts(files)
        notifications = await stack.enter_async_context(Notifications(store, waiting))
        limits = SpaceLimits(settings.contents_kept, settings.space_text_bytes, settings.space_file_bytes)
        spaces = Spaces(store, notifications, searched, limits, texts)
        yield _house(settings, url, spaces, files=files, embedder=embedder, embedders=embedders)


async def _prepare(store: Store) -> None:
    """Check that this Redis and its data will do, and load our functions into it."""
    await check_server(store.link)
    await check_format(store)
    await store.load()
    await write_format(store)


def _house(
    settings: Settings, url: str, spaces: Spaces, *, files: Files, embedder: Embedder, embedders: Embedders
) -> House:
    agents, budgets = Agents(spaces), Budgets(spaces.store, settings)
    return House(
        settings=settings,
        url=url,
        clock=spaces.clock,
        store=spaces.store,
        notifications=spaces.notifications,
        embedder=embedder,
        spaces=spaces,
        agents=agents,
        timers=Timers(spaces),
        approvals=Approvals(spaces),
        budgets=budgets,
        lifecycle=Lifecycle(spaces, agents, budgets, settings),
        secrets=Secrets(vault=Vault(settings.home)),
        attachments=Attachments(files),
        texts=Texts(files),
        embedders=embedders,
        transcriber=Transcriber(settings.transcriber, settings.transcriber_url) if settings.transcriber else None,
    )
