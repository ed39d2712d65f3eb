"""A DNS client of the tests' own: one socket, one deadline, dnspython's messages."""

import asyncio
import contextlib
import socket

import dns.message

DEADLINE_S = 60.0


async def udp(port: int, wire: bytes, *, host: str = "127.0.0.1", deadline_s: float = DEADLINE_S) -> bytes:
    """Return the reply to one datagram; TimeoutError when there is none."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (host, port))
        await loop.sock_sendall(sock, wire)
        async with asyncio.timeout(deadline_s):
            return await loop.sock_recv(sock, 65535)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next message of a stream; EOFError at its end."""
    async with asyncio.timeout(DEADLINE_S):
        size = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(size)


async def tcp(port: int, *wires: bytes, host: str = "127.0.0.1") -> list[bytes]:
    """Return the replies to messages sent at once on one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"".join(len(w).to_bytes(2) + w for w in wires))
    try:
        return [await read_frame(reader) for _ in wires]
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(port: int, name: str, qtype: str = "A", **edns: int) -> dns.message.Message:
    """Return the answer to a question asked by UDP."""
    message = dns.message.make_query(name, qtype, **edns)  # type: ignore[arg-type]
    reply = dns.message.from_wire(await udp(port, message.to_wire()), one_rr_per_rrset=True)
    assert reply.id == message.id
    return reply
