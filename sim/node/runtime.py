"""The container runtime of the node: pods with the image minidns run as processes.

Each process runs ``minidns -conf FILE`` with its own Corefile and kubeconfig. The
runtime probes /ready as a kubelet does and sets the readiness of the Pod.
"""

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from minidns.corefile.releases import Release
from minidns.dns.model import Address
from minidns.http import endpoint
from minidns.kubernetes.decode import printable
from minidns.second_dns.running import release_of

from ..api import private_files
from ..api.objects import Json, Key, annotations_of, dig, key_of, labels_of
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change
from ..controllers.pods import READY
from . import confinement, kube_system
from .confinement import Forbidden
from .fork_server import LOG, MINIDNS, WORKING
from .kind_corefile import HOST, Place, Ports
from .network import DataPlane
from .processes import ENVIRON, Process, Processes
from .programs import is_program

log = logging.getLogger(__name__)

PROBE_S = 1.0
"""Seconds between probes of a ready pod."""
STARTING_S = 0.02
PROBE_TIMEOUT_S = 1.0
RESTART_S = 1.0
IMAGES = frozenset((kube_system.IMAGE, "coredns"))
"""Names of images whose pods run as processes."""
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
"""Content of a pod's /etc/hosts."""


@dataclass(frozen=True, slots=True)
class Running:
    """A pod that runs as a process."""

    pod: Key
    address: str
    """The pod's cluster address."""
    place: Place
    pid: int
    corefile: str
    """The Corefile of its ConfigMap, before its adaptation by ``place``."""
    is_minidns: bool = True
    """Whether the process is minidns, which has a port for ``minidns why``."""


