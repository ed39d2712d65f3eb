import socket

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Opt, Response
from minidns.plugins import nsid
from tests.table import table
from tests.world import World, always, chain, plugin, query

ASKS = Opt(1232, options=((3, b""), (10, b"cookie!!")))

DATA = {
    "name-of-the-host": ("nsid", socket.gethostname().encode()),
    "word": ("nsid ns1", b"ns1"),
    "words": ("nsid I am ns1", b"I am ns1"),
}


@table(("body", "data"), DATA.values(), ids=DATA)
async def test_data(body: str, data: bytes) -> None:
    tested, _ = plugin(World(), nsid.PLUGIN.set_up, "nsid", body)
    response = await chain(tested, last=always(Response()))(query("a", opt=ASKS))
    assert response.opt == Opt(1232, options=((3, data),))


OPTS = {
    "do-is-kept": (ASKS._replace(do=True), None, Opt(1232, do=True, options=((3, b"ns1"),))),
    "beside-an-upstream's": (
        ASKS,
        Opt(4096, options=((15, b"\0\3"),)),
        Opt(4096, options=((15, b"\0\3"), (3, b"ns1"))),
    ),
    "instead-of-an-upstream's": (ASKS, Opt(4096, options=((3, b"theirs"),)), Opt(4096, options=((3, b"ns1"),))),
    "not-asked-for": (Opt(1232), None, None),
    "no-edns": (None, None, None),
}


@table(("sent", "given", "replied"), OPTS.values(), ids=OPTS)
async def test_opt(sent: Opt | None, given: Opt | None, replied: Opt | None) -> None:
    tested, _ = plugin(World(), nsid.PLUGIN.set_up, "nsid", "nsid ns1")
    last = always(Response(opt=given))
    response = await chain(tested, last=last)(query("a", opt=sent))
    assert response.opt == replied


def test_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), nsid.PLUGIN.set_up, "nsid", "nsid\nnsid")
    assert str(caught.value) == "this plugin can only be used once per Server Block"
