"""Writes the figures into docs/performance.md: tables between marks, and charts.

The figures come from the files that ``run`` and ``scale`` write. The text of the
document outside the marks does not depend on them.
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
"""The folder of figures.json, scale.json and the charts."""
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def main(folder: Path, document: Path) -> int:
    """Update document and charts from the figures in ``folder``."""
    figures = Figures.read(folder / "figures.json")
    sizes = Figures.read(folder / "scale.json")
    document.write_text(filled(document.read_text(), blocks(figures, sizes)))
    (folder / "speed.svg").write_text(speed_chart(figures))
    (folder / "scale.svg").write_text(scale_chart(sizes))
    return 0


def filled(text: str, contents: Mapping[str, str]) -> str:
    r"""Return ``text`` with each block between its marks.

    >>> filled("<!-- a -->\nold\n<!-- /a -->", {"a": "new"})
    '<!-- a -->\nnew\n<!-- /a -->'

    Raises:
        KeyError: a mark has no block.

    """
    return _BLOCK.sub(lambda mark: f"{mark[1]}{contents[mark[2]]}\n{mark[3]}", text)


def blocks(figures: Figures, sizes: Figures) -> dict[str, str]:
    """Return the content of each block of the document."""
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
        figure.what.removesuffix(scale.NEW) for figure in sizes.figures
    ):
        cells = [sizes.get(what + suffix, unit) for suffix, unit in columns.values()]
        lines.append([what, *("" if cell is None else str(cell) for cell in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_chart(figures: Figures) -> str:
    """Return a chart of CPU per query, with a group of bars for each workload."""
    servers = figures.servers
    rows = []
    for name in (
        *(workload.name for workload in WORKLOADS),
        "mix-beside",
        "mix-changing",
    ):
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
    """Return a chart of costs by the number of Services."""
    units = {
        "memory, MiB": MIB,
        "start, CPU s": CPU_S,
        "a query of the mix, CPU us": CPU,
        "a change, CPU ms": scale.PER_CHANGE,
    }
    series = {
        title: [
            (float(figure.what.split()[0].replace(",", "")), max(figure.median, 0.001))
            for figure in sizes.figures
            if figure.unit == unit and not figure.what.endswith(scale.NEW)
        ]
        for title, unit in units.items()
    }
    return svg.lines("Costs by the size of the cluster", "Services", series)
