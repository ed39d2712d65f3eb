"""A random plan: commands of scenarios, each at its moment, drawn from a seed."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from ...node.kind_corefile import KIND
from ..server_pods import SERVICES as SERVERS

SERVICES = tuple(f"s{number}" for number in range(2))
"""Services with a ClusterIP."""
HEADLESS = ("h0",)
ZONE = "svc.cluster.local"
DURATION_S = 20.0
LOOKUPS = 150
CHANGES = 20
_NAMES = (*(f"{name}.default.{ZONE}" for name in (*SERVICES, *HEADLESS)),)
EXTERNAL = "www.example.org"
ABSENT = f"none.default.{ZONE}"
ADDRESSES = tuple(f"10.96.50.{number}" for number in range(1, 5))
"""The ClusterIPs that Services may have."""
QUESTIONS = (
    *(f"{name} A" for name in (*_NAMES, EXTERNAL, ABSENT)),
    *(f"{name} AAAA" for name in _NAMES),
    *(f"_http._tcp.{name} SRV" for name in _NAMES[: len(SERVICES)]),
    *(f"{number}.50.96.10.in-addr.arpa PTR" for number in range(1, 5)),
)
"""Names and types of lookups."""
_BASE = KIND.replace("       ttl 30\n", "       ttl 30\n       hold 0s\n")
"""kind's Corefile, in which an endpoint does not answer after it has gone."""
_CACHED = _BASE.replace(
    "    cache 30 {\n       disable success cluster.local\n"
    "       disable denial cluster.local\n    }\n",
    "    cache 5\n",
)


class Setup(NamedTuple):
    """A Corefile, and for how long its *cache* keeps answers from the cluster."""

    corefile: str
    keeps_s: float = 0.0
    keeps_reverse_s: float = 0.0
    """Seconds for PTR: kind's Corefile excepts cluster.local only."""


COREFILES = {
    "kind": Setup(_BASE, keeps_reverse_s=30.0),
    "cached": Setup(_CACHED, 5.0, 5.0),
    "verified": Setup(_BASE.replace("pods insecure", "pods verified"), 0.0, 30.0),
    "without cache": Setup(_BASE[: _BASE.index("    cache")] + "    loadbalance\n}\n"),
}
"""Corefiles by name."""
_LINKS = ("link app>node", "link dns>node", "link node<>kube-dns", "link dns<>outside")
_FAULTS = (
    *(f"{effect} {link}" for effect in ("lose 1/4", "delay 20ms±15ms", "reorder 1/2",
      "duplicate 1/2", "partition 1/3") for link in _LINKS),
    "partition link kube-dns<>api",
    "delay 300ms±200ms link api>dns",
    "lose 1/3 at kube-dns",
    "servfail 1/3 at kube-dns",
    "servfail 1/2 at outside",
    "delay 1s 1/4 at outside",
    "crash 1/10 at kube-dns",
    "oom 1/10 at kube-dns-2",
)  # fmt: skip


class Moment(NamedTuple):
    """A command at a moment."""

    at_s: float
    """Seconds after the start."""
    command: str

    def __str__(self) -> str:
        """Return the moment as a line of a plan."""
        return f"{self.at_s:7.3f} s  {self.command}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of a run."""

    seed: int
    corefile: str
    """A name in ``COREFILES``."""
    moments: tuple[Moment, ...]

    def lines(self) -> list[str]:
        """Return the plan in lines for people."""
        head = f"seed {self.seed}, Corefile: {self.corefile}"
        return [head, *map(str, sorted(self.moments))]


def draw(seed: int) -> Plan:
    """Return the plan of a seed."""
    rng = Random(f"{seed} plan")
    moments: list[Moment] = []
    is_faulty = rng.random() < 0.6
    for _ in range(CHANGES):
        # changes come in groups, closer together than messages travel
        at_s = rng.uniform(0, DURATION_S)
        for _ in range(rng.choice((1, 1, 2, 3))):
            moments.append(Moment(at_s, _change(rng)))
            at_s += rng.choice((0.0, 0.0003, 0.002, 0.02))
        if is_faulty and rng.random() < 0.35:
            fault = rng.choice(_FAULTS)
            moments.append(Moment(at_s, fault))
            moments.append(Moment(at_s + rng.uniform(0.1, 4), f"clear {fault}"))
    near = [moment.at_s for moment in moments] or [0.0]
    reloads = Random(f"{seed} reloads")
    for _ in range(reloads.randrange(4)):
        at_s = reloads.choice(near) + reloads.uniform(0, 0.01)
        moments.append(Moment(at_s, f"reload {reloads.choice(SERVERS)}"))
    for _ in range(LOOKUPS):
        at_s = rng.choice(near) + rng.uniform(-0.002, 0.01) * (rng.random() < 0.7)
        at_s = max(at_s, 0.0) if rng.random() < 0.7 else rng.uniform(0, DURATION_S)
        moments.append(Moment(at_s, f"query {_client(rng)} {rng.choice(QUESTIONS)}"))
    return Plan(seed, rng.choice(list(COREFILES)), tuple(moments))


def _client(rng: Random) -> str:
    return rng.choice(("app", "dnsutils"))


def _change(rng: Random) -> str:
    """Return a command that changes the cluster."""
    service = rng.choice(SERVICES)
    headless = rng.choice(HEADLESS)
    pod = f"default/{headless}-{rng.randrange(3)}"
    return rng.choice(
        (
            f"service default/{service} ip {rng.choice(ADDRESSES)} port http:80",
            f"delete Service default/{service}",
            f"service default/{headless} ip None port http:80 select app={headless}",
            f"delete Service default/{headless}",
            f"pod {pod} labels app={headless} ready yes",
            f"pod {pod} labels app={headless} ready no",
            f"delete Pod {pod}",
            f"scale {rng.choice(('coredns', 'coredns-2'))} {rng.choice((1, 2, 3))}",
        )
    )
