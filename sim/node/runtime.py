"""The container runtime of the node: pods with the image minidns are real processes.

Each runs ``minidns -conf FILE`` with a Corefile and a kubeconfig of its own, is probed
at /ready as its Deployment's readiness probe would, and makes its Pod Ready or not.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import minidns
from minidns.dns.model import Address
from minidns.http import endpoint
from minidns.kubernetes.decode import printable

from ..api import private_files
from ..api.objects import Json, Key, annotations_of, dig, key_of
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change
from ..controllers.pods import READY
from . import confinement, kube_system
from .confinement import Forbidden
from .kind_corefile import HOST, Place, Ports
from .network import DataPlane

log = logging.getLogger(__name__)

PROBE_S = 1.0
"""Seconds between probes of a pod that is ready; one that starts is probed faster."""
STARTING_S = 0.02
PROBE_TIMEOUT_S = 1.0
RESTART_S = 1.0
WORKING = "empty"
"""Folder that processes run in: relative paths of a Corefile find nothing there."""
HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
"""Text of a pod's /etc/hosts."""
_PR_SET_PDEATHSIG = 1
_PASSED_ON = re.compile(
    r"PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|VIRTUAL_ENV|LD_LIBRARY_PATH|PYTHON\w+"
)
ENVIRON = {
    **{name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
    "PYTHONPATH": str(Path(minidns.__file__).parents[1]),
    "NO_PROXY": HOST,
    "no_proxy": HOST,
}
"""Environment of the processes.

A Corefile can read variables and put them into answers, so they get none that can be
secret; whatever proxy there is, loopback is not behind it.
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A pod that is a process."""

    pod: Key
    address: str
    """The pod's, in the cluster."""
    place: Place
    pid: int
    corefile: str
    """What its ConfigMap says; its file is what ``place`` makes of that."""


class Runtime:
    """Starts, probes and stops processes as Pods come and go."""

    def __init__(
        self, cluster: ClusterApi, plane: DataPlane, folder: Path, upstream: Address
    ) -> None:
        """Take the cluster to follow and a folder for files, which is emptied.

        ``upstream`` is what the node's resolv.conf really stands for.
        """
        self.running: dict[Key, Running] = {}
        self.stop_s = 5.0
        """Seconds a process gets to end before it is killed."""
        self.lameduck = "0s"
        """What processes started later wait at their end; less than ``stop_s``."""
        self._cluster = cluster
        self._plane = plane
        self._folder = folder.absolute()
        self._upstream = upstream
        self._kubeconfig: Callable[[Path, Json], Path] = lambda path, pod: path
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def following(
        self, kubeconfig: Callable[[Path, Json], Path]
    ) -> AsyncIterator["Runtime"]:
        """Run the pods there are and those to come, until the end of the block.

        ``kubeconfig`` writes a pod's kubeconfig file to a path. All processes have
        ended when this returns.
        """
        self._kubeconfig = kubeconfig
        shutil.rmtree(self._folder, ignore_errors=True)  # of an earlier run
        for pod in self._cluster.list("Pod"):
            self._start(pod)
        end = self._cluster.subscribe(self._follow)
        try:
            yield self
        finally:
            end()
            await _cancelled(self._tasks.values())
            await asyncio.gather(*self._ending, return_exceptions=True)

    def folder(self, key: Key) -> Path:
        """Return where the files of a pod are: Corefile, kubeconfig, log."""
        return self._folder / f"{key[0]}_{key[1]}"

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
        """Write what ConfigMaps say now, as the kubelet does with mounted ones."""
        for key, running in self.running.items():
            try:
                corefile = corefile_of(self._cluster, self._cluster.get("Pod", *key))
                if corefile != running.corefile:
                    self._write(key, running.place, corefile)
                    self.running[key] = replace(running, corefile=corefile)
            except (ApiError, LookupError):
                pass  # the old file stays
            except Forbidden as error:
                self._report(key, f"its Corefile stays as it was: {error}")

    def _write(self, key: Key, place: Place, corefile: str) -> Path:
        """Write a Corefile, all at once; return where it is.

        Raises:
            Forbidden: it would reach out of the simulation.

        """
        adapted = place.adapted(corefile)
        confinement.check(adapted, place, ENVIRON)
        return private_files.write(self.folder(key) / "Corefile", adapted)

    def _report(self, key: Key, text: str) -> None:
        """Log what is wrong with a pod, in its own log file too."""
        log.warning("pod %s/%s: %s", *key, printable(text))
        with (self.folder(key) / "log").open("a") as file:
            file.write(f"[ERROR] {printable(text)}\n")

    def _start(self, pod: Json) -> None:
        key = key_of(pod)
        if key in self._tasks or not is_process(pod):
            return
        if READY not in annotations_of(pod):
            # it will be probed: until then it is not ready (kubelet prober)
            self._set_ready(key, ready=False)
        task = asyncio.get_running_loop().create_task(self._supervise(key))
        task.add_done_callback(_told)
        self._tasks[key] = task

    async def _supervise(self, key: Key) -> None:
        """Keep a process for the pod, and the pod's readiness equal to its own."""
        self._set_ready(key, ready=False)  # until it says so
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
    async def _process(self, key: Key) -> AsyncIterator[asyncio.subprocess.Process]:
        pod = self._cluster.get("Pod", *key)
        folder = self.folder(key)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WORKING).mkdir(exist_ok=True)
        file = str(self._kubeconfig(folder / "kubeconfig", pod))
        place = Place(_free_ports(), self._upstream, file, self.lameduck)
        corefile = corefile_of(self._cluster, pod)
        private_files.write(Path(place.hosts), HOSTS)
        path = self._write(key, place, corefile)
        process = await _spawn(path, place.ports, folder / "log")
        address = dig(pod, "status.podIP")
        self.running[key] = Running(key, address, place, process.pid, corefile)
        sockets = _sockets(address, place.ports)
        self._plane.real |= sockets
        try:
            yield process
        finally:
            self.running.pop(key, None)
            await _ended(process, self.stop_s)
            # only now: who has not heard that the pod goes still gets there
            for socket_, real in sockets.items():
                if self._plane.real.get(socket_) == real:
                    del self._plane.real[socket_]

    async def _probe(self, key: Key, process: asyncio.subprocess.Process) -> None:
        """Probe until the process ends."""
        ready = False
        where = (HOST, self.running[key].place.ports.ready)
        while process.returncode is None:
            is_ready = await _is_ready(where)
            if is_ready != ready:
                ready = is_ready
                self._set_ready(key, ready=ready)
            with contextlib.suppress(TimeoutError):
                period = PROBE_S if ready else STARTING_S
                await asyncio.wait_for(process.wait(), period)

    def _set_ready(self, key: Key, *, ready: bool) -> None:
        # the annotation that tells the pod controller what the kubelet would have found
        patch = {"metadata": {"annotations": {READY: str(ready).lower()}}}
        with contextlib.suppress(ApiError):  # the pod may have gone meanwhile
            self._cluster.patch("Pod", *key, patch)


