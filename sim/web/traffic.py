"""Every query of a simulated cluster as a row: who asked, who answered, how fast."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from minidns.walk.wording import asked, has_records, outcome

from ..api.objects import dig
from ..node.kube_proxy import Flow
from ..node.over_sockets import Path
from ..scenario.stage import OUTSIDE, Stage

Row: TypeAlias = dict[str, Any]
"""at, pod, node, name, type, result, ms, by: what the columns of the page show."""
WAIT_S = 5.0
"""A query without a reply is shown as such after this time."""


@dataclass(slots=True)
class _Open:
    """A query without a reply so far."""

    at: float
    row: Row


@dataclass(slots=True)
class Traffic:
    """Collects the queries of a stage."""

    stage: Stage
    show: Callable[[list[Row]], None]
    """Called with rows that are complete."""
    start: float = field(init=False)
    _open: dict[tuple[Flow, bytes], _Open] = field(default_factory=dict)
    _done: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Watch the packets of the stage, beside whoever watches them already."""
        self.start = self.stage.now()
        observe = self.stage.packets.observe

        def both(what: str, flow: Flow, wire: bytes, path: Path) -> None:
            observe(what, flow, wire, path)
            self._message(what, flow, wire, path)

        self.stage.packets.observe = both

    def flush(self, *, every: bool = False) -> None:
        """Show the rows that are complete; with ``every`` also queries still open."""
        now = self.stage.now()
        for key, query in list(self._open.items()):
            if every or now - query.at >= WAIT_S:
                self._done.append(query.row)
                del self._open[key]
        if self._done:
            self.show(self._done)
            self._done = []

    def _message(self, what: str, flow: Flow, wire: bytes, path: Path) -> None:
        now = self.stage.now()
        match what:
            case "query":
                self._open[flow, wire[:2]] = _Open(now, self._row(flow, wire, path))
            case "reply" if wire:
                query = self._open.pop((flow, wire[:2]), None)
                if query is not None:
                    ms = f"{(now - query.at) * 1000:.1f}"
                    self._done.append({**query.row, "result": rcode(wire), "ms": ms})

    def _row(self, flow: Flow, wire: bytes, path: Path) -> Row:
        name, rtype = asked(wire)
        pod, node = self._place(flow.client[0])
        by = ""
        if path.endpoint is not None:
            by = "upstream" if path.endpoint == OUTSIDE else ""
            by = by or self._place(path.endpoint[0])[0]
        return {
            "at": f"{self.stage.now() - self.start:.3f}",
            "pod": pod,
            "node": node,
            "name": name,
            "type": rtype,
            "result": "refused" if path.refused else "no reply",
            "ms": "",
            "by": by,
        }

    def _place(self, address: str) -> tuple[str, str]:
        """Return the pod with an address and its node; else the address."""
        fields = f"status.podIP={address}"
        for pod in self.stage.cluster.list("Pod", fields=fields):
            meta = pod["metadata"]
            node = str(dig(pod, "spec.nodeName") or "")
            return f"{meta['namespace']}/{meta['name']}", node
        return address, ""


def rcode(wire: bytes) -> str:
    """Return the rcode of a reply, or that it is truncated or has no records."""
    return "NOERROR" if has_records(wire) else outcome(wire)
