"""The house keeps its order: imports go downwards only, and what is heavy is not loaded before it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.map import FILE, drawn

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "channels", "conventions", "bots")

# What each folder may import besides itself.
BELOW = {
    "core": set[str](),
    "channels": {"core"},
    "conventions": {"core"},
    "bots": {"core", "channels", "conventions"},
}

# The modules of core from the ground up: each may import those that stand before it, and no other.
FROM_THE_GROUND_UP = """
    errors vault secrets
    permissions atoms checks values keys clock settings time_phrases times
    addresses wires link fanout cluster
    redis_wheels redis_disk redis_repair redis_server refusals store records claims versions rights
    formats files extraction passages archives registries exports
    filters search shares pages rankings reasons wordpiece embeddings indexing finding
    places notifications
    subscriptions labels handles sharing revising references spaces attachments tending deadlines approvals
    llm providers remote_embeddings embedders transcribing
    budgets spending pictures frames templates recipes offline cassettes models
    crossing dialect guests explanations runs sandbox waits tools
    targets egress directory way_out
    agents imports audit uses requests decisions asking grants news traces endings spawning filed capabilities sessions
    contexts leases lanes governor compaction timers postponed programs replies steps turns chains
    house
    worker
    testing
"""
LAYERS = FROM_THE_GROUND_UP.split()

# What the channels share; every other file there is one platform, which no other channel may import. A platform of
# several files has them named after it: slack, slack_api.
SHARED_BY_CHANNELS = {
    *("accounts", "admission", "bindings", "bridge", "cards", "choices", "contract", "conversation", "delivery"),
    *("dialects", "growing", "inbox", "leases", "outbox", "pipe", "reception", "rendering", "routing", "serving"),
    *("taking",),
    *("people", "persons", "pairing", "knocks", "wording", "groups", "rooms", "strangers"),
}

# Where things are kept or announced.
MAY_IMPORT_REDIS = {
    "core/notifications.py",
    "core/records.py",
    "core/refusals.py",
    "core/store.py",
}


def files() -> list[Path]:
    return sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def imports() -> Iterator[tuple[str, str]]:
    """Each file of the house with each module that it imports, wherever in the file."""
    for file in files():
        name = file.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(file.read_text("utf-8"), name)):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module in FOLDERS:
                yield from ((name, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield name, node.module


def part(name: str) -> str:
    """The part of its folder that a file or a module belongs to: "llm" for core/llm.py and for core.llm."""
    return name.removesuffix(".py").replace("/", ".").split(".")[1]


def test_folders_import_downwards_only() -> None:
    wrong = [
        f"{file} imports {module}: {folder} may import only {', '.join(sorted(BELOW[folder])) or 'from itself'}"
        for file, module in imports()
        if (folder := file.split("/")[0]) != (other := module.split(".")[0])
        and other in FOLDERS
        and other not in BELOW[folder]
    ]
    assert not wrong, "\n".join(wrong)


def test_core_imports_downwards_only() -> None:
    homeless = [
        file.name
        for file in files()
        if file.parent.name == "core" and file.stem not in [*LAYERS, "__init__", "__main__"]
    ]
    assert not homeless, f"say in LAYERS where these modules of core stand: {', '.join(homeless)}"
    wrong = [
        f"{file} imports {module}, which stands above it in LAYERS"
        for file, module in imports()
        if file.startswith("core/")
        and module.startswith("core.")
        and part(module) in LAYERS
        and part(file) in LAYERS
        and LAYERS.index(part(module)) > LAYERS.index(part(file))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_channel_imports_another_platform() -> None:
    wrong = [
        f"{file} imports {module}: what channels share belongs in {', '.join(sorted(SHARED_BY_CHANNELS))}"
        for file, module in imports()
        if file.startswith("channels/")
        and module.startswith("channels.")
        and part(module) not in SHARED_BY_CHANNELS
        and part(module).split("_")[0] != part(file).split("_")[0]
    ]
    assert not wrong, "\n".join(wrong)


def test_litellm_is_imported_by_core_providers_alone() -> None:
    assert {file for file, module in imports() if module.split(".")[0] == "litellm"} <= {"core/providers.py"}


def test_redis_is_imported_only_where_things_are_kept_or_announced() -> None:
    assert {file for file, module in imports() if module.split(".")[0] == "redis"} <= MAY_IMPORT_REDIS


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh Python has loaded after importing these modules."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"litellm", "numpy", "onnxruntime", "docket", "redis", "aredis_om", "pydantic_monty"}
    assert not loaded_by("bots.__main__", "bots.cli") & heavy


def test_no_module_loads_a_model_when_it_is_imported() -> None:
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files() if file.stem != "__init__"]
    assert not loaded_by(*modules) & {"litellm", "numpy", "onnxruntime", "aredis_om"}


def test_the_map_shows_every_file_by_the_sentence_it_opens_with() -> None:
    assert FILE.read_text("utf-8") == drawn(FROM_THE_GROUND_UP), "draw it anew with `make fix`"
