"""The external resolver: it has an address for nearly every name.

Names below ``alias.example.org`` are aliases; those below ``nowhere.example.org`` do
not exist; those below ``nodata.example.org`` have no records. The addresses of names
below ``short.example.org`` expire after 5 s, which is the least that *cache* allows.
Run as a process (``python -m bench.upstream PORT``), on the generators' core.
"""

import asyncio
import contextlib
import socket
import struct
import sys
import threading

A, AAAA = 1, 28
_RECORD = struct.Struct("!HHHIH")
_ADDRESS = {A: bytes((192, 0, 2, 1)), AAAA: bytes.fromhex("20010db8") + bytes(12)}
TTL, SHORT_TTL = 300, 5
_ALIASES, _NOWHERE = b"\x05alias\x07example", b"\x07nowhere\x07example"
_NO_DATA, _SHORT = b"\x06nodata\x07example", b"\x05short\x07example"
_TARGET = b"\3cdn\x07example\3net\0"
_SOA = (
    b"\x02ns\x07example\x03org\0\x04root\x07example\x03org\0"  # mname, rname
    + struct.pack("!5I", 1, 7200, 1800, 86400, 300)
)


def reply(wire: bytes) -> bytes:
    """Return the answer to a query: an address, or a denial."""
    end = wire.index(0, 12) + 5
    (qtype,) = struct.unpack_from("!H", wire, end - 4)
    question, data = wire[12:end], _ADDRESS.get(qtype)
    if data is None or _NOWHERE in question or _NO_DATA in question:
        flags = 0x8180 if _NO_DATA in question else 0x8183
        head = wire[:2] + struct.pack("!5H", flags, 1, 0, 1, 0)
        soa = struct.pack("!BHHIH", 0, 6, 1, TTL, len(_SOA)) + _SOA
        return head + question + soa
    alias, owner = b"", 0xC00C
    if _ALIASES in question:
        alias = _RECORD.pack(owner, 5, 1, TTL, len(_TARGET)) + _TARGET
        owner = 0xC000 | end + _RECORD.size
    head = wire[:2] + struct.pack("!5H", 0x8180, 1, 2 if alias else 1, 0, 0)
    ttl = SHORT_TTL if _SHORT in question else TTL
    return (
        head + question + alias + _RECORD.pack(owner, qtype, 1, ttl, len(data)) + data
    )


async def _connected(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer on a connection until the client ends it."""
    with contextlib.suppress(EOFError, OSError):
        while size := int.from_bytes(await reader.readexactly(2)):
            answer = reply(await reader.readexactly(size))
            writer.write(len(answer).to_bytes(2) + answer)
    writer.close()


async def _listen(port: int) -> None:
    server = await asyncio.start_server(_connected, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Answer until killed."""
    port = int(sys.argv[1])
    # queries by TCP are forwarded by TCP
    threading.Thread(target=asyncio.run, args=(_listen(port),), daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", port))
        while True:
            wire, peer = sock.recvfrom(4096)
            if len(wire) > 16 and not wire[2] & 0x80:
                sock.sendto(reply(wire), peer)


if __name__ == "__main__":
    main()
