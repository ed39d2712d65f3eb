"""A command in a container of a pod, over a WebSocket of the API server.

Each binary frame begins with a byte that names its channel (v4.channel.k8s.io): 0 for
standard input, 1 for standard output, 2 for standard error, 3 for the final Status.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

from aiohttp import ClientWebSocketResponse, WSMsgType

from minidns.kubernetes import decode
from minidns.kubernetes.resources import ApiError

_STDOUT, _ERROR = b"\x01", b"\x03"


def exec_path(pod: str, container: str, command: Iterable[str]) -> str:
    """Return path and query that run ``command`` in a container of the pod ``pod``."""
    words = [("command", word) for word in command]
    query = [("container", container), ("stdout", "true"), *words]
    return f"{pod}/exec?{urlencode(query)}"


async def read_output(socket: ClientWebSocketResponse, pod: str) -> bytes:
    """Return the standard output of the command, when it has ended.

    Raises:
        ApiError: the command failed, or could not be started.

    """
    output = b""
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            continue
        channel, data = message.data[:1], message.data[1:]
        if channel == _STDOUT:
            output += data
        elif channel == _ERROR and (failure := decode.status(data)).message:
            # the Status of a success has no message
            raise ApiError(f"{pod}: {decode.printable(failure.message)}")
    return output