class Runtime:
    """Starts, probes and stops the processes of Pods."""

    def __init__(
        self,
        cluster: ClusterApi,
        plane: DataPlane,
        folder: Path,
        upstream: Address,
        processes: Processes,
    ) -> None:
        """Follow the Pods of ``cluster``, with files in ``folder``, which is emptied.

        ``upstream`` is the loopback address of the node's name server.
        """
        self.running: dict[Key, Running] = {}
        self.stop_s = 5.0
        """Seconds from SIGTERM to SIGKILL."""
        self.lameduck = "0s"
        """Lame duck time of new processes; less than ``stop_s``."""
        self.is_unready: Callable[[str], bool] = lambda address: False
        """Returns whether the pod at an address never passes its probe."""
        self.coredns: Path | None = None
        """The program that the pods of kube-dns run instead of minidns."""
        self._cluster = cluster
        self._plane = plane
        self._folder = folder.absolute()
        self._upstream = upstream
        self._processes = processes
        self._kubeconfig: Callable[[Path, Json], Path] = lambda path, pod: path
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def following(
        self, kubeconfig: Callable[[Path, Json], Path]
    ) -> AsyncIterator["Runtime"]:
        """Run all existing and new pods until the end of the block.

        ``kubeconfig`` writes a pod's kubeconfig file to a path. All processes have
        ended after the block.
        """
        self._kubeconfig = kubeconfig
        shutil.rmtree(self._folder, ignore_errors=True)  # files of an earlier run
        for pod in self._cluster.list("Pod"):
            self._start(pod)
        end = self._cluster.subscribe(self._follow)
        try:
            yield self
        finally:
            end()
            await _cancel(self._tasks.values())
            await asyncio.gather(*self._ending, return_exceptions=True)

    def kill(self, at: Address, cause: str) -> None:
        """Kill the process of the pod with a socket at ``at``; it starts again."""
        for running in self.running.values():
            if running.address == at[0]:
                log.warning("pod %s/%s is killed: %s", *running.pod, cause)
                self._processes.signal(running.pid, signal.SIGKILL)

    def folder(self, key: Key) -> Path:
        """Return the folder with the Corefile, kubeconfig and log of a pod."""
        return self._folder / f"{key[0]}_{key[1]}"

    def log_file(self, key: Key) -> Path:
        """Return the path of the log of a pod, which need not exist."""
        return self.folder(key) / LOG

    def _follow(self, change: Change) -> None:
        if change.kind.name == "ConfigMap" and change.type == "MODIFIED":
            self._write_again()
        elif change.kind.name != "Pod":
            return
        elif change.type == "DELETED":
            if task := self._tasks.pop(key_of(change.obj), None):
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        else:
            self._start(change.obj)

    def _write_again(self) -> None:
        """Write changed Corefiles, as the kubelet updates mounted ConfigMaps."""
        for key, running in self.running.items():
            try:
                corefile = corefile_of(self._cluster, self._cluster.get("Pod", *key))
                if corefile != running.corefile:
                    self._write(key, running.place, corefile)
                    self.running[key] = replace(running, corefile=corefile)
            except (ApiError, LookupError):
                pass  # keep the old file
            except Forbidden as error:
                self._report(key, f"the new Corefile is refused: {error}")

    def _write(self, key: Key, place: Place, corefile: str) -> Path:
        """Write the adapted Corefile atomically; return its path.

        Raises:
            Forbidden: the Corefile leaves the simulation.

        """
        adapted = place.adapted(corefile)
        confinement.check(adapted, place, ENVIRON)
        return private_files.write(self.folder(key) / "Corefile", adapted)

    def _report(self, key: Key, text: str) -> None:
        """Log an error of a pod, also to the log file of the pod."""
        log.warning("pod %s/%s: %s", *key, printable(text))
        with self.log_file(key).open("a") as file:
            file.write(f"[ERROR] {printable(text)}\n")

    def _start(self, pod: Json) -> None:
        key = key_of(pod)
        if key in self._tasks or not is_process(pod):
            return
        if READY not in annotations_of(pod):
            # a pod with a readiness probe is not ready before it passes
            self._set_ready(key, ready=False)
        task = asyncio.get_running_loop().create_task(self._supervise(key))
        task.add_done_callback(_log_failure)
        self._tasks[key] = task

    async def _supervise(self, key: Key) -> None:
        """Run the process of a pod, restart it, and maintain the pod's readiness."""
        self._set_ready(key, ready=False)  # until a probe passes
        while True:
            try:
                async with self._process(key) as process:
                    await self._probe(key, process)
                log.warning("pod %s/%s ended with %d", *key, process.returncode)
            except (ApiError, LookupError, OSError) as error:
                log.warning("pod %s/%s cannot start: %s", *key, error)
            except Forbidden as error:
                self._report(key, f"it cannot start: {error}")
            self._set_ready(key, ready=False)
            await asyncio.sleep(RESTART_S)

    @contextlib.asynccontextmanager
    async def _process(self, key: Key) -> AsyncIterator[Process]:
        pod = self._cluster.get("Pod", *key)
        folder = self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WORKING).mkdir(exist_ok=True)
        file = str(self._kubeconfig(folder / "kubeconfig", pod))
        place = Place(_free_ports(), self._upstream, file, self.lameduck)
        corefile = corefile_of(self._cluster, pod)
        private_files.write(Path(place.hosts), HOSTS)
        path = self._write(key, place, corefile)
        coredns = self.coredns if _is_coredns(pod) else None
        command = _command(path, place.ports, coredns, _release(pod))
        process = await self._processes.start(command, folder)
        address = dig(pod, "status.podIP")
        self.running[key] = Running(
            key, address, place, process.pid, corefile, is_minidns=coredns is None
        )
        sockets = _sockets(address, place.ports)
        self._plane.real |= sockets
        try:
            yield process
        finally:
            self.running.pop(key, None)
            await self._processes.terminate(process, self.stop_s)
            # not earlier: clients with stale endpoints reach the pod until its end
            for socket_, real in sockets.items():
                if self._plane.real.get(socket_) == real:
                    del self._plane.real[socket_]

    async def _probe(self, key: Key, process: Process) -> None:
        """Probe until the process ends."""
        ready = False
        where = (HOST, self.running[key].place.ports.ready)
        while process.returncode is None:
            unready = self.is_unready(self.running[key].address)
            is_ready = not unready and await _is_ready(where)
            if is_ready != ready:
                ready = is_ready
                self._set_ready(key, ready=ready)
            with contextlib.suppress(TimeoutError):
                period = PROBE_S if ready else STARTING_S
                await asyncio.wait_for(process.wait(), period)

    def _set_ready(self, key: Key, *, ready: bool) -> None:
        # the pod controller derives the condition Ready from this annotation
        patch = {"metadata": {"annotations": {READY: str(ready).lower()}}}
        with contextlib.suppress(ApiError):  # the pod may have been deleted
            self._cluster.patch("Pod", *key, patch)


