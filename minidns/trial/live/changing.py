"""Names that have just changed: endpoints of a headless Service that the trial owns.

Each change gives the Service an endpoint with a new host name. Nobody can have looked
that name up before, so no cache answers it: a server that does not know it yet is late
with its view of the cluster.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from minidns.kubernetes.documents import Documents, Json
from minidns.kubernetes.resources import ApiError
from minidns.trial.arms import NameKind
from minidns.trial.lookup import Expected, Subject

EVERY_S = 1.0
"""Seconds between two changes."""
SETTLED_S = 2.0
"""Seconds after a change in which every server should have seen it."""
KEPT = 30
"""Endpoints that stay: names that are still to be looked up are among them."""


@dataclass(slots=True)
class Changing:
    """Changes an EndpointSlice; `take` has the names that must be known by now."""

    api: Documents
    path: str
    """Path of the EndpointSlice in the API."""
    suffix: str
    """What follows the host name: the name of the Service in DNS, absolute."""
    rng: Random
    _endpoints: deque[Json] = field(default_factory=lambda: deque(maxlen=KEPT))
    _changed: deque[tuple[float, Subject]] = field(
        default_factory=lambda: deque(maxlen=KEPT // 2)
    )

    async def run(self) -> None:
        """Make changes until cancelled; one that fails is left out."""
        while True:
            with suppress(ApiError):
                await self._change()
            await asyncio.sleep(EVERY_S)

    async def _change(self) -> None:
        host = f"h{self.rng.getrandbits(40):010x}"
        # addresses of benchmarks, which no pod has (RFC 2544)
        address = f"198.18.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"
        endpoint = {
            "addresses": [address],
            "conditions": {"ready": True},
            "hostname": host,
        }
        self._endpoints.append(endpoint)
        made = await self.api.patch(self.path, {"endpoints": list(self._endpoints)})
        meta = made["metadata"]
        subject = Subject(
            f"{host}.{self.suffix}",
            NameKind.CHANGED,
            expected=Expected.addresses([address]),
            objects=f"EndpointSlice {meta['name']} {meta['resourceVersion']}",
        )
        now = asyncio.get_running_loop().time()
        self._changed.append((now + SETTLED_S, subject))

    def take(self) -> Subject | None:
        """Return a name that changed a moment ago, and not again; None without one."""
        now = asyncio.get_running_loop().time()
        if self._changed and self._changed[0][0] <= now:
            return self._changed.popleft()[1]
        return None
