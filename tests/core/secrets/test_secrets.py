"""A secret is a name to agents, a value to the tool that needs it, and nothing to anybody else."""

import base64
import json
import logging
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.cli.supervision import logged
from core.atoms.atoms import Atom, Principal
from core.errors import InvalidInput, NotFound, PermissionDenied
from core.house import House
from core.secrets.secrets import Secrets
from core.secrets.vault import Vault
from core.settings import load
from core.spaces.spaces import Actor
from core.testing import ScriptedLLM
from core.tools.registry import Acting, acting, call_tool
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


@given(
    st.lists(st.sampled_from(["hunter2-hunter2", "HUNTER2-hunter2", "x", "\n"]), max_size=12),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_a_piece_of_a_text_shows_nothing_of_a_value_and_all_else(words: list[str], start: int, length: int) -> None:
    text = "".join(words)
    shown = SECRETS.piece(text, start, start + length)
    hidden = {n for match in re.finditer("hunter2-hunter2", text, re.IGNORECASE) for n in range(*match.span())}
    seen = [text[n] for n in range(start, min(start + length, len(text))) if n not in hidden]
    assert shown.replace("[secret BANK_TOKEN]", "") == "".join(seen)


def test_a_secret_that_is_not_set_says_how_to_set_it() -> None:
    with pytest.raises(NotFound, match="stoa secret set MAIL"):
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


@given(st.text(min_size=6, max_size=30).filter(lambda text: text not in "[secret X]"), st.text(max_size=20))
def test_no_usual_encoding_carries_a_value_out(value: str, around: str) -> None:
    secrets = Secrets({"STOA_SECRET_X": value})
    data = value.encode(errors="replace")
    spelled = [value, json.dumps(value), repr(value), quote(value, errors="replace"), data.hex()]
    for text in spelled:
        shown = secrets.redacted(f"{around}<{text}>{around}")
        assert value not in shown
        assert "[secret" in shown


@pytest.mark.parametrize("before", ["", "u", "user:", "someone:", "a longer user:"])
def test_a_value_inside_basic_authentication_is_found(before: str) -> None:
    header = base64.b64encode(f"{before}hunter2-hunter2".encode()).decode()
    assert "[secret BANK_TOKEN]" in SECRETS.redacted(f"Authorization: Basic {header}")


def test_values_are_taken_out_of_whatever_shape_an_answer_has() -> None:
    atom = Atom("k1", "notes", "token hunter2-hunter2", {"url": "https://x/?t=hunter2-hunter2"})
    clean = SECRETS.without([{"a": (atom, b"hunter2-hunter2", 5)}, None])
    assert "hunter2" not in repr(clean)
    assert clean[0]["a"][0].metadata == {"url": "https://x/?t=[secret BANK_TOKEN]"}
    assert clean[0]["a"][2] == 5


def test_a_key_of_many_lines_is_found_line_by_line() -> None:
    lines = ["-----BEGIN KEY-----", "c2VjcmV0LWxpbmUtb25l", "c2VjcmV0LWxpbmUtdHdv"]
    secrets = Secrets({"STOA_SECRET_PEM": "\n".join(lines)})
    assert secrets.redacted(f"at {lines[1]}!") == "at [secret PEM]!"


def test_what_is_kept_in_the_vault_counts_at_once_and_the_environment_wins(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    secrets = Secrets({"STOA_SECRET_MAIL": "from-the-environment"}, vault)
    assert secrets.names() == ["MAIL"]
    vault.put("BANK", "kept-in-the-vault")
    vault.put("MAIL", "kept-there-as-well")
    assert secrets.names() == ["BANK", "MAIL"]
    assert (secrets.value("BANK"), secrets.value("MAIL")) == ("kept-in-the-vault", "from-the-environment")
    assert secrets.redacted("kept-in-the-vault") == "[secret BANK]"
    vault.remove("BANK")
    with pytest.raises(NotFound):
        secrets.value("BANK")


def test_a_vault_that_cannot_be_opened_does_not_keep_anything_from_being_logged(tmp_path: Path) -> None:
    Vault(tmp_path).put("BANK", "kept-in-the-vault")
    (tmp_path / "secrets.key").unlink()
    assert Secrets({"STOA_SECRET_MAIL": "hunter2-hunter2"}, Vault(tmp_path)).redacted("a hunter2-hunter2") == (
        "a [secret MAIL]"
    )


def test_the_log_has_no_value_in_messages_arguments_or_tracebacks(tmp_path: Path) -> None:
    Vault(tmp_path).put("BANK", "hunter2-hunter2")
    with logged(load(home=tmp_path), "stoa.log"):
        log = logging.getLogger("some.library")
        log.warning("GET https://bank/?token=%s", "hunter2-hunter2")
        try:
            raise ValueError("no such token: hunter2-hunter2")
        except ValueError:
            log.exception("failed")
    text = (tmp_path / "stoa.log").read_text()
    assert "hunter2" not in text
    assert "token=[secret BANK]" in text
    assert "ValueError: no such token: [secret BANK]" in text
