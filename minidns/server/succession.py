"""The two sides of a handover: who serves, and who takes over (``-handover SOCKET``).

Who serves waits at a Unix socket. Who starts asks there for the sockets that queries
come to, and gets them as file descriptors. When it answers, it says so; until then, and
if it dies, nothing has changed for who serves.

Each message is a packet (SOCK_SEQPACKET): "sockets"; for each socket a JSON object with
the descriptor beside it; "end"; and "taken".
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from minidns.server.instance import Listener
from minidns.server.listener import Bound

ASK, END, TAKEN = b"sockets", b"end", b"taken"
_MOST = 1024
"""Bytes of a message."""
PATIENCE_S = 5.0
"""For an answer of the other process, which has nothing to wait for."""
LOOK_EVERY_S = 0.05
SAY_EVERY_S = 10.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)

Shares: TypeAlias = Sequence[Sequence[Bound]]
"""The sockets of a listener; see ``Listening``."""

log = logging.getLogger("minidns")


class _Sent(NamedTuple):
    """What is said of a socket that is handed over."""

    listener: Listener
    share: int
    host: str


class Predecessor:
    """The process that serves now, as its successor sees it."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.pid = pid
        self._sock = sock

    @classmethod
    async def at(cls, path: str) -> "Predecessor | None":
        """Return the process that waits at ``path``, if there is one.

        Raises:
            OSError: it belongs to somebody else, or cannot be reached.

        """
        sock = _packets()
        try:
            await asyncio.get_running_loop().sock_connect(sock, path)
            return cls(sock, _trusted(sock))
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return None
        except BaseException:
            sock.close()
            raise

    async def wait(self, is_ready: Callable[[], bool]) -> bool:
        """Return whether we are ready while it still serves: at once, or in the end."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_readable(self._sock))
        since = said = loop.time()
        try:
            while not is_ready() and not gone.done():
                await asyncio.wait((gone,), timeout=LOOK_EVERY_S)
                if loop.time() - said >= SAY_EVERY_S:
                    said = loop.time()
                    text = "Not ready for %.0f s; process %d goes on meanwhile"
                    log.info(text, said - since, self.pid)
            return not gone.done()
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)

    async def sockets(self) -> dict[Listener, list[list[Bound]]]:
        """Return its sockets; from now on both may read them.

        Raises:
            ConnectionError: it has ended.
            OSError: it does not give them.

        """
        given: dict[Listener, list[list[Bound]]] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.get_running_loop().sock_sendall(self._sock, ASK)
                while (sent := await self._next()) is not None:
                    (listener, share, host), sock = sent
                    shares = given.setdefault(listener, [])
                    shares.extend([] for _ in range(share + 1 - len(shares)))
                    shares[share].append(Bound(host, sock))
        except BaseException:
            close(given)
            raise
        return given

    async def _next(self) -> tuple[_Sent, socket.socket] | None:
        await _readable(self._sock)
        said, descriptors, _, _ = socket.recv_fds(
            self._sock, _MOST, 1, socket.MSG_CMSG_CLOEXEC
        )
        if said == END:
            return None
        if not said:
            raise ConnectionResetError(f"process {self.pid} has ended")
        if not descriptors:
            raise OSError(f"process {self.pid} gives no sockets")
        sock = socket.socket(fileno=descriptors[0])
        try:
            return msgspec.json.decode(said, type=_Sent), sock
        except msgspec.DecodeError as error:
            sock.close()
            text = f"process {self.pid} says something else: {error}"
            raise OSError(text) from error

    async def relieve(self) -> None:
        """Tell it that we answer."""
        with contextlib.suppress(OSError):  # it has ended: all the same to us
            await asyncio.get_running_loop().sock_sendall(self._sock, TAKEN)

    def close(self) -> None:
        """Say nothing more; without ``relieve`` it goes on."""
        self._sock.close()


class Successors:
    """Where the next process asks."""

    def __init__(
        self,
        path: str,
        shares: Callable[[], Mapping[Listener, Shares]],
        relieved: Callable[[int], None],
    ) -> None:
        self._path = path
        self._shares = shares
        self._relieved = relieved
        self._sock: socket.socket | None = None
        self._inode = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Wait at the path, in place of whoever did before.

        Raises:
            OSError: that is not possible.

        """
        self._sock = sock = _packets()
        beside = f"{self._path}.{os.getpid()}"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            sock.bind(beside)
            os.chmod(beside, 0o600)
            sock.listen()
            self._inode = os.stat(beside).st_ino
            os.replace(beside, self._path)
        except OSError:
            sock.close()
            raise
        self._task = asyncio.create_task(self._serve(sock))

    async def close(self) -> None:
        """Wait no more."""
        if self._task is None or self._sock is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._sock.close()
        with contextlib.suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:  # nobody else's by now
                os.unlink(self._path)

    async def _serve(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asking, _ = await loop.sock_accept(sock)
            with asking:
                try:
                    pid = _trusted(asking)
                    if await self._converse(asking):
                        self._relieved(pid)
                        return
                except OSError as error:
                    log.warning("No handover: %s", error)

    async def _converse(self, asking: socket.socket) -> bool:
        """Give what is asked for; return whether that was taken."""
        loop = asyncio.get_running_loop()
        while said := await loop.sock_recv(asking, _MOST):
            if said == TAKEN:
                return True
            if said == ASK:
                async with asyncio.timeout(PATIENCE_S):
                    await self._give(asking)
        return False

    async def _give(self, asking: socket.socket) -> None:
        for listener, shares in self._shares().items():
            for share, bounds in enumerate(shares):
                for bound in bounds:
                    said = msgspec.json.encode(_Sent(listener, share, bound.host))
                    await _writable(asking)
                    socket.send_fds(asking, [said], [bound.sock.fileno()])
        await asyncio.get_running_loop().sock_sendall(asking, END)


def close(given: Mapping[Listener, Shares]) -> None:
    """Close sockets that nobody wants."""
    for shares in given.values():
        for bounds in shares:
            for bound in bounds:
                bound.sock.close()


def _packets() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.setblocking(False)
    return sock


def _trusted(sock: socket.socket) -> int:
    """Return the process at the other end.

    Raises:
        OSError: it belongs to another user.

    """
    said = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(said)
    if uid not in (0, os.geteuid()):
        raise PermissionError(f"process {pid} belongs to user {uid}")
    return int(pid)


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _signal(sock, loop.add_reader, loop.remove_reader)


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await _signal(sock, loop.add_writer, loop.remove_writer)


async def _signal(
    sock: socket.socket,
    add: Callable[[int, Callable[[], object]], object],
    remove: Callable[[int], object],
) -> None:
    """Wait until something can be done with ``sock``."""
    number = sock.fileno()
    done = asyncio.Event()
    add(number, done.set)
    try:
        await done.wait()
    finally:
        remove(number)
