"""Faults of links and servers: their words, what they affect, how often."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import Question
from minidns.dns.rdata import A
from sim.node.effects import EFFECTS
from sim.node.fault_words import parse
from sim.node.faults import HOP_S, REORDER_S, TCP_TIMEOUT_S, Fault, Faults, Packet, Place, Served
from tests.table import table

APP = Place(frozenset(("app", "default/app", "pods")), "node-1")
SERVER = Place(frozenset(("kube-dns", "dns", "10.244.0.2")), "node-2")
NEIGHBOR = Place(frozenset(("dns", "kube-dns-2")), "node-1")
WORLD = Place(frozenset(("outside",)))
QUERY = Packet(APP, SERVER, "udp", 60)
REPLY = Packet(SERVER, APP, "udp", 700)
UPSTREAM = Packet(SERVER, WORLD, "udp", 60)
LONG = "9" * 5000
"""A number with more digits than Python reads."""
NUMBERS = (
    "lose {}/1 link app>node",
    "lose 1/{} link app>node",
    "lose {}% link app>node",
    "lose 0.{}% link app>node",
    "delay {}ms link app>node",
    "delay 1s±{}s link app>node",
    "lose link app>node size>{}",
    "lose link app>node seed {}",
    "deny {}s at kube-dns",
)


def fault(text: str) -> Fault:
    return parse(text.split())


@table(
    ("text", "packet", "affected"),
    [
        pytest.param("lose link app>node", QUERY, True, id="pod to node"),
        pytest.param("lose link app>node", REPLY, False, id="one direction"),
        pytest.param("lose link app<>node", REPLY, True, id="both directions"),
        pytest.param("lose link pods>node-1", QUERY, True, id="a node by name"),
        pytest.param("lose link pods>node-2", QUERY, False, id="another node"),
        pytest.param("lose link node>dns", QUERY, True, id="node to DNS pod"),
        pytest.param("lose link node>kube-dns", QUERY, True, id="by Service"),
        pytest.param("lose link node-1>node-2", QUERY, True, id="node to node"),
        pytest.param(
            "lose link node>node", Packet(APP, NEIGHBOR, "udp", 60), False, id="one node has no link to itself"
        ),
        pytest.param("lose link dns>outside", UPSTREAM, True, id="DNS pod to upstream"),
        pytest.param("lose link outside>dns", UPSTREAM, False, id="from the upstream"),
        pytest.param("lose link app>kube-dns", QUERY, True, id="whole path"),
        pytest.param("lose link app>node udp", QUERY, True, id="udp"),
        pytest.param("lose link app>node tcp", QUERY, False, id="not tcp"),
        pytest.param("lose link dns>node size>512", REPLY, True, id="large"),
        pytest.param("lose link node>dns size>60", QUERY, False, id="not larger"),
        pytest.param("lose link node>dns size<61", QUERY, True, id="small"),
        pytest.param("lose link node>dns size<60", QUERY, False, id="not smaller"),
        pytest.param("lose link dns>node size>600 size<700", REPLY, False, id="a range"),
    ],
)
def test_fault_affects_the_packets_of_its_link(text: str, packet: Packet, affected: bool) -> None:
    assert fault(text).affects(packet) == affected


@table(
    ("text", "word"),
    [
        ("lose", "lose"),
        ("lose 1/10", "lose"),
        ("lose 2/1 link app>node", "2/1"),
        ("lose 1/0 link app>node", "1/0"),
        ("lose 101% link app>node", "101%"),
        ("lose often link app>node", "often"),
        ("lose 1/2 1/2 link app>node", "1/2"),
        ("lose link", "link"),
        ("lose link app", "app"),
        ("lose link app<node", "app<node"),
        ("lose link app>", "app>"),
        ("lose link app>node icmp", "icmp"),
        ("lose link app>node udp tcp", "tcp"),
        ("lose link app>node size>", "size>"),
        ("lose link app>node size>1 size>2", "size>2"),
        ("lose link app>node seed", "seed"),
        ("lose link app>node seed x", "x"),
        ("lose link app>node seed 1 seed 2", "seed"),
        ("lose link app>node at kube-dns", "at"),
        ("lose at", "at"),
        ("delay link app>node", "link"),
        ("delay", "delay"),
        ("delay 20 link app>node", "20"),
        ("delay 20ms±x link app>node", "20ms±x"),
        ("delay -1ms link app>node", "-1ms"),
        ("servfail 1/2 link app>node", "link"),
        ("stop link app>node", "link"),
        ("duplicate at kube-dns", "at"),
        ("", "a fault is missing"),
        ("explode at kube-dns", "explode"),
        ("partition 3/2 link app>node", "3/2"),
        ("intercept link app>node", "by"),
        ("intercept link app>node to kube-dns", "to"),
        ("intercept link app>node by", "by"),
        ("intercept link app>node by kube-dns cache", "cache"),
        ("intercept link app>node by kube-dns cache 5", "5"),
        ("intercept at kube-dns", "at"),
        ("answer at kube-dns", "at"),
        ("answer", "answer"),
        ("answer NOPE at kube-dns", "NOPE"),
        ("deny at kube-dns", "at"),
        ("deny 5s±1s at kube-dns", "5s±1s"),
        ("servfail at kube-dns second", "second"),
        ("servfail at kube-dns name", "name"),
        ("servfail at kube-dns name a name b", "name"),
        ("servfail at kube-dns type BOGUS", "BOGUS"),
        ("lose link app>node name example.org", "name"),
        ("lose link app>node second second", "second"),
        ("crash at kube-dns udp", "udp"),
        ("unready 1/2 at kube-dns", "1/2"),
        ("miss at kube-dns type A", "type"),
        ("partition at kube-dns", "at"),
        *(pytest.param(text.format(LONG), LONG, id=text) for text in NUMBERS),
    ],
)
def test_wrong_missing_and_surplus_words_are_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)) as error:
        fault(text)
    assert "sys." not in str(error.value)


WORD = st.sampled_from(
    [
        "at",
        "link",
        "kube-dns",
        "app>node",
        "1/2",
        "2s",
        "REFUSED",
        "by",
        "cache",
        "udp",
        "size>1",
        "name",
        "type",
        "A",
        "seed",
        "7",
    ]
)


@given(st.sampled_from(list(EFFECTS)), st.text() | st.lists(WORD).map(" ".join))
def test_any_text_is_a_fault_or_an_error_with_a_message(effect: str, text: str) -> None:
    message = "parsed"
    try:
        fault(f"{effect} {text}")
    except ValueError as error:
        message = str(error)
    assert message


def active(*texts: str, seed: int = 1) -> Faults:
    faults = Faults(seed)
    for text in texts:
        faults.add(fault(text))
    return faults


@table(("rate", "chance"), [("1/4", 0.25), ("30%", 0.3), ("1/1", 1)])
def test_loss_has_its_rate(rate: str, chance: float) -> None:
    faults = active(f"lose {rate} link app>node")
    lost = sum(not faults.delays_s(QUERY) for _ in range(4000))
    assert lost / 4000 == pytest.approx(chance, abs=0.03)
    assert list(faults.hits.values()) == [lost]


def test_losses_of_one_seed_are_the_same_and_of_another_differ() -> None:
    text = "lose 1/2 link app>node"

    def losses(faults: Faults) -> list[bool]:
        return [not faults.delays_s(QUERY) for _ in range(64)]

    assert losses(active(text)) == losses(active(text))
    assert losses(active(text)) != losses(active(text, seed=2))
    own = f"{text} seed 7"
    assert losses(active(own)) == losses(active(own, seed=2))


def test_a_fault_does_not_change_the_course_of_another() -> None:
    text, other = "lose 1/2 link app>node", "lose 1/3 link node>dns"
    alone, both = active(text), active(text, other)
    for _ in range(64):
        alone.delays_s(QUERY)
        both.delays_s(QUERY)
    assert both.hits[text] == alone.hits[text]


def test_delay_stays_within_its_jitter() -> None:
    faults = active("delay 20ms±5ms link app>node")
    delays = [d for _ in range(200) for d in faults.delays_s(QUERY)]
    assert 0.015 <= min(delays) - HOP_S < 0.016
    assert 0.024 < max(delays) - HOP_S <= 0.025
    assert faults.delays_s(REPLY) == (HOP_S,)


def test_a_reordered_packet_arrives_after_the_next_one() -> None:
    faults = active("reorder 1/2 link app>node")
    delays = [faults.delays_s(QUERY)[0] for _ in range(64)]
    assert set(delays) == {HOP_S, HOP_S + REORDER_S}
    assert any(first > second for first, second in pairwise(delays))


def test_only_datagrams_are_duplicated() -> None:
    faults = active("duplicate link app>node")
    assert len(faults.delays_s(QUERY)) == 2
    assert len(faults.delays_s(QUERY._replace(protocol="tcp"))) == 1


def test_tcp_retransmits_what_is_lost_and_a_partition_ends_it() -> None:
    tcp = QUERY._replace(protocol="tcp")
    faults = active("lose 1/2 link app>node")
    delays = {d[0] - HOP_S for _ in range(200) if (d := faults.delays_s(tcp))}
    steps = {TCP_TIMEOUT_S * (2**n - 1) for n in range(7)}
    assert all(any(d == pytest.approx(s) for s in steps) for d in delays)
    assert len(delays) > 3
    assert active("partition link app<>node").delays_s(tcp) == ()


SERVED = Served(SERVER.names, Question("web.example.org.", A), "udp", 100)
ELSEWHERE = SERVED._replace(names=NEIGHBOR.names)


@table(
    "effect",
    [
        f"{word} {'REFUSED' if effect.argument == 'RCODE' else ''}".strip()
        for word, effect in EFFECTS.items()
        if effect.at_server and effect.has_rate and "TIME" not in effect.argument
        if word != "miss"
    ],
)
def test_server_faults_have_their_rate(effect: str) -> None:
    faults = active(f"{effect} 1/4 at kube-dns")
    hits = sum(bool(faults.at_server(SERVED).hits) for _ in range(4000))
    assert hits / 4000 == pytest.approx(0.25, abs=0.03)
    assert list(faults.hits.values()) == [hits]
    assert not faults.at_server(ELSEWHERE).hits


@table(
    ("condition", "affected"),
    [
        ("udp", True),
        ("tcp", False),
        ("size>99", True),
        ("size>100", False),
        ("size<101", True),
        ("size<100", False),
        ("name example.org", True),
        ("name web.example.org", True),
        ("name eb.example.org", False),
        ("name a.web.example.org", False),
        ("type A", True),
        ("type AAAA", False),
        ("udp size>50 name example.org type A seed 3", True),
        ("udp size>50 name example.org type MX seed 3", False),
    ],
)
def test_conditions_of_a_server_fault(condition: str, affected: bool) -> None:
    faults = active(f"servfail at kube-dns {condition}")
    assert bool(faults.at_server(SERVED).hits) == affected


def test_a_slow_server_delays_its_answers() -> None:
    assert active("delay 2s at kube-dns").at_server(SERVED).delay_s == 2
    assert active("delay 2s at kube-dns").at_server(ELSEWHERE).delay_s == 0


def test_a_server_misses_events_at_a_rate() -> None:
    faults = active("miss 1/4 at kube-dns")
    missed = sum(faults.misses_event(SERVER.names) for _ in range(4000))
    assert missed / 4000 == pytest.approx(0.25, abs=0.03)
    assert not faults.misses_event(NEIGHBOR.names)


def test_only_the_second_packet_of_a_socket_is_lost() -> None:
    faults = active("lose link app>node second")
    assert faults.delays_s(QUERY)
    assert not faults.delays_s(QUERY._replace(second=True))


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_partition_with_a_rate_affects_whole_flows(protocol: str) -> None:
    faults = active("partition 1/4 link app<>node")
    fates: list[bool] = []
    for number in range(2000):
        flow = f"10.244.0.9:{number} -> 10.96.0.10:53"
        packet = QUERY._replace(flow=flow, protocol=protocol)
        there = {bool(faults.delays_s(packet)) for _ in range(3)}
        back = packet._replace(source=packet.destination, destination=packet.source)
        assert there == {bool(faults.delays_s(back))}
        fates += there
    assert fates.count(False) / 2000 == pytest.approx(0.25, abs=0.03)


def test_cleared_faults_have_no_effect() -> None:
    faults = active("partition link app>node", "partition link node>dns")
    faults.clear("partition link app>node")
    assert faults.delays_s(QUERY) == ()
    faults.clear()
    assert faults.delays_s(QUERY) == (HOP_S,)
    with pytest.raises(ValueError, match="partition link app>node"):
        faults.clear("partition link app>node")
