"""minidns's own chain for a real cluster, in the process of the page.

It has the Corefile of `minidns up`, follows the API server, and opens no DNS port:
the page asks it in memory, and sees what each plugin decides.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from minidns import plugins
from minidns.corefile import blocks
from minidns.corefile.releases import NEWEST
from minidns.dns.model import Query
from minidns.laptop import corefile as laptop
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.server import edges
from minidns.server.answer import Answerer
from minidns.server.instance import Instance
from minidns.stub.protocol import Send
from minidns.upstream.upstream import Accept, T, Upstream
from minidns.walk import visits
from minidns.walk.recorder import ACTIVE, LANE, SERVER, Recorder
from minidns.walk.steps import Kind

_KUBECONFIG = re.compile(r'^ *kubeconfig "".*\n', re.M)


@dataclass(frozen=True, slots=True)
class OwnChain:
    """A running chain without sockets."""

    instance: Instance
    answerer: Answerer

    async def carry(self, send: Send) -> bytes | None:
        """Answer a query, and record what happens."""
        recorder = ACTIVE.get()
        assert recorder is not None
        recorder.query(send.wire, "minidns in this process", send.transport, "", {})
        says = "receives the query in the process of this page"
        recorder.add(Kind.RECEIVE, SERVER, says, {"to": "this process"})
        visits.RECORD.set(recorder.visit)
        peer, local = ("127.0.0.1", send.source), ("127.0.0.1", 53)
        query = self.answerer.decode(send.wire, send.transport, peer, local)
        wire = query
        if isinstance(query, Query):
            messages = await self.answerer.answer(query)
            wire = messages[0] if messages else None
            recorder.reason(self.instance)
        if not isinstance(wire, bytes):
            return None
        recorder.add(Kind.ANSWER, SERVER, "sends its reply", {}, wire)
        recorder.reply(wire, "")
        return wire


@asynccontextmanager
async def running(kubeconfig: str, context: str) -> AsyncIterator[OwnChain]:
    """Run the chain for a cluster; without a kubeconfig as the pod that this is.

    Raises:
        ConfigError: the cluster cannot be followed.

    """
    metrics = Metrics()
    real = edges.real(metrics)
    outside = replace(real, observe=visits.observed, exchange=_Recorded(real))
    conf = laptop.resolv_conf()
    text = laptop.corefile(kubeconfig, context, "127.0.0.1", 53, (), conf)
    parsed = blocks.parse(
        _KUBECONFIG.sub("", text),
        files=real.files,
        environ=real.environ,
        known=plugins.order(NEWEST),
    )
    instance = Instance(
        parsed,
        outside,
        metrics,
        read=lambda: parsed,
        reload=_nothing,
        fatal=lambda text: None,
        forget=lambda keys: None,
    )
    try:
        await instance.start()
        await instance.serving()
        listener, handler = next(iter(instance.routes.items()))
        yield OwnChain(instance, Answerer(str(listener), handler))
    finally:
        await instance.stop()
        await real.close()


async def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Exchanges with upstreams that are recorded as queries inside a query."""

    edges: Edges

    async def __call__(
        self, to: Upstream, wire: bytes, timeout_s: float, accept: Accept[T]
    ) -> T:
        recorder = ACTIVE.get()
        if recorder is None:
            return await self.edges.exchange(to, wire, timeout_s, accept)
        return await self._recorded(recorder, to, wire, timeout_s, accept)

    async def _recorded(
        self,
        recorder: Recorder,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Accept[T],
    ) -> T:
        outer = LANE.get()
        recorder.query(wire, to.host, to.transport, "", {})
        lane = LANE.get()

        def seen(reply: bytes) -> object:
            accepted = accept(reply)
            if accepted is not None:
                present = LANE.set(lane)  # sockets call this in their own context
                recorder.reply(reply, "")
                LANE.reset(present)
            return accepted

        try:
            return await self.edges.exchange(to, wire, timeout_s, seen)  # type: ignore[arg-type]
        finally:
            LANE.set(outer)
