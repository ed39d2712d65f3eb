"""Programs in containers of pods, over a WebSocket of the API server.

``exec`` starts a command; ``attach`` joins the program that the container was started
with. Each binary frame begins with a byte that names its channel (v4.channel.k8s.io): 0
for standard input, 1 for standard output, 2 for standard error, 3 for the final Status.
"""

from collections.abc import AsyncIterator, Iterable
from urllib.parse import urlencode

from aiohttp import ClientWebSocketResponse, WSMsgType

from minidns.kubernetes import decode
from minidns.kubernetes.resources import ApiError

_STDIN, _STDOUT, _ERROR = b"\x00", b"\x01", b"\x03"


def exec_path(pod: str, container: str, command: Iterable[str]) -> str:
    """Return path and query that run ``command`` in a container of the pod ``pod``."""
    words = [("command", word) for word in command]
    query = [("container", container), ("stdout", "true"), *words]
    return f"{pod}/exec?{urlencode(query)}"


def attach_path(pod: str, container: str) -> str:
    """Return path and query of the standard streams of a container of ``pod``."""
    query = {"container": container, "stdin": "true", "stdout": "true"}
    return f"{pod}/attach?{urlencode(query)}"


class RemoteProcess:
    """The standard streams of a program in a container."""

    def __init__(self, socket: ClientWebSocketResponse, pod: str) -> None:
        self._socket = socket
        self._pod = pod

    async def write(self, data: bytes) -> None:
        """Send ``data`` to its standard input.

        Raises:
            OSError: the connection is broken.

        """
        await self._socket.send_bytes(_STDIN + data)

    async def output(self) -> AsyncIterator[bytes]:
        """Yield its standard output in pieces, until it ends.

        Raises:
            ApiError: it failed, or could not be started.

        """
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY:
                continue
            channel, data = message.data[:1], message.data[1:]
            if channel == _STDOUT:
                yield data
            elif channel == _ERROR and (failure := decode.status(data)).message:
                # the Status of a success has no message
                raise ApiError(f"{self._pod}: {decode.printable(failure.message)}")

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield its standard output line by line, without the ends of lines.

        Raises:
            ApiError: it failed, or could not be started.

        """
        rest = b""
        async for piece in self.output():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line
        if rest:
            yield rest
