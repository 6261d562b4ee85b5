"""The house stays one where a newcomer finds their way: `make house` prints what these tests hold."""

import ast
import re

from tests.house import FOLDERS, ROOT, Measured, measure, sources

EDGES = {
    "core/sandbox/sandbox.py": "an agent's code",
    "core/turns/capabilities.py": "a tool that an agent's code called",
    "core/turns/turns.py": "one turn",
    "channels/bridge/delivery.py": "one delivery",
    "bots/__main__.py": "the command line",
    "core/redis/link.py": "fails every caller of a connection that broke, then raises",
    "core/worker.py": "one space that cannot be tended",
    "channels/slack/channel.py": "one envelope that cannot be read",
}
"""Where an exception of any kind may be caught, and around what."""
SIGNATURES_OF_AGENTS = {"request", "spawn"}
"""Functions whose many parameters are what agents write."""

REDIS_COMMAND = re.compile(
    r"(?:FT\._?[A-Z]+|JSON\.[A-Z]+|FCALL(?:_RO)?|[HSZLRX](?:GET|SET|DEL|ADD|REM|LEN|RANGE|PUSH|POP|KEYS|MGET|GETALL|SETNX)|"
    r"SMEMBERS|SCARD|EXISTS|EXPIRE|PEXPIRE|UNLINK|PUBLISH|EVAL)"
)
REPOSITORIES = (
    *("core/store/", "core/redis/", "core/search/index.py", "core/search/vectors.py", "core/models/embeddings.py"),
    *("core/agents/agents.py", "core/agents/budgets.py", "core/agents/rights.py", "core/agents/traces.py"),
    *("core/agents/lifecycle.py", "core/agents/spending.py", "core/agents/unread.py", "core/tools/waits.py"),
    *(
        "core/trust/",
        "core/turns/lanes.py",
        "core/turns/sessions.py",
        "core/turns/programs.py",
        "core/turns/backlog.py",
    ),
    "core/agents/stopping.py",
    *("channels/accounts.py", "channels/bridge/bindings.py", "channels/bridge/inbox.py", "channels/bridge/outbox.py"),
    *("channels/bridge/presence.py", "channels/people/", "channels/webhook/hooks.py", "channels/web/access.py"),
)
"""Where Redis commands are spelled: beside the keys they work on."""


def everything() -> Measured:
    return measure([path for folder in FOLDERS for path in sources(folder)])


def test_functions_are_short_and_take_few_parameters() -> None:
    found = everything()
    assert len(found.long) <= 15, found.long
    assert {place.split(" ")[1] for place in found.many_parameters} <= SIGNATURES_OF_AGENTS
    assert [place.split(" ")[1] for place in found.big_classes] in ([], ["Lowering"])


def test_errors_of_any_kind_are_caught_at_the_edges_only() -> None:
    wrong = [place for place in everything().broad_excepts if place.split(":")[0] not in EDGES]
    assert not wrong


def test_redis_commands_are_spelled_in_repositories_only() -> None:
    wrong = [
        f"{name}:{node.lineno} {node.value}"
        for folder in FOLDERS
        for path in sources(folder)
        if not (name := path.relative_to(ROOT).as_posix()).startswith(REPOSITORIES)
        for node in ast.walk(ast.parse(path.read_text("utf-8"), name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and REDIS_COMMAND.fullmatch(node.value)
    ]
    assert not wrong, "\n".join(wrong)


def test_docstrings_begin_with_a_noun_or_a_verb_and_are_kept_for_what_names_cannot_say() -> None:
    assert measure(sources("core")).row()["docstrings %"] <= 45
    assert not everything().odd_openings
