"""Figures into docs/performance.md: tables between marks, and charts beside it.

``run`` and ``scale`` leave their figures in files; this puts what they say into the
document, whose own words are about what stays true when figures change.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from bench import scale, svg, table
from bench.figures import CPU, CPU_S, ECHO, MIB, OURS, Figures
from bench.table import TITLES
from bench.workloads import WORKLOADS

DOCUMENT = Path("docs/performance.md")
FOLDER = Path("docs/performance")
"""Where the figures are, as figures.json and scale.json, and the charts go."""
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main(folder: Path, document: Path) -> int:
    """Bring document and charts up to date with the figures in ``folder``."""
    figures = Figures.read(folder / "figures.json")
    sizes = Figures.read(folder / "scale.json")
    document.write_text(filled(document.read_text(), blocks(figures, sizes)))
    (folder / "speed.svg").write_text(speed_chart(figures))
    (folder / "scale.svg").write_text(scale_chart(sizes))
    return 0


def filled(text: str, found: Mapping[str, str]) -> str:
    r"""Return ``text`` with each block between its marks.

    >>> filled("<!-- a -->\nold\n<!-- /a -->", {"a": "new"})
    '<!-- a -->\nnew\n<!-- /a -->'

    Raises:
        KeyError: there is a mark, but no such block.

    """
    return _BLOCK.sub(lambda mark: f"{mark[1]}{found[mark[2]]}\n{mark[3]}", text)


def blocks(figures: Figures, sizes: Figures) -> dict[str, str]:
    """Return what belongs between the marks of the document."""
    return {
        "machine": _how(figures),
        "figures": table.markdown(figures),
        "scale": _how(sizes) + "\n\n" + scale_table(sizes),
    }


def _how(figures: Figures) -> str:
    lines = [f"- machine: {figures.machine}"]
    lines += [f"- {key}: {value}" for key, value in figures.how.items()]
    return "\n".join(lines)


def scale_table(sizes: Figures) -> str:
    """Return a row for each size."""
    columns = {
        "memory, MiB": ("", MIB),
        "start, CPU s": ("", CPU_S),
        "a change, CPU ms": ("", scale.PER_CHANGE),
        "a query of the mix, CPU us": ("", CPU),
        "a new name, CPU us": (scale.NEW, CPU),
    }
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for what in dict.fromkeys(
        each.what.removesuffix(scale.NEW) for each in sizes.figures
    ):
        found = [sizes.get(what + suffix, unit) for suffix, unit in columns.values()]
        lines.append([what, *("" if each is None else str(each) for each in found)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_chart(figures: Figures) -> str:
    """Return CPU per query, a group of bars for each workload."""
    servers = figures.servers
    rows = []
    for name in (*(each.name for each in WORKLOADS), "mix-beside", "mix-changing"):
        values = {
            server: median
            for server in servers
            if (median := figures.median(name, CPU, server)) is not None
        }
        if values:
            rows.append((TITLES[name], values))
    names = [ECHO, OURS, *figures.peers()]
    return svg.bars("CPU per query, microseconds (less is better)", rows, names)


def scale_chart(sizes: Figures) -> str:
    """Return how costs grow with the number of Services."""
    units = {
        "memory, MiB": MIB,
        "start, CPU s": CPU_S,
        "a query of the mix, CPU us": CPU,
        "a change, CPU ms": scale.PER_CHANGE,
    }
    series = {
        title: [
            (float(each.what.split()[0].replace(",", "")), max(each.median, 0.001))
            for each in sizes.figures
            if each.unit == unit and not each.what.endswith(scale.NEW)
        ]
        for title, unit in units.items()
    }
    return svg.lines("Costs by the size of the cluster", "Services", series)
