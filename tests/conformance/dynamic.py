"""The sequences of cases.yaml: changes of the cluster, and answers that follow them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.reversename

from tests.conformance.api import Tree
from tests.conformance.cases import Setting, document, read, rows
from tests.conformance.sockets import ask_udp
from tests.conformance.stand import Server, Stand

DEFAULT = Setting(document()["default_options"])
VERIFIED = Setting("pods verified; ttl 30; fallthrough in-addr.arpa ip6.arpa")
PATIENCE_S = 10.0
LONG_S = 60.0


class Disagreement(AssertionError):
    """An answer did not become what CoreDNS's became."""


@dataclass
class Asking:
    """A server, and what it answers."""

    server: Server

    async def answer(self, name: str, qtype: str) -> str:
        """Return rcode or data, ``outside`` in front when it was forwarded."""
        query = dns.message.make_query(full(name), qtype).to_wire()
        replies = await ask_udp(self.server.port, query)
        if not replies:
            return "silence"
        message = read(replies[0])
        data = " ".join(sorted(row[3] for row in rows(message.answer)))
        rcode = dns.rcode.to_text(message.rcode())
        said = data or ("NODATA" if rcode == "NOERROR" else rcode)
        return said if message.flags & dns.flags.AA else f"outside {said}"

    async def until(self, name: str, qtype: str, expected: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for an answer.

        Raises:
            Disagreement: it does not come.

        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        while (got := await self.answer(name, qtype)) != expected:
            if loop.time() > end:
                text = f"{name} {qtype} is {got!r}, not {expected!r}"
                raise Disagreement(text)
            await asyncio.sleep(0.01)

    async def serial(self) -> int:
        """Return the serial of cluster.local."""
        return int((await self.answer("cluster.local.", "SOA")).split()[2])

    async def is_ready(self) -> int:
        """Return the status of the ready endpoint."""
        return await asyncio.to_thread(self.server.ready)


def full(name: str) -> str:
    """Return ``name`` in cluster.local; addresses as their reverse names."""
    if name[0].isdigit() and name.count(".") == 3:
        return dns.reversename.from_address(name).to_text()
    return name if name.endswith(".") else f"{name}.cluster.local."


def tree(kind: str, namespace: str, name: str, **more: Any) -> Tree:
    """Return an object."""
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"kind": kind, "metadata": {**meta, **more.pop("metadata", {})}, **more}


def service(name: str, **spec: Any) -> Tree:
    """Return a Service of conf-a."""
    return tree("Service", "conf-a", name, spec=spec)


def slice_of(name: str, address: str, **conditions: bool) -> Tree:
    """Return the slice of a Service of conf-a, with one endpoint."""
    labels = {"kubernetes.io/service-name": name}
    return tree(
        "EndpointSlice",
        "conf-a",
        f"{name}-1",
        metadata={"labels": labels},
        endpoints=[{"addresses": [address], "conditions": conditions}],
        ports=[{"name": "http", "port": 80, "protocol": "TCP"}],
    )


async def dyn_01(stand: Stand) -> None:
    """A change of externalName, and of the type, reaches answers."""
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        for target in ("foo.example.test", "bar.example.test"):
            stand.api.apply(service("dyn-ext", type="ExternalName", externalName=target))
            await ask.until("dyn-ext.conf-a.svc", "CNAME", f"{target}.")
        stand.api.apply(service("dyn-ext", clusterIP="10.96.100.90"))
        await ask.until("dyn-ext.conf-a.svc", "A", "10.96.100.90")
        await ask.until("dyn-ext.conf-a.svc", "CNAME", "NODATA")


async def dyn_02(stand: Stand) -> None:
    """An endpoint that turns unready leaves A, SRV and PTR."""
    address, name = "10.244.20.1", "dyn-h.conf-a.svc"
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        stand.api.apply(service("dyn-h", clusterIP="None"))
        for ready in (True, False, True):
            stand.api.apply(slice_of("dyn-h", address, ready=ready))
            target = f"10-244-20-1.{name}.cluster.local."
            await ask.until(name, "A", address if ready else "NXDOMAIN")
            await ask.until(name, "SRV", f"0 100 80 {target}" if ready else "NXDOMAIN")
            await ask.until(address, "PTR", target if ready else "outside NXDOMAIN")


async def dyn_03(stand: Stand) -> None:
    """A Service goes while its slice stays: forward names go, PTR stays."""
    address, name = "10.244.20.1", "dyn-h.conf-a.svc"
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        stand.api.apply(service("dyn-h", clusterIP="None"))
        stand.api.apply(slice_of("dyn-h", address))
        await ask.until(name, "A", address)
        stand.api.delete("Service", "conf-a", "dyn-h")
        await ask.until(name, "A", "NXDOMAIN")
        await ask.until(address, "PTR", f"10-244-20-1.{name}.cluster.local.")
        stand.api.delete("EndpointSlice", "conf-a", "dyn-h-1")
        await ask.until(address, "PTR", "outside NXDOMAIN")


async def dyn_04(stand: Stand) -> None:
    """A Namespace answers while it terminates, and stops when it is gone."""
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        status = {"phase": "Terminating"}
        stand.api.apply(tree("Namespace", "", "dyn-ns", metadata=going, status=status))
        spec = {"clusterIP": "10.96.100.91"}
        stand.api.apply(tree("Service", "dyn-ns", "s", spec=spec))
        await ask.until("s.dyn-ns.svc", "A", "10.96.100.91")
        await ask.until("dyn-ns.svc", "A", "NODATA")
        stand.api.delete("Namespace", "", "dyn-ns")
        await ask.until("s.dyn-ns.svc", "A", "NXDOMAIN")
        await ask.until("dyn-ns.svc", "A", "NXDOMAIN")
        await ask.until("10.96.100.91", "PTR", "s.dyn-ns.svc.cluster.local.")


