"""The report as text, Markdown and JSON.

Names and addresses come from the network: text and Markdown escape control characters,
and Markdown what it would interpret. JSON escapes everything but ASCII.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from minidns.text import foreign
from minidns.trial.report.facts import Report
from minidns.trial.report.page import as_html
from minidns.trial.report.tables import Table, facts, tables

_SPECIAL = re.compile(r"(^[-+]|[\\`*_\[\]<>#|~&$@]|:(?=//))")
"""What Markdown interprets: a list's mark at the start, code, emphasis, links, tags,
headings, cells, entities, formulas, mentions."""


def as_text(report: Report) -> str:
    """Return the report as plain text."""
    parts = [report.sentence, "", *facts(report)]
    for table in tables(report):
        parts += ["", f"{table.title}:", *aligned(table)]
    parts += ["", "Not tested:", *(f"  - {line}" for line in report.not_tested)]
    parts += ["", "Next:", *(f"  - {line}" for line in report.next_steps)]
    parts += ["", f"Repeat: {report.repeat}"]
    return "\n".join(foreign.escaped(part).rstrip() for part in parts)


def aligned(table: Table) -> list[str]:
    """Return the lines of a table without empty columns; none without rows."""
    if not table.rows:
        return []
    rows = [tuple(map(foreign.escaped, row)) for row in (table.head, *table.rows)]
    kept = [i for i in range(len(table.head)) if any(row[i] for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in kept]
    return [
        "  " + "  ".join(f"{row[i]:{w}}" for i, w in zip(kept, widths, strict=True))
        for row in rows
    ]


def as_markdown(report: Report) -> str:
    """Return the report as Markdown."""
    parts = [f"# {_plain(report.sentence)}", "", *map(_item, facts(report))]
    for table in tables(report):
        parts += ["", f"## {_plain(table.title)}"]
        if table.rows:
            dashes = _row(("---",) * len(table.head), raw=True)
            parts += ["", _row(table.head), dashes, *map(_row, table.rows)]
    parts += ["", "## Not tested", "", *map(_item, report.not_tested)]
    parts += ["", "## Next", "", *map(_item, report.next_steps)]
    parts += ["", "## Repeat", "", f"    {foreign.escaped(report.repeat)}"]
    return "\n".join(parts)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", foreign.escaped(text))


def _item(text: str) -> str:
    return f"- {_plain(text)}"


def _row(cells: Sequence[str], *, raw: bool = False) -> str:
    return f"| {' | '.join(cells if raw else map(_plain, cells))} |"


def as_json(report: Report) -> str:
    """Return the report as JSON; the keys are those of `Report`."""
    return json.dumps(to_json(report), indent=2)


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as values of JSON; rows of tables are objects as well."""
    rows = {name: getattr(report, name) for name in ("arms", "suspects", "failures")}
    tables = {name: [row._asdict() for row in found] for name, found in rows.items()}
    values: dict[str, Any] = json.loads(json.dumps(asdict(report) | tables))
    return values


FORMATS: Mapping[str, Callable[[Report], str]] = MappingProxyType(
    {"text": as_text, "markdown": as_markdown, "json": as_json, "html": as_html}
)
"""Every format by its name."""
