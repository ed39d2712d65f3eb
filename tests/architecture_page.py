"""The index of files in ARCHITECTURE.md, made of docstrings.

``python -m tests.architecture_page`` writes it anew. Every module of minidns and sim
has a line: its name, and the first sentence of its docstring.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- index -->\n", "<!-- /index -->\n"


def folders() -> Iterator[Path]:
    """Yield every folder with modules, minidns first, each before its subfolders."""
    for top in ("minidns", "sim"):
        packages = sorted((ROOT / top).rglob("__init__.py"), key=lambda p: p.parts)
        yield from (path.parent for path in packages)


def subject(path: Path) -> str:
    """Return the first sentence of a module's docstring, as text of a table."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return first.replace("``", "`").replace("|", r"\|")


def section(folder: Path) -> str:
    """Return the heading, the subject and the table of files of one folder."""
    name = folder.relative_to(ROOT).as_posix()
    lines = [f"### {name}/", "", subject(folder / "__init__.py"), ""]
    modules = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    if modules:
        lines += ["| file | subject |", "| --- | --- |"]
        lines += [f"| {path.name} | {subject(path)} |" for path in modules]
        lines.append("")
    return "\n".join(lines) + "\n"


def renewed(page: str) -> str:
    """Return the text of the page with the index that the tree has now."""
    index = "".join(map(section, folders()))
    pattern = re.compile(f"{BEGIN}.*{END}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{index}{END}", page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
