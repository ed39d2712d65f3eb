import asyncio

import pytest

from minidns.http.endpoint import get, split
from tests.table import table

GOOD = {
    "every-address": (":8080", ("", "8080")),
    "ipv4": ("127.0.0.1:9153", ("127.0.0.1", "9153")),
    "ipv6-in-brackets": ("[::1]:9153", ("::1", "9153")),
    "scope": ("[fe80::1%eth0]:1", ("fe80::1%eth0", "1")),
    "name": ("localhost:9153", ("localhost", "9153")),
    "no-port-after-colon": ("localhost:", ("localhost", "")),
}
BAD = {
    "a-port-alone": ("8080", "address 8080: missing port in address"),
    "empty": ("", "address : missing port in address"),
    "brackets-alone": ("[::1]", "address [::1]: missing port in address"),
    "open-bracket": ("[::1:9153", "address [::1:9153: missing ']' in address"),
    "bare-ipv6": ("::1:9153", "address ::1:9153: too many colons in address"),
    "stray-bracket": ("a]:1", "address a]:1: unexpected ']' in address"),
}


@table(("text", "parts"), GOOD.values(), ids=GOOD)
def test_split(text: str, parts: tuple[str, str]) -> None:
    assert split(text) == parts


@table(("text", "message"), BAD.values(), ids=BAD)
def test_split_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        split(text)
    assert str(caught.value) == message


async def answering(reply: bytes) -> tuple[asyncio.Server, tuple[str, int]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[:2]


@pytest.mark.parametrize("status", [200, 503])
async def test_get_gives_the_status(status: int) -> None:
    server, to = await answering(b"HTTP/1.1 %d Whatever\r\n\r\nbody" % status)
    async with server:
        assert await get(to, "/health") == status


@table("reply", [b"", b"SSH-2.0-x y\r\n", b"HTTP/1.1 OK\r\n"])
async def test_get_from_something_else(reply: bytes) -> None:
    server, to = await answering(reply)
    async with server:
        with pytest.raises(ValueError, match=r"malformed|not enough|invalid literal"):
            await get(to, "/health")


async def test_get_from_nobody() -> None:
    server, to = await answering(b"")
    server.close()
    await server.wait_closed()
    with pytest.raises(OSError, match="Connect call failed"):
        await get(to, "/health")
