"""Upstreams that lie, break off or keep silent: every row over real sockets.

A bad reply does not win over the good one that follows it. What the client gets when
none follows is in ``test_forward_malformed``.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rrset
import pytest

from tests.plugins.forwarding import forwarding
from tests.server.resolvers import Call, Resolver, good
from tests.table import table
from tests.world import query, texts

NAME = "www.example.org."
NAME_WIRE = b"\3www\7example\3org\0"
GOOD = [f"{NAME} 300 A 192.0.2.1"]
LATER_S = 0.05
SOON_S = 1.0
"""Seconds that a good answer 50 ms after the bad one may take on a busy machine."""


def message(call: Call) -> bytearray:
    return bytearray(good(call.wire))


def another_id(call: Call) -> bytes:
    out = message(call)
    out[:2] = (call.id ^ 1).to_bytes(2)
    return bytes(out)


def of(name: str, rtype: str = "A", rclass: str = "IN") -> Callable[[Call], bytes]:
    def make(call: Call) -> bytes:
        sent = dns.message.make_query(name, rtype, rclass)
        sent.id = call.id
        out = dns.message.make_response(sent)
        out.answer.append(dns.rrset.from_text(NAME, 300, rclass, "TXT", "forged"))
        return out.to_wire()

    return make


def without_qr(call: Call) -> bytes:
    out = message(call)
    out[2] &= 0x7F
    return bytes(out)


def without_question(call: Call) -> bytes:
    record = NAME_WIRE + struct.pack("!HHIH", 1, 1, 300, 4)
    head = struct.pack("!6H", call.id, 0x8180, 0, 1, 0, 0)
    return head + record + b"\xc0\0\2\x66"


def length(claimed: int) -> Callable[[Call], bytes]:
    def make(call: Call) -> bytes:
        out = message(call)
        out[-6:-4] = claimed.to_bytes(2)
        return bytes(out)

    return make


def pointer(target: int) -> Callable[[Call], bytes]:
    """Give the answer's owner as a pointer; it stands at byte 33."""

    def make(call: Call) -> bytes:
        out = message(call)
        assert out[33] == 0xC0
        out[33:35] = (0xC000 | target).to_bytes(2)
        return bytes(out)

    return make


BAD = {
    "another-id": another_id,
    "another-question": of("www.example.net."),
    "another-type": of(NAME, "TXT"),
    "another-class": of(NAME, "A", "CH"),
    "no-QR": without_qr,
    "forty-ff": lambda call: b"\xff" * 40,
    "two-bytes": lambda call: call.wire[:2],
    "nothing": lambda call: b"",
    "header-only": lambda call: good(call.wire)[:12],
    "cut-short": lambda call: good(call.wire)[:-2],
    "no-question": without_question,
    "pointer-to-itself": pointer(33),
    "pointer-forward": pointer(40),
    "pointer-past-the-end": pointer(0x3FFF),
    "length-too-long": length(5),
    "length-too-short": length(3),
    "length-0": length(0),
}


@table("bad", BAD.values(), ids=BAD)
@table("transport", ["udp", "tcp"])
async def test_a_bad_reply_is_dropped_and_the_good_one_awaited(bad: Callable[[Call], bytes], transport: str) -> None:
    async def bad_then_good(call: Call) -> None:
        call.send(bad(call))
        await asyncio.sleep(LATER_S)
        call.send(good(call.wire))

    async with Resolver(bad_then_good, bad_then_good) as resolver, forwarding(f"forward . {resolver}") as forward:
        began = time.monotonic()
        response = await forward.ask(query(NAME, transport=transport))
        assert texts(response.answer) == GOOD
        assert LATER_S * 0.9 < time.monotonic() - began < SOON_S
        assert len(resolver.asked) == 1
        assert (
            forward.metrics.value(
                "coredns_proxy_request_duration_seconds",
                {"proxy_name": "forward", "to": str(resolver), "rcode": "NOERROR"},
            )
            == 1
        )


@pytest.mark.parametrize(("row", "host"), [("another-port", "127.0.0.1"), ("another-address", "127.0.0.2")])
async def test_a_reply_from_elsewhere_is_none(row: str, host: str) -> None:
    async def forged_then_good(call: Call) -> None:
        forged = good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            port = 0 if host == "127.0.0.1" else call.local[1]
            sock.bind((host, port))
            sock.sendto(forged, call.peer)
        await asyncio.sleep(LATER_S)
        call.send(good(call.wire))

    async with Resolver(forged_then_good) as resolver, forwarding(f"forward . {resolver}") as forward:
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
