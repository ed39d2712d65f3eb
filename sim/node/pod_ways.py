"""The ways of DNS server processes to what is outside of their pods, with faults.

A process has real sockets. It is told addresses on loopback for the API server and for
its upstream, and what it sends there crosses the links from its pod.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

from minidns.dns.model import Address

from ..api.http import ApiServer
from . import kube_system
from .api_link import ApiWay
from .api_relay import ApiRelay
from .links import Links
from .over_sockets import Network
from .passage import passage
from .runtime import Ways


@dataclass(slots=True)
class PodWays:
    """Opens the ways of pods, and knows whose connections the API server has."""

    network: Network
    links: Links
    api: ApiServer
    _relays: dict[str, ApiRelay] = field(default_factory=dict)
    """The relays by the address of their pod."""

    @contextlib.asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[Ways]:
        """Open the ways of the pod at a cluster address until the end of the block."""
        upstream = await passage(
            address, self.network, self.links, kube_system.OUTSIDE_DNS
        )
        place = partial(self.links.locate, address, address)
        relay = ApiRelay(self.api.address, ApiWay(self.links.faults, place))
        self._relays[address] = relay
        try:
            async with relay.listening() as api:
                yield Ways(upstream.address, api)
        finally:
            if self._relays.get(address) is relay:
                del self._relays[address]
            await upstream.close()

    def misses_event(self, client: Address) -> bool:
        """Draw whether a client of the API server misses the next event."""
        if not self.links.faults.active:
            return False
        owners = (at for at, relay in self._relays.items() if relay.is_own(client))
        address = next(owners, None)
        return address is not None and self.links.faults.misses_event(
            self.links.names_of(address)
        )
