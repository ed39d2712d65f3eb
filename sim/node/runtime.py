"""The container runtime of the node: pods with the image minidns run as processes.

Each process runs ``minidns -conf FILE`` with its own Corefile and kubeconfig. The
runtime probes /ready as a kubelet does and sets the readiness of the Pod.
"""

import asyncio
import contextlib
import logging
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from minidns.dns.model import Address
from minidns.http import endpoint
from minidns.kubernetes.decode import printable

from ..api import private_files
from ..api.objects import Json, Key, annotations_of, dig, key_of, labels_of
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change
from ..controllers import containers
from ..controllers.containers import OOM_KILLED, End
from ..controllers.pods import READY
from . import confinement, kube_system, server_command
from .confinement import Forbidden
from .fork_server import LOG, PREVIOUS, WORKING
from .kind_corefile import HOST, Place
from .network import DataPlane
from .over_sockets import DNS_PORT
from .ports import free_ports, sockets_of
from .processes import ENVIRON, Process, Processes
from .programs import is_program

log = logging.getLogger(__name__)

PROBE_S = 1.0
"""Seconds between probes of a ready pod."""
STARTING_S = 0.02
PROBE_TIMEOUT_S = 1.0
RESTART_S = 1.0
"""Seconds between two attempts to start a container that has never run."""
RESTARTS_S = (1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds until a container that ended starts again, by the number of its restarts
(kubelet's CrashLoopBackOff)."""
STEADY_S = 600.0
"""Seconds after which the end of a container is the first one again."""
IMAGES = frozenset((kube_system.IMAGE, "coredns"))
"""Names of images whose pods run as processes."""
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
"""Content of a pod's /etc/hosts."""


class Ways(NamedTuple):
    """Where a pod reaches what is outside of it, on loopback."""

    upstream: Address
    """The node's name server."""
    api: Address


WriteKubeconfig: TypeAlias = Callable[[Path, Json, Address], Path]
"""Writes the kubeconfig of a pod to a path, with an address of the API server."""
OpenWays: TypeAlias = Callable[[str], AbstractAsyncContextManager[Ways]]
"""Opens the ways of the pod at a cluster address, until the end of the block."""


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
        processes: Processes,
        open_ways: OpenWays,
    ) -> None:
        """Follow the Pods of ``cluster``; their files are in ``folder``.

        It is emptied first.
        """
        self.running: dict[Key, Running] = {}
        self.stop_s = 5.0
        """Seconds from SIGTERM to SIGKILL."""
        self.lameduck = "0s"
        """Lame duck time of new processes; less than ``stop_s``."""
        self.is_unready: Callable[[str], bool] = lambda address: False
        """Returns whether the pod at an address never passes its probe."""
        self.on_start: Callable[[Address], None] = lambda at: None
        """Called when a new process is behind the address of a pod."""
        self.never_up: dict[Key, str] = {}
        """What is known of pods that ended twice and were never ready."""
        self.coredns: Path | None = None
        """The program that the pods of kube-dns run instead of minidns."""
        self._cluster = cluster
        self._plane = plane
        self._folder = folder.absolute()
        self._open_ways = open_ways
        self._processes = processes
        self._kubeconfig: WriteKubeconfig = lambda path, pod, api: path
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._stopped: set[int] = set()
        """The processes that `stop` has stopped."""
        self._out_of_memory: set[int] = set()
        """The processes that were killed for lack of memory."""
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def following(self, kubeconfig: WriteKubeconfig) -> AsyncIterator["Runtime"]:
        """Run all existing and new pods until the end of the block.

        ``kubeconfig`` writes a pod's kubeconfig file. All processes have ended after
        the block.
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
        for running in self._at(at):
            log.warning("pod %s/%s is killed: %s", *running.pod, cause)
            if cause == OOM_KILLED:
                self._out_of_memory.add(running.pid)
            self._processes.signal(running.pid, signal.SIGKILL)

    def stop(self, at: Address) -> None:
        """Stop the process of the pod with a socket at ``at`` until `resume`.

        The kernel keeps its packets, and the pod keeps its readiness.
        """
        for running in self._at(at):
            self._stopped.add(running.pid)
            self._processes.signal(running.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let all processes that were stopped go on."""
        for pid in self._stopped:
            self._processes.signal(pid, signal.SIGCONT)
        self._stopped.clear()

    def _at(self, at: Address) -> list[Running]:
        return [each for each in self.running.values() if each.address == at[0]]

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
        now, ends, was_ready = asyncio.get_running_loop().time, 0, False
        while True:
            delay_s, started = RESTART_S, now()
            try:
                async with self._process(key, restarts=ends > 0) as process:
                    if ends:
                        containers.restarted(self._cluster, key)
                    was_ready |= await self._probe(key, process)
                self._set_ready(key, ready=False)
                containers.ended(self._cluster, key, self._end(process))
                if now() - started >= STEADY_S:
                    ends = 0
                delay_s = RESTARTS_S[min(ends, len(RESTARTS_S) - 1)]
                ends += 1
                how = self._how_it_ended(key, process, now() - started)
                log.warning("%s; it starts again in %g s", how, delay_s)
                if ends > 1:
                    containers.waits(self._cluster, key, delay_s)
                    if not was_ready:
                        self.never_up[key] = how
                        self._set_ready(key, ready=False)
            except (ApiError, LookupError, OSError) as error:
                log.warning("pod %s/%s cannot start: %s", *key, error)
            except Forbidden as error:
                self._report(key, f"it cannot start: {error}")
            self._set_ready(key, ready=False)
            await asyncio.sleep(delay_s)

    def _end(self, process: Process) -> End:
        """Return how a process has ended."""
        is_out = process.pid in self._out_of_memory
        self._out_of_memory.discard(process.pid)
        self._stopped.discard(process.pid)
        return End(process.returncode or 0, OOM_KILLED if is_out else "")

    def _how_it_ended(self, key: Key, process: Process, after_s: float) -> str:
        """Return what a person needs to know about the end of a process."""
        status = process.returncode or 0
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        lines = self.log_file(key).read_text(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "")
        said = f"; its last line: {printable(last)}" if last else "; it printed nothing"
        what = f"{self.coredns}: " if self.coredns and self._runs_coredns(key) else ""
        return f"{what}pod {'/'.join(key)} ended after {after_s:.1f} s: {how}{said}"

    def _runs_coredns(self, key: Key) -> bool:
        pod = self._cluster.find("Pod", *key)
        return pod is not None and _is_coredns(pod)

    @contextlib.asynccontextmanager
    async def _process(self, key: Key, *, restarts: bool) -> AsyncIterator[Process]:
        pod = self._cluster.get("Pod", *key)
        folder = self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WORKING).mkdir(exist_ok=True)
        address, coredns = dig(pod, "status.podIP"), None
        if _is_coredns(pod):
            coredns = self.coredns
        async with self._open_ways(address) as ways:
            file = str(self._kubeconfig(folder / "kubeconfig", pod, ways.api))
            place = Place(free_ports(), ways.upstream, file, self.lameduck)
            corefile = corefile_of(self._cluster, pod)
            private_files.write(Path(place.hosts), HOSTS)
            path = self._write(key, place, corefile)
            command = server_command.command(pod, path, place.ports, coredns)
            if restarts and self.log_file(key).exists():
                self.log_file(key).replace(folder / PREVIOUS)
            process = await self._processes.start(command, folder)
            self.running[key] = Running(
                key, address, place, process.pid, corefile, is_minidns=coredns is None
            )
            sockets = sockets_of(address, place.ports)
            self._plane.real |= sockets
            self.on_start((address, DNS_PORT))
            try:
                yield process
            finally:
                self.running.pop(key, None)
                await self._processes.terminate(process, self.stop_s)
                # not earlier: clients with stale endpoints reach the pod until its end
                for socket_, real in sockets.items():
                    if self._plane.real.get(socket_) == real:
                        del self._plane.real[socket_]

    async def _probe(self, key: Key, process: Process) -> bool:
        """Probe until the process ends; return whether it ever was ready."""
        ready = was_ready = False
        where = (HOST, self.running[key].place.ports.ready)
        while process.returncode is None:
            if process.pid not in self._stopped:
                unready = self.is_unready(self.running[key].address)
                is_ready = not unready and await _is_ready(where)
                is_ready = ready if process.pid in self._stopped else is_ready
                was_ready |= is_ready
                if is_ready != ready:
                    ready = is_ready
                    self._set_ready(key, ready=ready)
            with contextlib.suppress(TimeoutError):
                period = PROBE_S if ready else STARTING_S
                await asyncio.wait_for(process.wait(), period)
        return was_ready

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
    names = {_name(image) for image in server_command.images(pod)}
    has_image = not names.isdisjoint(IMAGES)
    return has_image and not is_program(pod) and bool(dig(pod, "status.podIP"))


def _name(image: str) -> str:
    """Return the last path segment of an image, without tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _is_coredns(pod: Json) -> bool:
    """Return whether a pod stands for CoreDNS: kube-dns selects it."""
    return labels_of(pod).get("k8s-app") == "kube-dns"


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
