from random import Random

from minidns.dns import wire
from minidns.dns.model import AD, RD
from minidns.stub.protocol import Status
from sim.resolver.busybox import BusyboxNslookup
from tests.stub.script import Play
from tests.table import table

CLUSTER = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch a.example b.example\noptions ndots:5\n"


@table(
    ("search", "name", "names"),
    [
        (True, "web", ["web.a.example.", "web.b.example."] * 2),
        (True, "web.shop", ["web.shop."] * 2),
        (False, "web", ["web."] * 2),
    ],
)
def test_all_queries_at_once(search: bool, name: str, names: list[str]) -> None:
    play = Play({})
    nslookup = BusyboxNslookup(CLUSTER, Random(1), search=search)
    outcome = play.run(nslookup, name)
    assert [line.split()[2] for line in play.log] == names
    assert {(send.server, send.source) for send in play.sent} == {("192.0.2.1", play.sent[0].source)}
    assert play.now == 0
    assert outcome.status is Status.NXDOMAIN


def test_a_partial_answer_keeps_the_other_server_out() -> None:
    play = Play({"192.0.2.1 A": "OK", "192.0.2.1 AAAA": "", "192.0.2.2": "OK"})
    outcome = play.run(BusyboxNslookup(CLUSTER, Random(1)), "web.shop")
    assert outcome.addresses == ("192.0.2.7",)
    assert play.now == 5
    assert {send.server for send in play.sent} == {"192.0.2.1"}


def test_silence_leads_to_the_next_server() -> None:
    play = Play({"192.0.2.1": ""})
    play.run(BusyboxNslookup(CLUSTER, Random(1)), "web.shop")
    assert [line[:13] for line in play.log[::2]] == ["0 192.0.2.1 w", "2.5 192.0.2.1", "5 192.0.2.2 w"]


def test_servfail_is_sent_again_twice_for_each_query() -> None:
    play = Play({"192.0.2.1": "SERVFAIL"})
    play.run(BusyboxNslookup(CLUSTER, Random(1)), "web.shop")
    assert len(play.sent) == 2 + 2 * 2


def test_a_search_domain_that_makes_no_name_spoils_the_lookup() -> None:
    play = Play({"192.0.2.1": "OK", "192.0.2.2": "OK"})
    text = CLUSTER.replace("b.example", ".")
    outcome = play.run(BusyboxNslookup(text, Random(1)), "web")
    assert [line.split()[1:3] for line in play.log] == [
        ["192.0.2.1", "web.a.example."],
        ["192.0.2.2", "web.a.example."],
    ]
    assert (outcome.status, play.now) == (Status.SILENT, 0)


def test_header_is_that_of_res_mkquery_in_musl() -> None:
    play = Play({})
    play.run(BusyboxNslookup(CLUSTER, Random(1)), "web.shop")
    query = wire.decode_query(play.sent[0].wire)
    assert (query.flags, query.opt) == (RD | AD, None)
