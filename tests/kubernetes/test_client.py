"""Sockets to the API server, and why there is none, in words."""

import socket
import ssl

import aiohttp
import pytest

from minidns.kubernetes import client
from minidns.kubernetes.client import reason
from tests.kubernetes.served import Served, connections_of, serving, until
from tests.table import table

REFUSED = ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")


@table(
    ("error", "text"),
    [
        pytest.param(
            aiohttp.ClientConnectorError(None, REFUSED),  # type: ignore[arg-type]
            "Connection refused",
            id="refused",
        ),
        pytest.param(aiohttp.ServerDisconnectedError(), "Server disconnected", id="cut"),
        pytest.param(ssl.SSLError(1, "[SSL] bad\nalert"), "[SSL] bad\\nalert", id="tls"),
        pytest.param(TimeoutError(), "TimeoutError", id="without-a-text"),
    ],
)
def test_reasons(error: Exception, text: str) -> None:
    assert text in reason(error)
    assert reason(error).isprintable()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_f3_a_dead_peer_is_noticed_by_the_kernel_within_30_s() -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    with client.tcp_socket(address) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, count, user_ms = (
            sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name, _ in client.KEEPALIVE
        )
        assert idle + interval * count <= 30
        assert user_ms == 30_000


async def get(served: Served, path: str = "/version") -> None:
    response = await served.connection.get(path, timed=True)
    await response.read()


async def test_what_is_sent() -> None:
    async with serving() as served:
        await get(served)
        headers = next(iter(served.server.requests)).headers
        assert headers["Accept"] == "application/json"
        assert headers["Accept-Encoding"] == "identity"
        assert headers["User-Agent"].startswith("minidns/")


async def test_connections_are_used_again() -> None:
    async with serving() as served:
        for _ in range(5):
            await get(served)
        assert connections_of(served.server) == 1


async def test_close_leaves_nothing_open() -> None:
    async with serving() as served:
        await get(served)
        await served.connection.close()
        await until(lambda: connections_of(served.server) == 0)


async def test_a_loopback_server_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving() as served:
        await get(served)
        assert len(served.server.requests) == 1
