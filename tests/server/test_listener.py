"""The sockets of a listener: one port for UDP and TCP."""

import errno
import socket
from collections.abc import Callable

import pytest

from minidns.metrics.registry import Metrics
from minidns.server import udp
from minidns.server.instance import Listener
from minidns.server.listener import ListenerSockets

Bound = Callable[..., socket.socket]


def refuses_tcp(times: int, tried: list[int]) -> Bound:
    """Return what binds sockets, but not the first ``times`` TCP sockets; it notes their ports."""
    bound: Bound = udp.bound

    def bind(kind: int, host: str, port: int, **options: bool) -> socket.socket:
        if kind == socket.SOCK_STREAM:
            tried.append(port)
            if len(tried) <= times:
                raise OSError(errno.EADDRINUSE, "in use")
        return bound(kind, host, port, **options)

    return bind


@pytest.mark.parametrize(
    ("port", "refused", "attempts"),
    [
        pytest.param(0, 3, 4, id="another port is tried if the kernel chooses"),
        pytest.param(0, 99, 20, id="not without end"),
        pytest.param(1, 99, 1, id="a given port is not left"),
    ],
)
async def test_a_port_is_free_for_udp_and_tcp(
    port: int, refused: int, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = port and _free_port()
    tried: list[int] = []
    monkeypatch.setattr(udp, "bound", refuses_tcp(refused, tried))
    sockets = ListenerSockets(Listener("dns", "127.0.0.1", given), Metrics(), lambda: 0.0, lambda: None)
    if refused < attempts:
        await sockets.open(None)
        assert sockets.port == tried[-1]
    else:
        with pytest.raises(OSError, match=str(tried[-1] if tried else given)):
            await sockets.open(None)
    await sockets.close(0.0)
    assert len(tried) == attempts
    assert not given or tried == [given]


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
