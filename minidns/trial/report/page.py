"""The report as one HTML file that loads nothing from elsewhere."""

from collections.abc import Iterable

from minidns.text.foreign import in_html
from minidns.trial.report import plots
from minidns.trial.report.facts import Report
from minidns.trial.report.tables import Table, facts, tables

MOST_ROWS = 500
"""Failures that the page lists."""
_STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em }
table { border-collapse: collapse; font-size: 13px }
td, th { border: 1px solid #ccd1d1; padding: 2px 6px; text-align: left }
td, th { white-space: nowrap }
h1 { font-size: 1.4em } h2 { font-size: 1.1em }
svg { max-width: 60em; display: block } .wide { overflow-x: auto }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(report: Report) -> str:
    """Return the report as one HTML file with its plots."""
    arms, *others = tables(report, MOST_ROWS)
    body = [
        f"<h1>{in_html(report.sentence)}</h1>",
        _list(facts(report)),
        _table(arms),
        plots.rates(report),
        plots.timeline(report),
        *map(_table, others),
        "<h2>Not tested</h2>",
        _list(report.not_tested),
        "<h2>Next</h2>",
        _list(report.next_steps),
        f"<h2>Repeat</h2><pre>{in_html(report.repeat)}</pre>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>Trial: {in_html(report.verdict)}</title>"
        f"<style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>"
    )


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{in_html(line)}</li>' for line in lines)}</ul>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{in_html(word)}</th>" for word in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{in_html(cell)}</td>' for cell in row)}</tr>"
        for row in table.rows
    )
    title = f"<h2>{in_html(table.title)}</h2>"
    if not table.rows:
        return title
    return f'{title}<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
