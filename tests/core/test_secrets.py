"""A secret is a name to agents, a value to the tool that needs it, and nothing to anybody else."""

import pytest

from core.atoms import Principal
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.house import House
from core.secrets import Secrets
from core.spaces import Actor
from core.testing import ScriptedLLM
from core.tools import Acting, acting, call_tool
from tests.core.scenes import said, seat, tell, working

SECRETS = Secrets({"STOA_SECRET_BANK_TOKEN": "hunter2-hunter2", "PATH": "/bin"})


async def pay() -> str:
    """Pay with the bank's token."""
    return f"paid with {len(acting().secret('BANK_TOKEN'))} characters"


async def test_a_tool_is_given_the_value_when_the_agent_holds_the_name() -> None:
    who = Acting(Actor(Principal("ann")), "", ("BANK_TOKEN",), SECRETS)
    assert await call_tool(pay, who) == "paid with 15 characters"


async def test_a_tool_is_refused_the_value_when_the_agent_does_not_hold_the_name() -> None:
    with pytest.raises(PermissionDenied, match="does not hold the secret BANK_TOKEN"):
        await call_tool(pay, Acting(Actor(Principal("ann")), "", (), SECRETS))


def test_a_secret_that_is_not_set_says_how_to_set_it() -> None:
    with pytest.raises(NotFound, match="Set STOA_SECRET_MAIL in the environment"):
        SECRETS.value("MAIL")
    with pytest.raises(InvalidInput):
        SECRETS.value("../etc")


def test_values_are_taken_out_of_texts_and_never_shown() -> None:
    assert SECRETS.redacted("token=hunter2-hunter2!") == "token=[secret BANK_TOKEN]!"
    assert "hunter2" not in repr(SECRETS)
    assert SECRETS.names() == ["BANK_TOKEN"]


async def test_an_agent_code_sees_no_environment_and_no_value(house: House) -> None:
    await seat(house, secrets=("BANK_TOKEN",))
    llm = ScriptedLLM("```python\nimport os\nprint(os.environ)\n```", "no")
    async with working(house, llm):
        await tell(house, "look")
        await said(house)
    assert "<error>" in llm.seen[1][-1].text