def corefile_of(cluster: ClusterApi, pod: Json) -> str:
    """Return the Corefile in the first ConfigMap that ``pod`` mounts.

    Raises:
        LookupError: it mounts none that has one.

    """
    for volume in dig(pod, "spec.volumes") or ():
        name = dig(volume, "configMap.name")
        found = cluster.find("ConfigMap", key_of(pod)[0], name) if name else None
        if found is not None and "Corefile" in (found.get("data") or {}):
            return str(found["data"]["Corefile"])
    raise LookupError(f"pod {key_of(pod)[1]} mounts no ConfigMap with a Corefile")


def is_process(pod: Json) -> bool:
    """Return whether ``pod`` is a server, and has an address to be one at."""
    containers = dig(pod, "spec.containers") or ()
    images = (_name(c.get("image") or "") for c in containers)
    has_image = kube_system.IMAGE in images
    return has_image and bool(dig(pod, "status.podIP"))


def _name(image: str) -> str:
    """Return the last part of an image's name, without tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _sockets(address: str, ports: Ports) -> dict[tuple[Address, str], Address]:
    return {
        ((address, 53), "UDP"): (HOST, ports.dns),
        ((address, 53), "TCP"): (HOST, ports.dns),
        ((address, 9153), "TCP"): (HOST, ports.metrics),
    }


def _free_ports() -> Ports:
    """Return ports that nobody has now, for UDP and TCP."""
    # limit: another program may take one before minidns does; then it ends, says so in
    # its log, and is started again with others
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


async def _spawn(corefile: Path, ports: Ports, log: Path) -> asyncio.subprocess.Process:
    """Start a server; it ends with this process, whatever ends this process."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "minidns", "-conf", str(corefile)),
            *("-explain", f"{HOST}:{ports.explain}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=ENVIRON,
            cwd=corefile.parent / WORKING,
            start_new_session=True,  # Ctrl-C is for us; we end it in order
            preexec_fn=_die_with_parent,
        )


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent is gone, however it went."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _ended(process: asyncio.subprocess.Process, stop_s: float) -> None:
    """End a process, kindly first."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), stop_s)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _is_ready(where: Address) -> bool:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await endpoint.get(where, "/ready") == 200
    except (OSError, ValueError):
        return False


def _told(task: asyncio.Task[None]) -> None:
    """Let no failure of ours pass in silence."""
    if not task.cancelled() and (error := task.exception()):
        log.error("the runtime failed: %r", error)


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End tasks and wait until they have."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
