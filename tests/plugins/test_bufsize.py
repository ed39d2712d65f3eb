import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Opt, Query, Response, RRset
from minidns.dns.rdata import TXT, txt
from minidns.dns.wire import encode_response
from minidns.plugins import bufsize
from tests.table import table
from tests.world import World, chain, plugin, query

LARGE = RRset("a.", TXT, 0, tuple(txt("x" * 200) for _ in range(20)))


async def seen(body: str, sent: Query) -> tuple[Query, Response]:
    """Return the query as it is below *bufsize*, and the response above it."""
    received: list[Query] = []

    async def last(below: Query) -> Response:
        received.append(below)
        return Response(answer=(LARGE,))

    tested, _ = plugin(World(), bufsize.PLUGIN.set_up, "bufsize", body)
    response = await chain(tested, last=last)(sent)
    return received[0], response


SIZES = {
    # id: directive, size that is offered, size that is seen below
    "default-is-1232": ("bufsize", 4096, 1232),
    "never-raised": ("bufsize", 1000, 1000),
    "equal": ("bufsize 1232", 1232, 1232),
    "least": ("bufsize 512", 4096, 512),
    "most": ("bufsize 4096", 65535, 4096),
}


@table(("body", "offered", "size"), SIZES.values(), ids=SIZES)
async def test_sizes(body: str, offered: int, size: int) -> None:
    sent = query("a", opt=Opt(offered, do=True, options=((3, b""),)))
    below, response = await seen(body, sent)
    assert below.opt == Opt(size, do=True, options=((3, b""),))
    assert below.max_size == size
    reply = encode_response(sent, response)
    assert len(reply) <= size
    assert reply[2] & 2, "TC"


async def test_without_edns_nothing_changes() -> None:
    sent = query("a")
    below, response = await seen("bufsize", sent)
    assert below is sent
    assert response.max_size == 65535


async def test_tcp_replies_may_be_of_any_size() -> None:
    sent = query("a", opt=Opt(4096), transport="tcp")
    below, response = await seen("bufsize", sent)
    assert below.opt == Opt(1232)
    assert below.max_size == 65535
    assert len(encode_response(sent, response)) > 4000


async def test_the_client_is_told_the_size() -> None:
    sent = query("a", opt=Opt(4096))
    _, response = await seen("bufsize", sent)
    assert encode_response(sent, response).endswith(
        b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # the OPT, 1232 bytes
    )


REFUSED = {
    "too-small": ("bufsize 511", "511"),
    "too-large": ("bufsize 4097", "4097"),
    "no-number": ("bufsize x", "x"),
    "two-numbers": ("bufsize 512 1024", "1024"),
}


@table(("line", "word"), REFUSED.values(), ids=REFUSED)
def test_refused(line: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), bufsize.PLUGIN.set_up, "bufsize", line)
    assert str(caught.value) == (
        "plugin/bufsize: Corefile:2 - Error during parsing: Wrong argument count or"
        f" unexpected line ending after '{word}'"
    )
