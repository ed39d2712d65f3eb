import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minidns.dns.model import Address
from minidns.http.endpoint import HttpHandler, HttpReply
from minidns.http.listener import ListeningSockets
from minidns.http.server import MAX_CONNECTIONS, MAX_HEAD, HttpEndpoints
from tests.table import table

AT = "127.0.0.1:0"
PATIENCE_S = 10.0


def saying(body: bytes, content_type: str = "text/plain") -> HttpHandler:
    return lambda query, headers: HttpReply(body, content_type=content_type)


def echo(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
    return HttpReply(f"{query['name']} {headers['accept']}".encode())


async def later(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
    await asyncio.sleep(0)
    return HttpReply(b"at last")


def failing(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
    raise RuntimeError("no such thing")


@contextlib.asynccontextmanager
async def serving(endpoints: HttpEndpoints) -> AsyncIterator[Address]:
    await endpoints.open()
    try:
        yield endpoints.bound(AT)
    finally:
        await endpoints.close()


async def ask(to: Address, raw: bytes) -> bytes:
    """Send ``raw`` and return everything that comes until the other side closes."""
    reader, writer = await asyncio.open_connection(*to)
    try:
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                writer.write(raw)
                await writer.drain()
            try:
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


async def request(to: Address, path: str, method: str = "GET", headers: str = "Host: x\r\n") -> tuple[int, str, bytes]:
    """Return status, header lines in lower case, and body."""
    raw = f"{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
    head, _, body = (await ask(to, raw.encode())).partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


def offering(*paths: tuple[str, HttpHandler], timeout_s: float = PATIENCE_S) -> HttpEndpoints:
    endpoints = HttpEndpoints(timeout_s)
    for path, handler in paths:
        endpoints.add(AT, path, handler)
    return endpoints


REQUESTS = {
    # id: method, path, headers, status, body
    "get": ("GET", "/health", "", 200, b"OK"),
    "head-has-no-body": ("HEAD", "/health", "", 200, b""),
    "any-method-as-in-coredns": ("POST", "/health", "", 200, b"OK"),
    "empty-body-is-no-body": ("PUT", "/health", "Content-Length: 0\r\n", 200, b"OK"),
    "other-path": ("GET", "/", "", 404, b"404 page not found\n"),
    "below-the-path": ("GET", "/health/x", "", 404, b"404 page not found\n"),
    "traversal": ("GET", "/../../etc/passwd", "", 404, b"404 page not found\n"),
    "encoded": ("GET", "/%2e%2e/health", "", 404, b"404 page not found\n"),
    "nul": ("GET", "/health%00", "", 404, b"404 page not found\n"),
    "trace": ("TRACE", "/health", "", 405, b"405 method not allowed\n"),
    "put": ("PUT", "/health", "Content-Length: 1000000000\r\n", 413, b"413 a body is of no use here\n"),
    "chunked": ("POST", "/health", "Transfer-Encoding: chunked\r\n", 413, b"413 a body is of no use here\n"),
    "query-and-headers": ("GET", "/echo?name=a%20b", "Accept: text/x\r\n", 200, b"a b text/x"),
    "awaited": ("GET", "/later", "", 200, b"at last"),
    "failing": ("GET", "/failing", "", 500, b"500 internal server error\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "headers", "status", "body"), REQUESTS.values(), ids=REQUESTS)
async def test_replies(method: str, path: str, headers: str, status: int, body: bytes) -> None:
    endpoints = offering(("/health", saying(b"OK")), ("/echo", echo), ("/later", later), ("/failing", failing))
    async with serving(endpoints) as to:
        got = await request(to, path, method, "Host: x\r\n" + headers)
    assert (got[0], got[2]) == (status, body)


async def test_failure_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(offering(("/failing", failing))) as to:
        _, _, body = await request(to, "/failing")
    assert b"RuntimeError" not in body
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_addresses_are_shared_and_the_last_of_a_path_answers() -> None:
    endpoints = offering(("/a", saying(b"1")), ("/b", saying(b"2")))
    close = endpoints.add(AT, "/a", saying(b"3"))
    async with serving(endpoints) as to:
        assert [(await request(to, each))[2] for each in ("/a", "/b")] == [b"3", b"2"]
        await close()
        assert (await request(to, "/a"))[2] == b"1"


async def test_address_closes_with_its_last_endpoint() -> None:
    endpoints = HttpEndpoints()
    close = endpoints.add(AT, "/ready", saying(b"OK"))
    async with serving(endpoints) as to:
        await close()
        await close()
        with pytest.raises(ConnectionRefusedError):
            await request(to, "/ready")


async def test_endpoint_closed_before_it_opens_is_not_served() -> None:
    endpoints = HttpEndpoints()
    await endpoints.add(AT, "/ready", saying(b"OK"))()
    await endpoints.open()
    with pytest.raises(AssertionError):
        endpoints.bound(AT)


async def test_connections_are_kept_and_requests_pipelined() -> None:
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serving(offering(("/health", saying(b"OK")))) as to:
        assert (await ask(to, one * 2 + last)).count(b"200 OK") == 3


async def test_two_instances_share_an_address_during_a_reload() -> None:
    sockets = ListeningSockets()
    old, new = HttpEndpoints(sockets=sockets), HttpEndpoints(sockets=sockets)
    old.add(AT, "/health", saying(b"OK"))
    await old.open()
    host, port = old.bound(AT)
    new.add(f"{host}:{port}", "/health", saying(b"OK"))
    try:
        await new.open()
        await old.close()
        assert (await request((host, port), "/health"))[0] == 200
    finally:
        await new.close()


# what a client may cost

HEADS = {
    "one-header-of-1MB": b"GET /health HTTP/1.1\r\nX: " + b"x" * (1 << 20),
    "10000-headers": b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n",
    "path-of-1MB": b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
    "not-HTTP": b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "no-end": b"GET /health HTTP/1.1\r\nX: ",
    "nothing": b"",
}


@table("raw", HEADS.values(), ids=HEADS)
async def test_bad_heads_end_in_400_or_a_close(raw: bytes) -> None:
    endpoints = offering(("/health", saying(b"OK")), timeout_s=0.2)
    async with serving(endpoints) as to:
        reply = await ask(to, raw)
        assert not reply or reply.startswith(b"HTTP/1.0 400 ")
        assert raw[-20:] not in reply or not raw
        assert (await request(to, "/health"))[0] == 200


async def test_slow_drip_ends() -> None:
    async with serving(offering(("/health", saying(b"OK")), timeout_s=0.2)) as to:
        reader, writer = await asyncio.open_connection(*to)
        ended = asyncio.ensure_future(reader.read())
        writer.write(b"GET /health HTTP/1.1\r\nX: ")
        async with asyncio.timeout(PATIENCE_S):
            while not ended.done():
                with contextlib.suppress(ConnectionError):
                    writer.write(b"G")
                    await writer.drain()
                await asyncio.wait((ended,), timeout=0.02)
        writer.close()
        assert ended.exception() or ended.result() == b""


async def test_endless_body_is_not_taken() -> None:
    head = b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    async with serving(offering(("/health", saying(b"OK")))) as to:
        reader, writer = await asyncio.open_connection(*to)
        writer.write(head)
        sent = 0
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(chunk)
                    await writer.drain()
                    sent += len(chunk)
                    await asyncio.sleep(0)
        writer.close()
    assert sent < 64 << 20  # what the kernel's buffers took before the close
    assert sent > MAX_HEAD


@pytest.mark.slow
async def test_newest_connection_is_served_whoever_is_idle() -> None:
    async with serving(offering(("/health", saying(b"OK")))) as to:
        idle = [await asyncio.open_connection(*to) for _ in range(MAX_CONNECTIONS + 10)]
        assert (await request(to, "/health"))[0] == 200
        async with asyncio.timeout(PATIENCE_S):
            assert await idle[0][0].read() == b""  # the oldest made room
        for _, writer in idle:
            writer.close()


async def test_client_that_does_not_read_is_hung_up_on() -> None:
    endpoints = offering(("/big", saying(b"x" * (64 << 20))), timeout_s=0.2)
    async with serving(endpoints) as to:
        reader, writer = await asyncio.open_connection(*to, limit=1024)
        writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            while not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.write(b"x")  # finds out once the other side is gone
                    await writer.drain()
                await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        assert reader.at_eof() or reader.exception() is not None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200).map(lambda each: b"GET /health " + each + b"\n"))
async def test_any_bytes_end_in_a_reply_or_a_close(raw: bytes) -> None:
    async with serving(offering(("/health", saying(b"OK")), timeout_s=0.05)) as to:
        reply = await ask(to, raw)
        assert not reply or reply.startswith(b"HTTP/1.")


# the local page

PAGE = {
    # id: host header, method, status
    "localhost": ("localhost:8053", "GET", 200),
    "in-capitals": ("LOCALHOST", "GET", 200),
    "ipv4": ("127.0.0.1:8053", "GET", 200),
    "ipv6": ("[::1]:8053", "GET", 200),
    "rebinding": ("evil.example", "GET", 421),
    "empty": ("", "GET", 421),
    "cross-site-post": ("localhost", "POST", 405),
}


@table(("host", "method", "status"), PAGE.values(), ids=PAGE)
async def test_page_is_shown_under_its_own_names(host: str, method: str, status: int) -> None:
    endpoints = offering(("/health", saying(b"OK")))
    names = ("localhost", "127.0.0.1", "::1")
    endpoints.add(AT, "/why", saying(b"<p>", "text/html; charset=utf-8"), names)
    async with serving(endpoints) as to:
        got, head, _ = await request(to, "/why", method, f"Host: {host}\r\n")
        assert got == status
        if status == 200:
            assert "content-security-policy: default-src 'self'\r\n" in head
            assert "x-frame-options: deny\r\n" in head
        elsewhere = await request(to, "/health", method, f"Host: {host}\r\n")
        assert elsewhere[0] == 200


# addresses


async def test_one_address_that_cannot_be_had_leaves_none_open() -> None:
    endpoints = offering(("/health", saying(b"OK")))
    endpoints.add("192.0.2.1:8080", "/metrics", saying(b""))
    with pytest.raises(OSError, match="listen tcp"):
        await endpoints.open()
    with pytest.raises(AssertionError):
        endpoints.bound(AT)


async def test_no_host_is_every_address() -> None:
    endpoints = HttpEndpoints()
    endpoints.add(":0", "/health", saying(b"OK"))
    await endpoints.open()
    try:
        _, port = endpoints.bound(":0")
        assert (await request(("127.0.0.1", port), "/health"))[0] == 200
        if socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):  # IPv6 may be turned off
                assert (await request(("::1", port), "/health"))[0] == 200
    finally:
        await endpoints.close()


@pytest.mark.slow
@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_while_it_closes_is_not_left_waiting(turns: int) -> None:
    endpoints = offering(("/health", saying(b"OK")))
    await endpoints.open()
    with socket.socket() as sock:
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(endpoints.bound(AT))
        for _ in range(turns):  # not accepted, about to be, or accepted
            await asyncio.sleep(0)
        await endpoints.close()
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                got = await asyncio.get_running_loop().sock_recv(sock, 100)
                assert got == b""


async def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    endpoints = offering(("/health", saying(b"OK")))
    await endpoints.open()
    reader, writer = await asyncio.open_connection(*endpoints.bound(AT))
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\nOK")
    async with asyncio.timeout(PATIENCE_S / 2):
        await endpoints.close()
        assert await reader.read() == b""
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("turns", range(6))
async def test_who_has_just_come_is_answered_at_the_end(turns: int) -> None:
    endpoints = offering(("/health", saying(b"OK")))
    await endpoints.open()
    asking = asyncio.ensure_future(request(endpoints.bound(AT), "/health"))
    for _ in range(turns):
        await asyncio.sleep(0)
    with socket.create_connection(endpoints.bound(AT)):  # and one that never asks
        await endpoints.close()
    if turns:  # before that there was no connection
        assert (await asking)[0] == 200
    else:
        with pytest.raises(ConnectionError):
            await asking
