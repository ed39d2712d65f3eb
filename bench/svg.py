"""Charts as SVG text: bars side by side, and lines over sizes, on logarithmic axes."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from math import floor, log10

from bench.figures import shown

WIDTH, LEFT, RIGHT = 720, 240, 90
BAR, GAP = 14, 12
COLORS = ("#9aa5b1", "#2f6fde", "#e0872f", "#4a9d5f", "#a05195")
_STYLE = "font-family:sans-serif;font-size:12px;fill:#333"
Points = Sequence[tuple[float, float]]


def bars(
    title: str, rows: Sequence[tuple[str, Mapping[str, float]]], names: Sequence[str]
) -> str:
    """Return a chart of ``rows``, each a label and a value for some of ``names``."""
    most = max((v for _, values in rows for v in values.values()), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / (most or 1.0)
    parts = [*_legend(names)]
    y = 56
    for label, values in rows:
        middle = y + BAR * len(values) / 2 + 4
        parts.append(_text(LEFT - 8, middle, label, "end"))
        for name in names:
            if (value := values.get(name)) is not None:
                color = _color(names, name)
                parts.append(_rect(LEFT, y, max(1.0, value * scale), BAR - 2, color))
                parts.append(_text(LEFT + value * scale + 5, y + 10, shown(value)))
                y += BAR
        y += GAP
    return _image(title, y, parts)


def lines(title: str, x_title: str, series: Mapping[str, Points]) -> str:
    """Return a chart of lines over the same positive values of x."""
    points = [point for line in series.values() for point in line]
    left, top, width, height = 70, 60, WIDTH - 110, 260
    x_low, x_high = _range([x for x, _ in points])
    y_low, y_high = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        right = (log10(x) - x_low) / (x_high - x_low)
        up = (log10(y) - y_low) / (y_high - y_low)
        return left + width * right, top + height * (1 - up)

    parts = [*_legend(list(series))]
    for power in range(y_low, y_high + 1):
        _, y = place(10**x_low, 10**power)
        parts.append(_line((left, y), (left + width, y), "#ddd"))
        parts.append(_text(left - 6, y + 4, f"{10.0**power:g}", "end"))
    for x in sorted({x for x, _ in points}):
        at, _ = place(x, 10**y_low)
        parts.append(_text(at, top + height + 18, f"{x:,.0f}", "middle"))
    parts.append(_text(left + width / 2, top + height + 38, x_title, "middle"))
    for name, line in series.items():
        color = _color(list(series), name)
        placed = [place(*point) for point in line]
        parts += [_line(a, b, color, 2) for a, b in pairwise(placed)]
        for (x, y), (_, value) in zip(placed, line, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
            parts.append(_text(x, y - 7, shown(value), "middle"))
    return _image(title, top + height + 50, parts)


def _range(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten around ``values``."""
    low = floor(log10(min(values)))
    return low, max(low + 1, floor(log10(max(values))) + 1)


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = 16.0
    for name in names:
        yield _rect(x, 32, 10, 10, _color(names, name))
        yield _text(x + 14, 41, name)
        x += 32 + 7 * len(name)


def _color(names: Sequence[str], name: str) -> str:
    return COLORS[list(names).index(name) % len(COLORS)]


def _rect(x: float, y: float, width: float, height: float, color: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        f' fill="{color}"/>'
    )


def _line(
    start: tuple[float, float], end: tuple[float, float], color: str, width: int = 1
) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}"'
        f' y2="{end[1]:.1f}" stroke="{color}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        f' style="{_STYLE}">{escape(text)}</text>'
    )


def _image(title: str, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}"'
        f' height="{height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>'
    heading = (
        f'<text x="16" y="20" style="{_STYLE};font-weight:bold">{escape(title)}</text>'
    )
    return "\n".join((head, ground, heading, *parts, "</svg>")) + "\n"