def corefile_of(cluster: ClusterApi, pod: Json) -> str:
    """Return the Corefile in the first ConfigMap that ``pod`` mounts.

    Raises:
        LookupError: it mounts no ConfigMap with a Corefile.

    """
    for volume in dig(pod, "spec.volumes") or ():
        name = dig(volume, "configMap.name")
        config_map = cluster.find("ConfigMap", key_of(pod)[0], name) if name else None
        if config_map is not None and "Corefile" in (config_map.get("data") or {}):
            return str(config_map["data"]["Corefile"])
    raise LookupError(f"pod {key_of(pod)[1]} mounts no ConfigMap with a Corefile")


def is_process(pod: Json) -> bool:
    """Return whether ``pod`` runs as a process and has an address."""
    names = {_name(image) for image in _images(pod)}
    has_image = not names.isdisjoint(IMAGES)
    return has_image and not is_program(pod) and bool(dig(pod, "status.podIP"))


def _images(pod: Json) -> list[str]:
    containers = dig(pod, "spec.containers") or ()
    return [c.get("image") or "" for c in containers]


def _release(pod: Json) -> Release | None:
    """Return the release of CoreDNS that an image of ``pod`` has, if any."""
    return next(filter(None, map(release_of, _images(pod))), None)


def _name(image: str) -> str:
    """Return the last path segment of an image, without tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _sockets(address: str, ports: Ports) -> dict[tuple[Address, str], Address]:
    return {
        ((address, 53), "UDP"): (HOST, ports.dns),
        ((address, 53), "TCP"): (HOST, ports.dns),
        ((address, 9153), "TCP"): (HOST, ports.metrics),
    }


def _free_ports() -> Ports:
    """Return ports that are free for UDP and TCP."""
    # limit: another program may take a port before minidns does; minidns then exits and
    # is started again with other ports
    with contextlib.ExitStack() as stack:
        numbers = [next(_bound(stack)) for _ in range(5)]
        return Ports(*numbers)


def _bound(stack: contextlib.ExitStack) -> Iterator[int]:
    while True:
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp.bind((HOST, 0))
        with contextlib.suppress(OSError):
            udp.bind(tcp.getsockname())
            yield tcp.getsockname()[1]


def _is_coredns(pod: Json) -> bool:
    """Return whether a pod stands for CoreDNS: kube-dns selects it."""
    return labels_of(pod).get("k8s-app") == "kube-dns"


def _command(
    corefile: Path, ports: Ports, coredns: Path | None, release: Release | None
) -> list[str]:
    """Return the command line of a server; minidns stands for a release of CoreDNS."""
    if coredns is not None:
        return [str(coredns), "-conf", str(corefile)]
    explain = f"{HOST}:{ports.explain}"
    like = ["-as", str(release)] if release else []
    return [MINIDNS, "-conf", str(corefile), "-explain", explain, *like]


async def _is_ready(where: Address) -> bool:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await endpoint.get(where, "/ready") == 200
    except (OSError, ValueError):
        return False


def _log_failure(task: asyncio.Task[None]) -> None:
    """Log the exception of a failed task."""
    if not task.cancelled() and (error := task.exception()):
        log.error("the runtime failed: %r", error)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
