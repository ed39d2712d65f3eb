"""The drawing of a walk's path as SVG: who passes what on to whom."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from minidns.text.foreign import in_html
from minidns.walk.recorder import PROXY
from minidns.walk.steps import Kind, Walk
from minidns.walk.visits import PASSING

_WIDTH, _HEIGHT = 150, 52
_COLUMNS = (6, 180, 354)
_ROWS = (8, 108)
_MOST_CHARACTERS = 18
UNKNOWN = "unknown from here"
"""What a box says of which the walk sees nothing."""
_PLACES = {
    "application": (0, 0),
    "resolver": (1, 0),
    "proxy": (2, 0),
    "server": (2, 1),
    "chain": (1, 1),
    "up": (0, 1),
}
"""Column and row of each box."""
_EDGES = (
    ("call", "application", "resolver"),
    ("ask", "resolver", "proxy"),
    ("route", "proxy", "server"),
    ("plugins", "server", "chain"),
    ("forward", "chain", "up"),
)
_VIEW = f"0 0 {_COLUMNS[-1] + _WIDTH + 6} {_ROWS[-1] + _HEIGHT + 8}"


def path(walk: Walk) -> str:
    """Return the drawing of a walk."""
    drawn = boxes(walk)
    said = " to ".join(f"{box.title} {box.words}" for box in drawn.values())
    edges = "".join(_edge(*edge) for edge in _EDGES)
    shapes = "".join(_shape(name, box) for name, box in drawn.items())
    return (
        f'<svg class="path" viewBox="{_VIEW}" role="img"'
        f' aria-label="{in_html(f"The path: {said}")}">{edges}{shapes}</svg>'
    )


class Box(NamedTuple):
    """A box of the drawing."""

    title: str
    words: str
    is_passed: bool = True
    """Whether queries pass it, as far as can be seen."""


def boxes(walk: Walk) -> Mapping[str, Box]:
    """Return the boxes of a walk's drawing by name, from program to upstream."""
    if walk.sees_server:
        server = Box("DNS server", ", ".join(_servers(walk)) or "nobody")
        chain = Box("plugins", _deciding(walk))
        up = Box("upstream", ", ".join(_upstreams(walk)) or "not asked")
    else:
        unseen = UNKNOWN if walk.queries else "not asked"
        server = Box("DNS server", ", ".join(_servers(walk)) or unseen)
        chain, up = Box("plugins", unseen), Box("upstream", unseen)
    return {
        "application": Box("application", walk.client.pod),
        "resolver": Box("stub resolver", walk.client.resolver),
        "proxy": _proxy(walk),
        "server": server,
        "chain": chain,
        "up": up,
    }


def _proxy(walk: Walk) -> Box:
    """Return what lies between the resolver and the DNS server."""
    own = [step for step in walk.steps if not step.inside]
    routes = [step for step in own if step.kind is Kind.ROUTE]
    if any(step.who == PROXY for step in routes):
        return Box("kube-proxy", walk.server)
    if routes:
        return Box("API server", "port-forward")
    reached = any(step.kind is Kind.RECEIVE for step in own)
    return Box("kube-proxy", "takes no part" if reached else "not reached", False)


def _servers(walk: Walk) -> Iterable[str]:
    """Return the pods that queries went to, without their namespace."""
    pods = (
        str(step.facts.get(_POD_OF[step.kind], ""))
        for step in walk.steps
        if step.kind in _POD_OF and not step.inside
    )
    return dict.fromkeys(pod.rpartition("/")[2] for pod in pods if pod)


_POD_OF = {Kind.RECEIVE: "to", Kind.ROUTE: "pod"}
"""The fact that names the pod of the DNS server: it received the query, or a
port-forward carries the query to it."""


def _deciding(walk: Walk) -> str:
    plugins = (step for step in walk.steps if step.kind is Kind.PLUGIN)
    deciding = (
        step.facts["plugin"] for step in plugins if not step.says.startswith(PASSING)
    )
    return ", ".join(dict.fromkeys(deciding)) or "nothing decided"


def _upstreams(walk: Walk) -> Iterable[str]:
    inner = (step for step in walk.steps if step.kind is Kind.QUERY and step.inside)
    return dict.fromkeys(str(step.facts["server"]) for step in inner)


def _shape(name: str, box: Box) -> str:
    title, words, is_passed = box
    column, row = _PLACES[name]
    x, y = _COLUMNS[column], _ROWS[row]
    short = words
    if len(words) > _MOST_CHARACTERS:
        short = f"{words[: _MOST_CHARACTERS - 1]}…"
    absent = "" if is_passed else " absent"
    return (
        f'<g class="box b-{name}{absent}"><title>{in_html(words)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="9"/>'
        f'<text x="{x + 12}" y="{y + 21}" class="title">{title}</text>'
        f'<text x="{x + 12}" y="{y + 39}">{in_html(short)}</text></g>'
    )


def _edge(name: str, source: str, target: str) -> str:
    (x1, y1), (x2, y2) = _middle(source), _middle(target)
    dx, dy = (_WIDTH / 2, 0) if y1 == y2 else (0, _HEIGHT / 2)
    sign = 1 if (x2, y2) > (x1, y1) else -1
    return (
        f'<line class="edge e-{name}" x1="{x1 + sign * dx:g}" y1="{y1 + sign * dy:g}"'
        f' x2="{x2 - sign * dx:g}" y2="{y2 - sign * dy:g}"/>'
    )


def _middle(name: str) -> tuple[float, float]:
    column, row = _PLACES[name]
    return _COLUMNS[column] + _WIDTH / 2, _ROWS[row] + _HEIGHT / 2
