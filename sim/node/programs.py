"""Commands of minidns that pods run in this process: the relays and clients of trials.

A server pod is a process of its own (`runtime`). A relay and a client are not: what
they send must cross the simulated links, and so meet the faults. Everything else about
them is the code that runs in a real pod.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, TypeAlias

from minidns.dns.model import Address

from ..api.kubelet_paths import Streams
from ..api.objects import Json, Key, dig, key_of
from ..api.server import ClusterApi
from ..api.status import bad_request
from ..api.store import Change
from ..controllers.pods import PHASE
from .container import Container
from .network import DataPlane

if TYPE_CHECKING:
    from .trial_pods import RelayPod

Containers: TypeAlias = Callable[[str, str], Container]
"""Returns the container of a pod; see `NodeKubelet`."""
CLIENT, RELAY = ("trial", "client"), "relay"
"""The beginnings of command lines that run in this process."""


def arguments(pod: Json) -> list[str]:
    """Return the arguments of the first container of a pod."""
    for container in dig(pod, "spec.containers") or ():
        return list(map(str, container.get("args") or ()))
    return []


def is_program(pod: Json) -> bool:
    """Return whether a pod runs in this process."""
    args = arguments(pod)
    return args[:1] == [RELAY] or tuple(args[:2]) == CLIENT


class Programs:
    """Runs relays, and serves who is attached to a relay or a client."""

    def __init__(
        self, cluster: ClusterApi, plane: DataPlane, containers: Containers
    ) -> None:
        self._cluster = cluster
        self._plane = plane
        self._containers = containers
        self._running: dict[Key, RelayPod] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator["Programs"]:
        """Run the relays of all new pods until the end of the block."""
        end = self._cluster.subscribe(self._follow)
        try:
            yield self
        finally:
            end()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for key in list(self._running):
                await self._stop(key)

    def _follow(self, change: Change) -> None:
        pod = change.obj
        if change.kind.name != "Pod" or arguments(pod)[:1] != [RELAY]:
            return
        if change.type == "ADDED":
            self._start(self._relay(key_of(pod)))
        elif change.type == "DELETED" or dig(pod, "status.phase") == "Succeeded":
            self._start(self._stop(key_of(pod)))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, key: Key) -> None:
        """Start the relay of a pod."""
        # not at the top: only trials have such pods, and need these imports
        from . import trial_pods

        container = self._containers(*key)
        args = arguments(self._cluster.get("Pod", *key))[1:]
        self._running[key] = running = await trial_pods.relay_pod(container, args)
        for socket in self._sockets(container, running.port):
            self._plane.real[socket] = running.address

    def _sockets(
        self, container: Container, port: int
    ) -> Iterator[tuple[Address, str]]:
        for protocol in ("UDP", "TCP"):
            yield (container.address, port), protocol

    async def _stop(self, key: Key) -> None:
        running = self._running.pop(key, None)
        if running is None:
            return
        for socket, real in list(self._plane.real.items()):
            if real == running.address:
                del self._plane.real[socket]
        await running.close()

    async def attach(self, pod: Key, streams: Streams) -> int:
        """Join the program of a pod; it ends with its standard input.

        Raises:
            ApiError: the pod runs no program in this process (400).

        """
        from . import trial_pods

        args = arguments(self._cluster.get("Pod", *pod))
        try:
            if tuple(args[:2]) == CLIENT:
                await trial_pods.serve_client(self._containers(*pod), streams)
            elif pod in self._running:
                await self._running[pod].report(streams)
            else:
                raise bad_request(f"pod {pod[1]} has no standard input")
        finally:
            self._end(pod)
        return 0

    def _end(self, pod: Key) -> None:
        """Let the program of a pod come to its end, if the pod is there still."""
        if self._cluster.find("Pod", *pod) is not None:
            patch = {"metadata": {"annotations": {PHASE: "Succeeded"}}}
            self._cluster.patch("Pod", *pod, patch)
