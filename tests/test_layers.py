"""The layers of the house: a package imports itself and lower rows, and what is heavy loads only when it is needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache

import pytest

from tests.map import FILE, FOLDERS, ROOT, drawn

FOLDERS_BELOW: Mapping[str, set[str]] = {
    "core": set(),
    "channels": {"core"},
    "conventions": {"core"},
    "bots": {"core", "channels", "conventions"},
}
"""What each top-level folder may import besides itself."""

ROWS = {
    "core": (
        "errors private",
        "settings atoms times secrets redis sandbox watchdog confined",
        "store",
        "models",
        "search",
        "spaces",
        "agents tools",
        "trust backup",
        "turns house",
        "worker testing",
    ),
    "channels": (
        "inline",
        "markdown text keys listening",
        "contract state",
        "accounts choices people loopback",
        "bridge slack terminal discord telegram email web webhook",
    ),
}
"""Rows of packages, the lowest first. A package imports itself and lower rows; packages of one row don't meet."""


@cache
def imports() -> list[tuple[str, str, bool]]:
    """Each file, each module of ours or others that it imports, and whether that happens only in a function."""
    return [
        (file, module, late)
        for file in sources()
        for module, late in imported(ast.parse((ROOT / file).read_text("utf-8"), file))
    ]


def sources() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imported(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    top = set(tree.body)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                named = f"{node.module}.{alias.name}"
                yield named if is_module(named) else node.module, node not in top


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return name.split(".")[0] in FOLDERS and (path.is_dir() or path.with_suffix(".py").is_file())


def package(name: str) -> str:
    """The package of its folder that a file or a module belongs to: "models" for core/models/llm.py."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def row(folder: str, package: str) -> int:
    found = [number for number, names in enumerate(ROWS[folder]) if package in names.split()]
    assert found, f"say in ROWS where {folder}/{package} stands"
    return found[0]


def test_folders_import_lower_folders_only() -> None:
    wrong = [
        f"{file} imports {module}"
        for file, module, _ in imports()
        if (folder := file.split("/")[0]) != (other := module.split(".")[0])
        and other in FOLDERS
        and other not in FOLDERS_BELOW[folder]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ROWS)
def test_packages_import_themselves_and_lower_rows_only(folder: str) -> None:
    wrong = [
        f"{file} imports {module}, which is not in a lower row"
        for file, module, _ in imports()
        if file.startswith(f"{folder}/")
        and module.startswith(f"{folder}.")
        and (here := package(file)) != (there := package(module))
        and "__init__" not in (here, there)
        and row(folder, there) >= row(folder, here)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for file, module, late in imports():
        if not late and is_module(module):
            graph.setdefault(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."), set()).add(module)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("litellm", ("core/models/",)),
        ("redis", ("core/store/", "core/redis/", "core/spaces/notifications.py")),
        ("slack_bolt", ("channels/slack/",)),
        ("slack_sdk", ("channels/slack/",)),
        ("telegram", ("channels/telegram/",)),
        ("tornado", ("channels/telegram/",)),
        ("pydantic_monty", ("core/sandbox/",)),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(library: str, allowed: tuple[str, ...]) -> None:
    wrong = {file for file, module, _ in imports() if module.split(".")[0] == library and not file.startswith(allowed)}
    assert not wrong


def loaded_by(*modules: str) -> set[str]:
    """The top-level packages that a fresh Python has loaded after importing these modules."""
    program = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_command_line_loads_nothing_heavy() -> None:
    heavy = {"litellm", "numpy", "onnxruntime", "docket", "redis", "aredis_om", "pydantic_monty"}
    assert not loaded_by("bots.__main__", "bots.cli.main") & heavy


def test_no_module_loads_a_model_when_it_is_imported() -> None:
    modules = [file.removesuffix(".py").replace("/", ".") for file in sources() if not file.endswith("__init__.py")]
    assert not loaded_by(*modules) & {"litellm", "numpy", "onnxruntime", "tokenizers", "aredis_om"}


def test_the_map_shows_every_file_by_the_sentence_it_opens_with() -> None:
    assert FILE.read_text("utf-8") == drawn(), "draw it anew with `make fix`"
