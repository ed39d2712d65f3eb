"""The byte relay of arm R in memory: one CoreDNS pod per flow, no retry, no cache."""

from random import Random

from minidns.dns.model import Dropped, FormatError, Query, Response
from minidns.dns.reply import Reply, decode_reply
from minidns.server.answer import Answerer
from minidns.upstream.upstream import Upstream

from ..node.in_memory import Packets
from ..node.server_faults import response_of

TIMEOUT_S = 30.0
"""Seconds for which the relay waits: longer than any client."""


class Relay(Answerer):
    """A relay pod. It remembers which pod got a query until the prober asks."""

    def __init__(
        self, address: str, pods: dict[str, str], packets: Packets, rng: Random
    ) -> None:
        """Take the addresses of CoreDNS's ``pods`` by their names."""
        super().__init__("relay", self._pass_on)
        self.address = address
        self._pods = pods
        self._packets = packets
        self._rng = rng
        self._chosen: dict[tuple[str, int], str] = {}
        """The pod by the flow's address and source port."""

    def pod_of(self, address: str, port: int) -> str:
        """Return the pod that got the queries of a flow, and forget it."""
        return self._chosen.pop((address, port), "")

    async def _pass_on(self, query: Query) -> Response:
        flow = query.peer
        pod = self._chosen.get(flow) or self._rng.choice(list(self._pods))
        self._chosen[flow] = pod
        to = Upstream(self._pods[pod], transport=query.transport)
        try:
            reply = await self._packets.exchange(
                self.address, to, query.wire, TIMEOUT_S, _decoded
            )
        except OSError:
            raise Dropped("no reply from CoreDNS") from None
        return response_of(reply)


def _decoded(wire: bytes) -> Reply | None:
    try:
        return decode_reply(wire)
    except FormatError:
        return None
