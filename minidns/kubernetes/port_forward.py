"""A port of a pod, over a WebSocket of the API server.

Of the two channels (v4.channel.k8s.io), 0 carries the bytes of the connection, 1 the
reason why there is none. The first frame of each has the number of the port in two
octets (Kubernetes, staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward).
"""

from collections.abc import AsyncIterator

from aiohttp import ClientWebSocketResponse, WSMsgType

from minidns.kubernetes import decode
from minidns.kubernetes.resources import ApiError

_DATA, _ERROR = b"\x00", b"\x01"


def port_forward_path(pod: str, port: int) -> str:
    """Return path and query of the connection to a TCP port of the pod at ``pod``."""
    return f"{pod}/portforward?ports={port}"


class ForwardedPort:
    """A connection to a TCP port of a pod."""

    def __init__(self, socket: ClientWebSocketResponse, pod: str) -> None:
        self._socket = socket
        self._pod = pod
        self._begun: set[bytes] = set()

    async def write(self, data: bytes) -> None:
        """Send ``data``.

        Raises:
            OSError: the connection is broken.

        """
        await self._socket.send_bytes(_DATA + data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what comes in, in pieces, until the connection ends.

        Raises:
            ApiError: the kubelet cannot connect to the port.

        """
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY:
                continue
            channel, data = message.data[:1], message.data[1:]
            if channel not in self._begun:
                self._begun.add(channel)  # its first frame has the port
                data = data[2:]
            if channel == _ERROR and data:
                text = decode.printable(data.decode("utf-8", "replace").strip())
                raise ApiError(f"{self._pod}: {text}")
            if channel == _DATA and data:
                yield data
