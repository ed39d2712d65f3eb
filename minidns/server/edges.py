"""The real world: clock, chance, files, environment, sockets, the Kubernetes API."""

import asyncio
import gc
import os
import random
import time

from minidns.corefile import imports
from minidns.kubernetes.client import Connections
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.system import cpus, files
from minidns.system.addresses import interfaces, local_addresses
from minidns.system.threads import Threads
from minidns.upstream.exchange import Sockets


class Disk:
    """Files as they stand on disk."""

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``, bytes that are no UTF-8 replaced.

        Raises:
            OSError: it cannot be read; see ``files.read``.

        """
        return files.read(path).decode("utf-8", "replace")

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match, in Go's order.

        Raises:
            ValueError: the pattern is malformed.

        """
        return imports.glob(pattern, _names, os.path.lexists)


def _names(folder: str) -> list[str]:
    """Return what is in ``folder``; nothing when it cannot be read."""
    try:
        return os.listdir(folder or ".")
    except (OSError, ValueError):  # ValueError: a NUL in its path
        return []


_YOUNG = 10_000
"""Objects made before the garbage collector looks for rings among them; 700 else.

A query that waits makes a hundred and leaves no ring: looking cost it an eighth.
"""


def settle() -> None:
    """Spare what was made so far the garbage collector's visits.

    Else a full collection visits every object of a cluster: 70 to 100 ms for 150,000
    endpoints, in which nobody is answered. Their memory is given back all the same
    when nobody refers to them: none of them is part of a ring.
    """
    gc.collect(1)  # what is no more is not to be kept
    gc.freeze()


def real(metrics: Metrics) -> Edges:
    """Return the edges of a process that serves."""
    gc.set_threshold(_YOUNG)
    threads = Threads()
    chance = random.Random(random.SystemRandom().getrandbits(128))
    connections = Connections(metrics, os.environ, chance)
    sockets = Sockets(metrics)

    async def close() -> None:
        await connections.close()
        await sockets.close()

    return Edges(
        list_watch=connections.list_watch,
        exchange=sockets,
        now=time.monotonic,
        wall=time.time,
        sleep=asyncio.sleep,
        random=chance,
        files=Disk(),
        environ=os.environ,
        close=close,
        local_addresses=local_addresses,
        interfaces=interfaces,
        settle=settle,
        aside=threads.aside,
        free_with=threads.free_with,
        cpus=cpus.usable,
    )
