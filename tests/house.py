"""Measures the house: `make house` prints a table by package and writes build/house.json."""

import ast
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "channels", "conventions", "bots")
LONG_FUNCTION_LINES = 30
MAX_PARAMETERS = 6
MAX_CLASS_LINES = 300
OPENING = re.compile(r"(What|Who|Whoever|Whose|How|Whether|Whatever|Wherever)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Measured:
    """Counts over some files."""

    files: int = 0
    lines: int = 0
    lengths: list[int] = field(default_factory=list)
    documented: int = 0
    long: list[str] = field(default_factory=list)
    many_parameters: list[str] = field(default_factory=list)
    big_classes: list[str] = field(default_factory=list)
    broad_excepts: list[str] = field(default_factory=list)
    odd_openings: list[str] = field(default_factory=list)

    def row(self) -> dict[str, float | int]:
        """One row of the table."""
        ordered = sorted(self.lengths) or [0]
        return {
            "files": self.files,
            "lines": self.lines,
            "functions": len(self.lengths),
            "median": round(statistics.median(ordered)),
            "p90": ordered[int(len(ordered) * 0.9) - 1 if len(ordered) > 1 else 0],
            "max": ordered[-1],
            f"> {LONG_FUNCTION_LINES} lines": len(self.long),
            f"> {MAX_PARAMETERS} parameters": len(self.many_parameters),
            f"classes > {MAX_CLASS_LINES}": len(self.big_classes),
            "broad excepts": len(self.broad_excepts),
            "docstrings %": round(100 * self.documented / max(1, len(self.lengths))),
            "What/Who/How": len(self.odd_openings),
        }


def sources(folder: str) -> list[Path]:
    """The Python files of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def measure(paths: list[Path]) -> Measured:
    """Counts over these files."""
    found = Measured()
    for path in paths:
        text = path.read_text("utf-8")
        name = path.relative_to(ROOT).as_posix()
        found.files += 1
        found.lines += text.count("\n")
        for node in ast.walk(ast.parse(text, name)):
            _look(found, name, node)
    return found


def _look(found: Measured, name: str, node: ast.AST) -> None:
    if isinstance(node, Function | ast.ClassDef | ast.Module):
        lines = (
            node.end_lineno - node.lineno + 1 if isinstance(node, Function | ast.ClassDef) and node.end_lineno else 0
        )
        said = ast.get_docstring(node) or ""
        if OPENING.match(said):
            found.odd_openings.append(f"{name}:{getattr(node, 'lineno', 1)}")
        if isinstance(node, ast.ClassDef) and lines > MAX_CLASS_LINES:
            found.big_classes.append(f"{name}:{node.lineno} {node.name} ({lines})")
        if isinstance(node, Function):
            found.lengths.append(lines)
            found.documented += bool(said)
            if lines > LONG_FUNCTION_LINES:
                found.long.append(f"{name}:{node.lineno} {node.name} ({lines})")
            if (count := len(list(_parameters(node)))) > MAX_PARAMETERS:
                found.many_parameters.append(f"{name}:{node.lineno} {node.name} ({count})")
    elif isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
        found.broad_excepts.append(f"{name}:{node.lineno}")


def _parameters(node: Function) -> Iterator[ast.arg]:
    """The parameters a caller gives; a command line's options are not handed around, so commands count none."""
    if any(".command(" in ast.unparse(one) for one in node.decorator_list):
        return
    given = node.args
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]:
        if one.arg not in ("self", "cls"):
            yield one


def _is_broad(kind: ast.expr | None) -> bool:
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(one is None or (isinstance(one, ast.Name) and one.id in ("Exception", "BaseException")) for one in names)


def longest_chain() -> list[str]:
    """The longest chain of modules of ours in which each imports the next."""
    graph = _imports()

    @cache
    def below(module: str) -> tuple[str, ...]:
        deepest = sorted((below(other) for other in graph.get(module, ())), key=len)[-1:]
        return (module, *(deepest[0] if deepest else ()))

    return list(sorted((below(module) for module in list(graph)), key=len)[-1])


def _imports() -> Mapping[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    modules = {
        path.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for folder in FOLDERS
        for path in sources(folder)
    }
    for folder in FOLDERS:
        for path in sources(folder):
            module = path.relative_to(ROOT).as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ImportFrom) and node.module:
                    named = {f"{node.module}.{alias.name}" for alias in node.names} & modules
                    graph[module] |= named or ({node.module} & modules)
    return graph


def packages() -> dict[str, list[Path]]:
    """The files of each package."""
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sources(folder):
            found[path.parent.relative_to(ROOT).as_posix()].append(path)
    return dict(found)


def main() -> None:
    """Print the table, list what is over a bar, and write build/house.json."""
    rows = {name: measure(paths) for name, paths in packages().items()}
    for folder in FOLDERS:
        rows[f"all of {folder}"] = measure(sources(folder))
    everything = measure([path for folder in FOLDERS for path in sources(folder)])
    rows["everything"] = everything
    table = Table("package", *everything.row())
    for name, measured in rows.items():
        table.add_row(name, *(str(value) for value in measured.row().values()))
    console = Console(width=170)
    console.print(table)
    chain = longest_chain()
    over = {
        "functions over 30 lines": everything.long,
        "functions with more than six parameters": everything.many_parameters,
        "classes over 300 lines": everything.big_classes,
        "broad excepts": everything.broad_excepts,
    }
    for title, names in over.items():
        console.print(f"{title}: {len(names)}", *(f"  {name}" for name in names), sep="\n")
    console.print(f"longest import chain: {len(chain)} modules: {' -> '.join(chain)}", soft_wrap=True)
    target = ROOT / "build" / "house.json"
    target.parent.mkdir(exist_ok=True)
    report = {"packages": {name: one.row() for name, one in rows.items()}, "over": over, "chain": chain}
    target.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
