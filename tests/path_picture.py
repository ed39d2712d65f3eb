"""The picture of a query's path, docs/path.svg: ``python -m tests.path_picture``.

Its words are the names that the code has: addresses and Services of the simulated
cluster, the stub resolver, the plugins of kubeadm's Corefile in their order, the
resources that are watched. A test compares the file with what this program draws.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from minidns import plugins
from minidns.corefile import blocks
from minidns.kubernetes import kubelet, resources
from sim.node import kind_corefile, kube_system
from sim.resolver import kinds
from tests.world import World

PICTURE = Path(__file__).parents[1] / "docs/path.svg"
WIDTH, HEIGHT = 1000, 425
STYLE = """\
svg{--paper:#fff;--ink:#1b2733;--dim:#5a6772;--line:#8795a1;--first:#e8f0fa;--second:#e6f6ec;--box:#f6f8fa;--go:#0b7a3b}
@media(prefers-color-scheme:dark){svg{--paper:#161b22;--ink:#e6edf3;--dim:#9aa7b2;--line:#6b7985;--first:#1c2b40;
--second:#16331f;--box:#21262d;--go:#5fd38a}}
text{font:13px system-ui,sans-serif;fill:var(--ink)}.t{font-weight:600;font-size:14px}
.m{font:12px ui-monospace,monospace;fill:var(--dim)}
rect{fill:var(--box);stroke:var(--line)}.first{fill:var(--first)}.second{fill:var(--second)}
path{fill:none;stroke:var(--line);stroke-width:1.5;marker-end:url(#end)}.go{stroke:var(--go);stroke-width:2}"""


class Box(NamedTuple):
    """A station of the path, with a title and lines."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...] = ()
    kind: str = ""

    def svg(self) -> Iterator[str]:
        """Yield its elements."""
        size = f'x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6"'
        yield f'<rect class="{self.kind}" {size}/>'
        yield _text(self.x + 12, self.y + 22, self.title, "t")
        for number, line in enumerate(self.lines):
            yield _text(self.x + 12, self.y + 42 + 18 * number, line, "m")


def _text(x: int, y: int, words: str, kind: str = "") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'


def chain() -> list[str]:
    """Return the plugins of kubeadm's Corefile that a query meets, in its order."""
    (block,) = blocks.parse(kind_corefile.KIND, files=World().files, environ={}, known=plugins.ORDER).blocks
    named = {directive.name for directive in block.directives}
    aside = {"health", "ready", "reload", "loop"}  # they answer no query
    return [name for name in plugins.ORDER if name in named - aside]


def boxes() -> tuple[Box, ...]:
    """Return the stations."""
    first, second = kube_system.CLUSTER_DNS, kube_system.SECOND_DNS
    watched = [each.plural for each in (resources.SERVICES, resources.SLICES)]
    names = chain()
    middle = len(names) // 2
    options = " ".join(kubelet.CLUSTER_OPTIONS)
    return (
        Box(20, 170, 170, 112, "pod app", ("the program asks", "for web.shop", "(getaddrinfo)")),
        Box(
            225,
            150,
            195,
            152,
            "stub resolver",
            (
                kinds.find("glibc").name,
                f"resolv.conf: {options}",
                "adds search domains:",
                "web.shop.default.svc...",
                "web.shop.svc...",
            ),
        ),
        Box(470, 60, 190, 94, "Service kube-dns", (first, "kube-proxy, conntrack", "choose a pod"), "first"),
        Box(470, 290, 190, 94, "Service kube-dns-2", (second, "its own path,", "pods you enrol"), "second"),
        Box(
            710,
            60,
            265,
            94,
            "CoreDNS",
            ("the DNS under suspicion:", "its Corefile, its version,", "its replicas"),
            "first",
        ),
        Box(
            710,
            280,
            265,
            112,
            "minidns",
            (
                "the same Corefile and chain:",
                " > ".join(names[:middle]),
                "> " + " > ".join(names[middle:]),
                "and: minidns why NAME",
            ),
            "second",
        ),
        Box(710, 188, 265, 56, "API server", ("watch " + ", ".join(watched),)),
        Box(20, 350, 400, 60, "minidns compare, probe, trial", ("ask both at the same moment; say who is to blame",)),
    )


ARROWS = (
    ("M190 226H219", ""),
    ("M420 200C445 200 445 107 464 107", ""),
    ("M420 252C445 252 445 337 464 337", "go"),
    ("M660 107H704", ""),
    ("M660 337H704", "go"),
    ("M842 188V160", ""),
    ("M842 244V274", "go"),
    ("M420 380C445 380 442 352 464 352", "go"),
)


def drawn() -> str:
    """Return the picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title">',
        '<title id="title">A pod\'s lookup goes through its stub resolver to kube-dns and CoreDNS, or to kube-dns-2 and '
        "minidns, which serves the same Corefile from the same API server</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0L8 4L0 8Z" style="fill:var(--line);stroke:none;marker-end:none"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" style="fill:var(--paper);stroke:none"/>',
        _text(20, 32, "One name, two ways: the DNS you have, and a second one to compare it with", "t"),
        *(f'<path class="{kind}" d="{path}"/>' for path, kind in ARROWS),
        *(line for box in boxes() for line in box.svg()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn())
