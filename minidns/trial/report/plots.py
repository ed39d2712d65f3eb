"""Plots of a report as SVG: failures over time, and the rate of each arm."""

from collections.abc import Iterator, Mapping

from minidns.text.foreign import in_html
from minidns.trial.arms import D
from minidns.trial.report.facts import ArmRow, FailureRow, Report
from minidns.trial.report.sentences import percent

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 190, 30, 24, 34
_COLORS = {
    "no reply in time": "#c0392b",
    "late": "#e08e0b",
    "SERVFAIL": "#8e44ad",
    "missing address": "#2471a3",
    "extra or outdated address": "#2471a3",
}
_OTHER = "#566573"


def timeline(report: Report) -> str:
    """Return the failures of every target over time."""
    rows = {_label(row): index for index, row in enumerate(report.arms)}
    seconds = max(report.seconds, 1.0)
    parts = list(_grid(list(rows), seconds))
    kinds: dict[str, str] = {}
    for failure in report.failures:
        row = _row_of(failure, report.arms)
        if row is None:
            continue
        x = LEFT + (WIDTH - LEFT - RIGHT) * failure.seconds / seconds
        y = TOP + ROW * rows[_label(row)] + ROW / 2
        kind = failure.kind.partition(",")[0]
        kinds[kind] = color = _COLORS.get(kind, _OTHER)
        title = f"{failure.time} {failure.kind}: {failure.name} from {failure.pod}"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}" '
            f'fill-opacity="0.7"><title>{in_html(title)}</title></circle>'
        )
    parts += _legend(kinds, TOP + ROW * len(rows) + 40)
    return _image("Failures over time", TOP + ROW * len(rows) + 60, parts)


def _legend(kinds: Mapping[str, str], y: float) -> Iterator[str]:
    """Yield a dot and a word for each kind of failure, by its colour."""
    x = float(LEFT)
    for kind, color in kinds.items():
        yield f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{color}"/>'
        yield _text(x + 8, y + 4, kind)
        x += 30 + 7 * len(kind)


def _row_of(failure: FailureRow, arms: tuple[ArmRow, ...]) -> ArmRow | None:
    of_arm = [row for row in arms if row.arm == failure.arm]
    exact = [row for row in of_arm if row.target.endswith(f" {failure.replica}")]
    return next(iter(exact or of_arm), None)


def _grid(labels: list[str], seconds: float) -> Iterator[str]:
    for index, label in enumerate(labels):
        y = TOP + ROW * index + ROW / 2
        yield _text(LEFT - 8, y + 4, label, "end")
        yield _line(LEFT, y, WIDTH - RIGHT, y)
    bottom = TOP + ROW * len(labels)
    for part in range(5):
        x = LEFT + (WIDTH - LEFT - RIGHT) * part / 4
        yield _line(x, TOP, x, bottom)
        yield _text(x, bottom + 16, f"{seconds * part / 4:.0f} s", "middle")


def rates(report: Report) -> str:
    """Return the rate of failures of every target, with its upper bound."""
    most = max((row.bound for row in report.arms if row.lookups), default=0.0) or 1.0
    parts = []
    for index, row in enumerate(report.arms):
        y = TOP + ROW * index
        scale = (WIDTH - LEFT - RIGHT - 120) / most
        parts.append(_text(LEFT - 8, y + 16, _label(row), "end"))
        parts.append(_bar(y, row.rate * scale))
        middle = y + ROW / 2
        parts.append(_line(LEFT, middle, LEFT + min(row.bound, most) * scale, middle))
        words = f"{percent(row.rate)}, at most {percent(row.bound)}"
        parts.append(_text(LEFT + min(row.bound, most) * scale + 6, y + 16, words))
    height = TOP + ROW * len(report.arms) + 10
    return _image("Rate of failures with its upper bound (95 %)", height, parts)


def _label(row: ArmRow) -> str:
    replica = row.target.partition(" ")[2] if row.arm == D.name else ""
    return f"{row.arm} {replica}".strip()


def _bar(y: float, width: float) -> str:
    return (
        f'<rect x="{LEFT}" y="{y + 5:.1f}" width="{max(width, 0):.1f}" '
        f'height="{ROW - 10}" fill="#2f6fde"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="#aab7b8" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{in_html(text)}</text>'
    )


def _image(title: str, height: float, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" font-family="sans-serif" font-size="12">'
        f"<title>{in_html(title)}</title>"
        f'<text x="{LEFT}" y="18" font-weight="bold">{in_html(title)}</text>'
        f"{''.join(parts)}</svg>"
    )
