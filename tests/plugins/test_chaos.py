import socket

import pytest

from minidns import __version__
from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Query, Response
from minidns.plugins import chaos
from tests.table import table
from tests.world import World, always, chain, plugin, query, texts

BELOW = Response()
OWN = f"minidns-{__version__}"
LONG = "x" * 300


async def answer(body: str, name: str) -> Response:
    tested, _ = plugin(World(), chaos.PLUGIN.set_up, "chaos", body)
    return await chain(tested, last=always(BELOW))(query(name, "TXT", qclass=3))


ANSWERS = {
    "version.bind": ("chaos", "version.bind", [OWN]),
    "version.server": ("chaos", "version.server", [OWN]),
    "own-version": ("chaos CoreDNS-001", "VERSION.bind", ["CoreDNS-001"]),
    "version-with-blanks": ('chaos "very new"', "version.bind", ["very new"]),
    "version-is-cut": (f"chaos {LONG}", "version.bind", ["x" * 255]),
    "hostname.bind": ("chaos", "hostname.bind", [socket.gethostname()]),
    "id.server": ("chaos", "id.server", [socket.gethostname()]),
    "authors": ("chaos v b a b", "authors.bind", ["a", "b"]),
    "authors-default": ("chaos", "authors.bind", ["The minidns authors"]),
    "authors-with-version-only": ("chaos v", "authors.bind", ["The minidns authors"]),
}


@table(("body", "name", "strings"), ANSWERS.values(), ids=ANSWERS)
async def test_answers(body: str, name: str, strings: list[str]) -> None:
    response = await answer(body, name)
    (rrset,) = response.answer
    assert (rrset.rclass, rrset.ttl) == (3, 0)
    assert texts(response.answer) == [f'{name}. 0 TXT "{string}"' for string in strings]
    assert not response.aa


async def test_no_author_is_always_first() -> None:
    tested, _ = plugin(World(), chaos.PLUGIN.set_up, "chaos", "chaos v a b c")
    handler = chain(tested, last=always(BELOW))
    sent = query("authors.bind", "TXT", qclass=3)
    replies = [await handler(sent) for _ in range(50)]
    assert len({reply.answer[0].rdata[0] for reply in replies}) == 3


PASSED = {
    "other-name": query("foo.bind", "TXT", qclass=3),
    "other-type": query("version.bind", "A", qclass=3),
    "other-class": query("version.bind", "TXT"),
}


@table("sent", PASSED.values(), ids=PASSED)
async def test_others_pass_on(sent: Query) -> None:
    tested, _ = plugin(World(), chaos.PLUGIN.set_up, "chaos", "chaos")
    assert await chain(tested, last=always(BELOW))(sent) is BELOW


def test_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), chaos.PLUGIN.set_up, "chaos", "chaos {\nfoo\n}")
    message = "Corefile:3 - Error during parsing: unknown property 'foo'"
    assert str(caught.value) == message
