"""Draws docs/map.md: each package of the product and each file in it, by the sentence it opens with."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs" / "map.md"
FOLDERS = ("core", "channels", "conventions", "bots")


def drawn() -> str:
    """The map, package by package in alphabetical order."""
    lines = [
        "# Where to find what",
        "",
        "Each file by the sentence it opens with. `make fix` draws this page. Imports go downwards only, row by row; "
        "[tests/test_layers.py](../tests/test_layers.py) has the rows.",
    ]
    for folder in FOLDERS:
        files = [path for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "__init__.py"]
        for package in sorted({path.parent for path in files}):
            name = package.relative_to(ROOT).as_posix()
            lines += ["", f"## {name}", "", f"{sentence(package / '__init__.py')}", "", "| file | |", "|---|---|"]
            for path in files:
                if path.parent == package:
                    lines.append(f"| [{path.name}](../{name}/{path.name}) | {sentence(path)} |")
    return "\n".join(lines) + "\n"


def sentence(path: Path) -> str:
    """The first paragraph of a file's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())


if __name__ == "__main__":
    FILE.write_text(drawn(), "utf-8")
