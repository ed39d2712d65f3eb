"""The port of a trial in the simulated cluster: lookups as packets, and their names."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from minidns.trial import resolving
from minidns.trial.arms import Client, NameKind, R, Target, draw_kind
from minidns.trial.lookup import Expected, Result, Subject, as_libc

from ..api.objects import dig
from ..node.over_sockets import LookupResult
from .arena import CHANGING, EXTERNAL_ZONE, Arena

SEARCH = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
SETTLED_S = 0.02
"""Seconds after a change in which every server without a fault has seen it."""


@dataclass(slots=True)
class SimulatedProber:
    """Makes lookups from the prober pods, as glibc or dig does."""

    arena: Arena
    rng: Random
    _addresses: dict[Client, str] = field(default_factory=dict)

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        """Make one lookup; see `minidns.trial.lookup.Prober`."""
        lookup = resolving.lookup(
            subject.name,
            subject.types,
            subject.manner,
            target.address,
            self.rng,
            " ".join(SEARCH),
        )
        sent_at = asyncio.get_running_loop().time()
        resolved = await self.arena.stage.packets.resolve(lookup, self._address(client))
        latency_s = asyncio.get_running_loop().time() - sent_at
        send = resolved.queries[0].send
        return Result(
            sent_at,
            latency_s,
            *resolving.ending(resolved.outcome),
            self._replica(client, target, resolved),
            resolved.queries[-1].send.transport,
            send.source,
            int.from_bytes(send.wire[:2]),
        )

    def _address(self, client: Client) -> str:
        if client not in self._addresses:
            key = "default", client.pod
            self._addresses[client] = self.arena.stage.address(key)
        return self._addresses[client]

    def _replica(self, client: Client, target: Target, resolved: LookupResult) -> str:
        """Return the pod that was asked, where a prober in a real pod could tell.

        Of several pods that is the first one without a reply: glibc repeats the query
        from another port.
        """
        if target.arm != R:
            return target.replica
        address = self._address(client)
        answered: dict[int, bool] = {}
        for query in resolved.queries:
            port = query.send.source
            answered[port] = answered.get(port, True) and query.reply is not None
        pods = {port: self._relayed_to(address, port) for port in answered}
        decisive = min(answered, key=lambda port: answered[port])
        return pods[decisive]

    def _relayed_to(self, address: str, port: int) -> str:
        names = [relay.pod_of(address, port) for relay in self.arena.relays]
        return next(filter(None, names), "")


@dataclass(slots=True)
class SimulatedNames:
    """Chooses names of all kinds; changes the endpoints of Services in turn."""

    arena: Arena
    rng: Random
    _changes: int = 0

    async def next(self) -> Subject:
        """Return the next subject; see `minidns.trial.lookup.Subjects`."""
        kind = draw_kind(self.rng)
        is_libc = self.rng.random() < 0.5
        if kind is NameKind.EXTERNAL:
            # a name that nobody has looked up yet, so that no cache answers it
            name = f"x{self.rng.getrandbits(40):010x}.{EXTERNAL_ZONE}"
            subject = Subject(f"{name}.", kind, expected=_only("192.0.2.7"))
            return as_libc(subject, name) if is_libc else subject
        name, expected, objects = "web", _only("10.96.7.9"), "Service default/web"
        if kind is NameKind.CHANGED:
            name, expected, objects = await self._change()
        elif self.rng.random() < 0.5:
            name, expected, objects = "db", _only("10.96.7.10"), "Service default/db"
        absolute = f"{name}.{SEARCH[0]}."
        subject = Subject(absolute, kind, expected=expected, objects=objects)
        return as_libc(subject, name) if is_libc else subject

    async def _change(self) -> tuple[str, Expected, str]:
        """Give a Service another endpoint, and wait until servers must know it."""
        self._changes += 1
        name = f"rolling-{self._changes % CHANGING}"
        address = f"10.244.{10 + self._changes % 200}.{1 + self.rng.randrange(250)}"
        slice_ = self.arena.stage.cluster.patch(
            "EndpointSlice",
            "default",
            name,
            {"endpoints": [{"addresses": [address], "conditions": {"ready": True}}]},
        )
        await asyncio.sleep(SETTLED_S)
        version = dig(slice_, "metadata.resourceVersion")
        return name, _only(address), f"EndpointSlice default/{name} {version}"


def _only(address: str) -> Expected:
    return Expected.addresses([address])
