"""Accounts: the bots that Stoa is on the platforms."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from channels.accounts import Account, Accounts, open_channel
from core.errors import InvalidInput, NotFound
from core.secrets.secrets import Secrets
from core.store.keys import Keys
from core.store.store import Store, client
from core.testing import MovableClock


@pytest.fixture
async def accounts(redis_url: str, namespace: str) -> AsyncIterator[Accounts]:
    link = client(redis_url)
    store = Store(link, Keys(namespace), MovableClock(datetime.now(UTC)))
    yield Accounts(store)
    await link.aclose()


async def test_an_account_is_kept_as_it_was_made(accounts: Accounts) -> None:
    made = Account(id="slack-work", platform="slack", options={"mode": "http"}, prompts=("What is due?",))
    await accounts.save(made)
    assert await accounts.get("slack-work") == made
    assert await accounts.all() == [made]


async def test_a_removed_account_is_not_known_any_more(accounts: Accounts) -> None:
    await accounts.save(Account(id="slack", platform="slack"))
    await accounts.remove("slack")
    assert await accounts.all() == []
    with pytest.raises(NotFound, match="no account 'slack'"):
        await accounts.get("slack")


@pytest.mark.parametrize("name", ["", "Slack", "slack_work", "-slack", "a" * 41])
async def test_what_cannot_be_a_name_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a valid account name"):
        await accounts.save(Account(id=name, platform="slack"))


def test_the_secrets_of_an_account_are_named_after_it() -> None:
    assert Account(id="slack-work", platform="slack").secret("BOT_TOKEN") == "SLACK_WORK_BOT_TOKEN"


def test_a_platform_that_nobody_knows_is_named_with_those_that_are() -> None:
    with pytest.raises(InvalidInput, match="no channel for 'pigeon'; there is one for discord, email, slack, telegram"):
        open_channel(Account(id="pigeon", platform="pigeon"), Secrets({}))
