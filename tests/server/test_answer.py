import logging

import pytest

from minidns.dns.model import DnsError, Handler, Query, Rcode, Response
from minidns.plugins.chain import refuse, route
from minidns.server.answer import Answerer
from tests.world import always, query


def failing(error: Exception) -> Handler:
    async def handler(_: Query) -> Response:
        raise error

    return handler


OUTCOMES = {
    # id: what answers, rcode of the reply, whether nobody took the query, panics
    "answered": (always(Response(Rcode.NXDOMAIN)), Rcode.NXDOMAIN, False, 0),
    "failed": (failing(DnsError("i/o timeout")), Rcode.SERVFAIL, False, 0),
    "refused-by-a-plugin": (failing(DnsError(rcode=Rcode.REFUSED)), 5, False, 0),
    "block-without-plugins": (refuse, Rcode.REFUSED, True, 0),
    "no-such-block": (route({"example.net.": always(Response())}, any_class=False), Rcode.REFUSED, True, 0),
    "unexpected": (failing(RuntimeError("bug")), Rcode.SERVFAIL, True, 1),
}


@pytest.mark.parametrize(("top", "rcode", "is_unserved", "panics"), OUTCOMES.values(), ids=OUTCOMES)
async def test_replies_and_who_hears_of_them(
    caplog: pytest.LogCaptureFixture, top: Handler, rcode: int, is_unserved: bool, panics: int
) -> None:
    panicked: list[None] = []
    unserved: list[tuple[Query, Response]] = []
    answerer = Answerer(
        "dns://:53", top, lambda: panicked.append(None), lambda asked, response: unserved.append((asked, response))
    )
    asked = query("a.example.org")
    response = await answerer.respond(asked)
    assert response.rcode == rcode
    assert unserved == ([(asked, response)] if is_unserved else [])
    assert len(panicked) == panics
    logged = [record.levelno for record in caplog.records]
    assert logged == [logging.ERROR] * panics
