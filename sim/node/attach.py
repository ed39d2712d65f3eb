"""Commands, logs and ports of pods, as a kubelet serves them to the API server."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from minidns.dns.model import Address

from ..api.kubelet_paths import LogOptions, Streams
from ..api.objects import Key
from ..api.status import bad_request, failure
from . import commands
from .container import Container
from .fork_server import PREVIOUS

_POLL_S = 0.2
"""Seconds between two looks at a log that is followed."""
_CHUNK = 1 << 16


class NodeKubelet:
    """Runs the commands of simulated pods, and reads the logs of real processes.

    ``container`` returns the container of a pod; it raises ApiError if there is no such
    pod and LookupError if the pod does not run. ``log_file`` returns the path of a
    pod's log, which need not exist; ``attach`` joins the program of a pod; ``real_of``
    returns the loopback address of a socket of a pod, or None.
    """

    def __init__(
        self,
        container: Callable[[str, str], Container],
        log_file: Callable[[Key], Path],
        attach: Callable[[Key, Streams], Awaitable[int]],
        real_of: Callable[[Address, str], Address | None],
    ) -> None:
        self._container = container
        self._attach = attach
        self._log_file = log_file
        self._real_of = real_of

    async def execute(self, pod: Key, command: Sequence[str], streams: Streams) -> int:
        """Run a command in a pod; return its exit status.

        Raises:
            ApiError: the pod is not running (400), or has no such program (500).

        """
        try:
            container = self._container(*pod)
        except LookupError as error:
            raise bad_request(str(error)) from error

        async def write(text: str) -> None:
            await streams.write(text.encode())

        if not commands.is_known(command[0]):
            raise failure(500, _no_program(command[0]))
        return await commands.run_to(container, list(command), write)

    async def attach(self, pod: Key, streams: Streams) -> int:
        """Join the program of a pod until it ends; return its exit status.

        Raises:
            ApiError: the pod has no program with a standard input (400).

        """
        return await self._attach(pod, streams)

    async def connect(
        self, pod: Key, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a TCP port of a pod.

        Raises:
            OSError: nothing listens there.

        """
        try:
            address = self._container(*pod).address
        except LookupError:
            address = ""
        real = self._real_of((address, port), "TCP")
        if real is None:
            number = errno.ECONNREFUSED
            raise ConnectionRefusedError(number, os.strerror(number))
        return await asyncio.open_connection(*real)

    async def log(self, pod: Key, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield the log of a pod, and what is added to it while it is followed."""
        path = self._log_file(pod)
        if options.previous:
            path = path.with_name(PREVIOUS)
            if not path.exists():
                raise bad_request(
                    f'previous terminated container in pod "{pod[1]}" not found'
                )
        data = path.read_bytes() if path.exists() else b""
        at, file_id = len(data), _id(path)
        yield _tail(data, options.tail_lines)
        while options.follow:
            await asyncio.sleep(_POLL_S)
            if _id(path) != file_id:  # the container has ended
                return
            with path.open("rb") as file:
                file.seek(at)
                while data := file.read(_CHUNK):
                    at += len(data)
                    yield data


def _id(path: Path) -> int:
    """Return what tells files of the same path apart; 0 if there is none."""
    return path.stat().st_ino if path.exists() else 0


def _tail(data: bytes, lines: int | None) -> bytes:
    if lines is None:
        return data
    return b"".join(data.splitlines(keepends=True)[-lines:]) if lines else b""


def _no_program(name: str) -> str:
    return (
        "Internal error occurred: error executing command in container: failed to exec"
        f' in container: exec: "{name}": executable file not found in $PATH (there are:'
        f" {', '.join(sorted(commands.COMMANDS))})"
    )
