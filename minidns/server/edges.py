"""The real edges: clock, random numbers, files, environment, sockets, Kubernetes."""

import asyncio
import gc
import os
import random
import time

from minidns.corefile import imports
from minidns.kubernetes.client import Connections
from minidns.metrics.registry import Metrics
from minidns.plugins.site import Edges
from minidns.system import files
from minidns.system.addresses import interfaces, local_addresses
from minidns.system.limits import usable_cpus
from minidns.system.threads import Threads
from minidns.upstream.exchange import Sockets


class Disk:
    """The files on disk."""

    def read(self, path: str) -> str:
        """Return the text of the file at ``path``, invalid UTF-8 replaced.

        Raises:
            OSError: it cannot be read; see ``files.read``.

        """
        return files.read(path).decode("utf-8", "replace")

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match ``pattern``, in the order of Go.

        Raises:
            ValueError: the pattern is malformed.

        """
        return imports.glob(pattern, _names, os.path.lexists)


def _names(folder: str) -> list[str]:
    """Return the names in ``folder``; empty if it cannot be read."""
    try:
        return os.listdir(folder or ".")
    except (OSError, ValueError):  # ValueError: a NUL in its path
        return []


_YOUNG = 10_000
"""Threshold of the youngest generation of the garbage collector; the default is 700.

A forwarded query creates a hundred objects and no cycle: at 700 collections took an
eighth of its time.
"""


def settle() -> None:
    """Exclude the objects created so far from garbage collections.

    Otherwise a full collection visits all objects of a cluster: 70 to 100 ms for
    150,000 endpoints, in which no query is answered. Their memory is still freed by
    reference counting, because they are in no cycles.
    """
    gc.collect(1)  # collect garbage before freezing
    gc.freeze()


def real(metrics: Metrics) -> Edges:
    """Return the edges of a server process."""
    gc.set_threshold(_YOUNG)
    threads = Threads()
    rng = random.Random(random.SystemRandom().getrandbits(128))
    connections = Connections(metrics, os.environ, rng)
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
        random=rng,
        files=Disk(),
        environ=os.environ,
        close=close,
        local_addresses=local_addresses,
        interfaces=interfaces,
        settle=settle,
        aside=threads.aside,
        free_with=threads.free_with,
        cpus=usable_cpus,
    )