async def dyn_05(stand: Stand) -> None:
    """The API server goes away after the first sync: answers stay."""
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        await stand.api_goes()
        try:
            for _ in range(20):
                await ask.until("web.conf-a.svc", "A", "10.96.100.10", 0)
                await ask.until("nosuch.conf-a.svc", "A", "NXDOMAIN", 0)
                _same(await ask.is_ready(), 200)
                await asyncio.sleep(0.05)
        finally:
            await stand.api_comes()


async def dyn_06(stand: Stand) -> None:
    """The API server is never there: a late start, and what is said then."""
    await stand.api_goes()
    try:
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with stand.server(DEFAULT, wait=False) as server:
            while not await server.answers():
                if loop.time() - started > 3 * PATIENCE_S:
                    raise Disagreement("the port never opened")
                await asyncio.sleep(0.05)
            if loop.time() - started < 5:
                raise Disagreement("the port opened before startup_timeout was over")
            await _unsynced(Asking(server))
    finally:
        await stand.api_comes()


async def _unsynced(ask: Asking) -> None:
    await ask.until("web.conf-a.svc", "A", "SERVFAIL", 0)
    await ask.until("cluster.local.", "A", "NODATA", 0)
    await ask.until("svc", "A", "NODATA", 0)
    await ask.until("dns-version", "TXT", '"1.1.0"', 0)
    await ask.until("8.8.8.8", "PTR", "outside dns.example.test.", 0)
    _same(await ask.serial(), 0)
    _same(await ask.is_ready(), 503)
    query = dns.message.make_query("web.conf-a.svc.cluster.local.", "A").to_wire()
    (reply,) = await ask_udp(ask.server.port, query)
    (soa,) = rows(read(reply).authority)
    _same(soa[3].split()[2], "0")


async def dyn_07(stand: Stand) -> None:
    """One kind is forbidden: never synced, but what is there is served."""
    stand.stub.forbidden = {"endpointslices"}
    try:
        async with stand.server(DEFAULT, wait=False) as server:
            ask = Asking(server)
            while not await server.answers():
                await asyncio.sleep(0.05)
            await ask.until("web.conf-a.svc", "A", "10.96.100.10")
            await ask.until("nosuch.conf-a.svc", "A", "SERVFAIL", 0)
            await ask.until("hdls.conf-a.svc", "A", "SERVFAIL", 0)
            _same(await ask.is_ready(), 503)
    finally:
        stand.stub.forbidden = set()


async def dyn_08(stand: Stand) -> None:
    """Changes made while the watch was cut appear after the next."""
    async with stand.server(DEFAULT) as server:
        stand.stub.drop_watches()
        stand.api.apply(service("dyn-w", clusterIP="10.96.100.92"))
        await Asking(server).until("dyn-w.conf-a.svc", "A", "10.96.100.92", LONG_S)


async def dyn_09(stand: Stand) -> None:
    """The serial moves for what DNS shows only."""
    async with stand.server(DEFAULT) as server:
        ask = Asking(server)
        spec = {"clusterIP": "10.96.100.93", "ports": [{"name": "a", "port": 1}]}
        stand.api.apply(service("dyn-s", **spec))
        stand.api.apply(slice_of("dyn-s", "10.244.20.9", ready=True))
        await ask.until("10.244.20.9", "PTR", "10-244-20-9.dyn-s.conf-a.svc.cluster.local.")
        before = await ask.serial()
        await asyncio.sleep(1.1)
        noted = service("dyn-s", **spec)
        noted["metadata"]["annotations"] = {"note": "x"}
        stand.api.apply(noted)
        stand.api.apply(slice_of("dyn-s", "10.244.20.9", ready=True, serving=False))
        stand.api.apply(tree("Namespace", "", "dyn-other"))
        await ask.until("dyn-other.svc", "A", "NODATA")
        await asyncio.sleep(0.3)
        _same(await ask.serial(), before)
        spec["ports"] = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
        stand.api.apply(service("dyn-s", **spec))
        await ask.until("_b._tcp.dyn-s.conf-a.svc", "A", "10.96.100.93")
        if await ask.serial() <= before:
            raise Disagreement("the serial did not move with the port")


async def dyn_10(stand: Stand) -> None:
    """Verified pods on their way out."""
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    name = "10-244-21-1.conf-a.pod"

    def pod(name: str, address: str, **metadata: str) -> Tree:
        status = {"phase": "Running", "podIP": address}
        return tree("Pod", "conf-a", name, metadata=metadata, status=status)

    async with stand.server(VERIFIED) as server:
        ask = Asking(server)
        stand.api.apply(pod("t1", "10.244.21.1"))
        await ask.until(name, "A", "10.244.21.1")
        stand.api.apply(pod("t1", "10.244.21.1", **going))
        stand.api.apply(pod("t2", "10.244.21.2", **going))
        stand.api.apply(pod("t3", "10.244.21.3"))
        await ask.until("10-244-21-3.conf-a.pod", "A", "10.244.21.3")
        await ask.until(name, "A", "10.244.21.1", 0)
        await ask.until("10-244-21-2.conf-a.pod", "A", "NXDOMAIN", 0)
        stand.api.delete("Pod", "conf-a", "t1")
        await ask.until(name, "A", "NXDOMAIN")


def _same(got: object, expected: object) -> None:
    if got != expected:
        raise Disagreement(f"{got!r}, not {expected!r}")


SEQUENCES: dict[str, Callable[[Stand], Awaitable[None]]] = {
    f"DYN-{number:02}": globals()[f"dyn_{number:02}"] for number in range(1, 11)
}
