"""`stoa webhook`."""

import asyncio
import hmac
import json
from hashlib import sha256
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from typer import Argument, Option

from bots.cli.opening import opened
from bots.cli.options import AsJson
from bots.cli.output import print_json, print_table, say
from bots.webhooks import add_webhook, remove_webhook
from channels.webhook.hooks import Hook, Hooks, template_named
from core.errors import NotFound, StoreUnavailable
from core.house import House

Name = Annotated[str, Argument(metavar="NAME", help="The webhook's name: a-z, 0-9 and dashes.")]
TEST_SECONDS = 10
SAMPLES = {
    "plain": ("", {"text": "A test of this webhook"}),
    "form": ("", {"name": "Ada", "message": "A test of this webhook"}),
    "github": ("ping", {"zen": "A test", "repository": {"full_name": "test/test"}, "sender": {"login": "stoa"}}),
    "calendar": ("", {"summary": "A test", "start": "2027-01-01T10:00:00Z", "status": "confirmed"}),
}


async def webhook_add(
    name: Name,
    template: Annotated[str, Option(help="What comes: plain, form, github or calendar.")] = "plain",
    signed: Annotated[bool, Option("--signed", help="Requests are signed with the key; GitHub always does.")] = False,
) -> None:
    """Add a webhook. Its secret is printed once."""
    async with opened() as house:
        hook = Hook(id=name, template=template_named(template), signed=signed or template == "github")
        key = await add_webhook(house, hook)
        say(f"Address: {_address(house, hook)}")
    if hook.signed:
        say(f"Key:     {key}")
        say("Requests bring X-Hub-Signature-256 or X-Stoa-Signature: sha256=HMAC-SHA256 of the body with this key.")
    else:
        say(f"Token:   {key}")
        say(f"Requests bring Authorization: Bearer TOKEN. Try it: stoa webhook test {name}")
    say("The secret isn't shown again.")


async def webhook_list(as_json: AsJson = False) -> None:
    """List webhooks."""
    async with opened() as house:
        rows = [(hook, _address(house, hook)) for hook in await Hooks(house.store).all()]
    if as_json:
        print_json(
            [{"name": one.id, "template": one.template, "signed": one.signed, "address": at} for one, at in rows]
        )
    elif rows:
        print_table([(one.id, one.template, "signed" if one.signed else "token", at) for one, at in rows])
    else:
        say("There are no webhooks. `stoa webhook add NAME` adds one.")


async def webhook_remove(name: Name) -> None:
    """Remove a webhook; its events stay in its space."""
    async with opened() as house:
        await remove_webhook(house, name)
    say(f"Removed {name}. Its events stay in the space hook-{name}.")


async def webhook_test(name: Name) -> None:
    """Send a webhook an event, as its sender would."""
    async with opened() as house:
        hook = await Hooks(house.store).get(name)
        key = house.secrets.value(hook.secret)
        address = f"http://{house.settings.webhook_host}:{house.settings.webhook_port}/hooks/{hook.id}"
    answer = await asyncio.to_thread(_sent, hook, key, address)
    say(f"{'Taken' if answer.get('new') else 'Taken before'}: {answer.get('atom')}")


def _sent(hook: Hook, key: str, address: str) -> dict[str, object]:
    kind, sample = SAMPLES[hook.template]
    body = json.dumps(sample).encode()
    headers = (
        {"Content-Type": "application/json", "X-GitHub-Event": kind} if kind else {"Content-Type": "application/json"}
    )
    if hook.signed:
        headers["X-Hub-Signature-256"] = f"sha256={hmac.new(key.encode(), body, sha256).hexdigest()}"
    else:
        headers["Authorization"] = f"Bearer {key}"
    try:
        with urlopen(Request(address, body, headers), timeout=TEST_SECONDS) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found
    except HTTPError as error:
        raise NotFound(f"{address} answered {error.code}: {error.read(500).decode(errors='replace')}") from None
    except (URLError, TimeoutError):
        raise StoreUnavailable(f"Nothing answers at {address}. Start `stoa serve` or `stoa run` first.") from None


def _address(house: House, hook: Hook) -> str:
    settings = house.settings
    base = settings.webhook_url or f"http://{settings.webhook_host}:{settings.webhook_port}"
    return f"{base.rstrip('/')}/hooks/{hook.id}"
