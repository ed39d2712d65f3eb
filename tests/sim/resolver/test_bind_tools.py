from dataclasses import replace
from random import Random

from minidns.dns.rdata import A
from sim.resolver.bind_tools import BindTools
from tests.stub.script import Does, Play
from tests.table import table

CLUSTER = "nameserver 192.0.2.1\nsearch a.example b.example\noptions ndots:2\n"


@table(
    ("answers", "name", "names"),
    [
        ({}, "web", ["web.a.example.", "web.b.example.", "web."]),
        ({}, "a.b.c", ["a.b.c.", "a.b.c.a.example.", "a.b.c.b.example."]),
        ({"web.a.example.": "NODATA"}, "web", ["web.a.example."]),
        ({"web.a.example.": "SERVFAIL"}, "web", ["web.a.example."]),
        ({}, "web.", ["web."]),
        ({}, "a..b", []),
    ],
)
def test_names(answers: dict[str, Does], name: str, names: list[str]) -> None:
    play = Play(answers)
    play.run(BindTools(CLUSTER, Random(1)), name, (A,))
    assert [line.split()[2] for line in play.log] == names


def test_a_named_server_replaces_those_of_the_file() -> None:
    play = Play({})
    play.run(BindTools(CLUSTER, Random(1), "192.0.2.9", change=lambda s: replace(s, transport="tcp")), "web.", (A,))
    assert [(send.server, send.transport) for send in play.sent] == [("192.0.2.9", "tcp")]
