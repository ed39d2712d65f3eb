"""What is fuzzed: each target takes any bytes at all and may not fail.

A target that returns has found its input good or refused it in the way it is meant to;
anything else it raises is a fault.
"""

import asyncio
import json
from pathlib import Path
from typing import Literal

from minidns.corefile import blocks
from minidns.dns.model import Dropped, FormatError, Opt, Question, Rcode, Response, RRset
from minidns.dns.rdata import a, soa, to_lines
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import decode_query, encode_query, encode_response, error_reply
from minidns.kubernetes import decode
from minidns.kubernetes.resources import NAMESPACES, PODS, SERVICES, SLICES, ApiError, Gone
from minidns.plugins import ORDER
from minidns.server.instance import Instance
from minidns.upstream.acceptance import SentQuery, response_of, scrubbed
from tests.fuzz.mutate import Target
from tests.survival.datagrams import rows
from tests.world import FilesInMemory, World

ANSWER = Response(
    answer=(RRset("web.example.org.", 1, 30, (a("192.0.2.1"), a("192.0.2.2"))),),
    authority=(RRset("example.org.", 6, 30, (soa("a.", "b.example.org.", 1, 2, 3, 4, 5),)),),
)
ASKED = Question("web.example.org.", 1)
REAL = Path(__file__).parent.parent / "corefiles"


def query(data: bytes) -> None:
    """Read a client's query, and answer or refuse it."""
    transports: tuple[Literal["udp"], Literal["tcp"]] = ("udp", "tcp")
    for transport in transports:
        try:
            read = decode_query(data, transport)
        except Dropped:
            assert len(data) < 12 or data[2] & 0x80
        except FormatError as exc:
            reply = error_reply(data, exc.rcode, exc.record, exc.question)
            assert len(reply) <= len(data)
        else:
            for response in (Response(Rcode.NXDOMAIN), ANSWER):
                reply = encode_response(read, response)
                assert len(reply) <= read.max_size
                assert reply[:2] == data[:2]


def queries() -> list[bytes]:
    """Return the hostile datagrams."""
    return [row.wire for row in rows() if len(row.wire) < 2000]


def reply(data: bytes) -> None:
    """Read an upstream's reply, and pass on what is to be passed on."""
    accepted = SentQuery(ASKED, data[:2] + encode_query(ASKED, 0)[2:], limit=4096).accept(data)
    try:
        read = decode_reply(data)
    except FormatError:
        return
    for each in (read, accepted):
        if not isinstance(each, Reply):
            continue
        own = scrubbed(ASKED, each)
        response = response_of(own, None)
        asking = decode_query(encode_query(ASKED, 7, opt=Opt(1232)))
        assert len(encode_response(asking, response)) <= 1232
        for rrset in (*response.answer, *response.authority, *response.additional):
            to_lines(rrset)


def replies() -> list[bytes]:
    """Return replies with and without compression, EDNS and records of many types."""
    asked = [
        decode_query(encode_query(ASKED, 7, opt=opt), "tcp")
        for opt in (None, Opt(1232), Opt(1232, True, ((10, bytes(8)),)))
    ]
    many = tuple(
        RRset(f"n{n}.example.org.", rtype, 30, (data,))
        for n, (rtype, data) in enumerate(
            [
                (5, b"\3www\7example\3org\0"),
                (15, b"\0\1\4mail\7example\3org\0"),
                (16, b"\3abc\0"),
                (28, bytes(16)),
                (33, b"\0\0\0\1\0\x50\3web\7example\3org\0"),
                (35, b"\0\1\0\1\1s\0\0\1x\0"),
                (46, bytes(18) + b"\7example\3org\0sig"),
                (65, b"\0\1\0\0\1\0\3\2h2"),
            ]
        )
    )
    responses = (ANSWER, Response(answer=many), Response(Rcode.NXDOMAIN))
    return [encode_response(each, response) for each in asked for response in responses]


def configuration(data: bytes) -> None:
    """Read a Corefile and set its plugins up, as far as there is nothing wrong."""
    text = data.decode("utf-8", "replace")
    files = FilesInMemory({"/etc/resolv.conf": "nameserver 192.0.2.1\n", "x": "log\n"})
    found = blocks.problems(text, files=files, environ={"X": "{$X}", "PORT": "53"}, known=ORDER)
    for problem in found:
        assert 0 <= problem.line <= text.count("\n") + 1
        assert str(problem)
    if not found:
        asyncio.run(_set_up(text, files))


async def _set_up(text: str, files: FilesInMemory) -> None:
    world = World(files=files.texts)
    parsed = blocks.parse(text, files=files, environ={"X": "{$X}", "PORT": "53"}, known=ORDER)

    async def reload() -> None: ...

    try:
        loaded = Instance(
            parsed,
            world.edges,
            world.metrics,
            read=lambda: parsed,
            reload=reload,
            fatal=lambda text: None,
            forget=lambda keys: None,
        )
    except (blocks.ConfigError, OSError):
        return
    await loaded.stop()


def configurations() -> list[bytes]:
    """Return the real and the broken Corefiles."""
    return [path.read_bytes() for path in sorted(REAL.glob("*/*.Corefile"))]


def watch(data: bytes) -> None:
    """Read a line of a watch, or the page of a list."""
    for resource in (SERVICES, SLICES, NAMESPACES, PODS):
        try:
            read = decode.event(resource, data)
            assert read.obj is None or read.key is not None
        except (ApiError, Gone) as exc:
            assert str(exc).isprintable()  # noqa: PT017  # there is no test here
        try:
            page = decode.listing(resource, data)
        except ApiError:
            continue
        for each in page.items or ():
            decode.item(resource, each)


def watches() -> list[bytes]:
    """Return events of all kinds, an error and a list."""
    from tests.conformance.cases import objects

    trees = objects()
    lines: list[object] = [
        {"type": verb, "object": tree} for verb, tree in zip(("ADDED", "MODIFIED", "DELETED") * 40, trees, strict=False)
    ]
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    mark = {"kind": "Service", "metadata": {"resourceVersion": "7"}}
    lines += [
        {"type": "ERROR", "object": status},
        {"type": "BOOKMARK", "object": mark},
        {"kind": "ServiceList", "metadata": {"resourceVersion": "7"}, "items": trees[:3]},
    ]
    return [json.dumps(line).encode() for line in lines]


TARGETS = {
    "query": Target(query, queries),
    "reply": Target(reply, replies),
    "corefile": Target(configuration, configurations),
    "watch": Target(watch, watches),
}
