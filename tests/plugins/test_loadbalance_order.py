from collections import Counter
from ipaddress import ip_network
from random import Random

import pytest

from minidns.dns.model import Response, Reuse, RRset, replace
from minidns.dns.names import to_wire
from minidns.dns.rdata import AAAA, CNAME, MX, NS, TXT, A, a, aaaa, txt
from minidns.plugins.loadbalance import by_weight, preferring, round_robin
from minidns.plugins.loadbalance.weights import parse
from tests.table import table

LEAVE = Reuse(depends_on=("k",))


def addresses(*last: int, owner: str = "a.") -> RRset:
    return RRset(owner, A, 30, tuple(a(f"192.0.2.{item}") for item in last))


def ipv6(*last: int, owner: str = "a.") -> RRset:
    return RRset(owner, AAAA, 30, tuple(aaaa(f"2001:db8::{item}") for item in last))


ALIAS = RRset("x.", CNAME, 30, (to_wire("a."),))
TEXT = RRset("a.", TXT, 30, (txt("1"), txt("2"), txt("3")))
SERVERS = RRset("a.", NS, 30, (to_wire("n1."), to_wire("n2.")))
MAIL = RRset("a.", MX, 30, tuple(b"\0\1" + to_wire(f"m{n}.") for n in range(3)))


def orders(response: Response, times: int = 2000) -> Counter[tuple[object, ...]]:
    random = Random(1)
    return Counter(tuple(rrset.rdata for rrset in round_robin(response, random).answer) for _ in range(times))


SETTLED = {
    "nothing": (),
    "one-address": (addresses(1),),
    "alias-and-address": (ALIAS, addresses(1)),
    "other-types": (TEXT,),
    "servers": (SERVERS,),
    "text-and-address": (TEXT, addresses(1)),
}


@table("answer", SETTLED.values(), ids=SETTLED)
def test_without_a_choice_the_response_is_the_same(answer: tuple[RRset, ...]) -> None:
    random = Random(1)
    response = Response(answer=answer, authority=(SERVERS,), reuse=LEAVE)
    for _ in range(10):
        assert round_robin(response, random).answer == answer


def test_one_address_costs_nothing() -> None:
    response = Response(answer=(addresses(1),), reuse=LEAVE)
    assert round_robin(response, Random(1)) is response


@table("section", ["answer", "authority", "additional"])
def test_two_addresses_are_swapped_half_the_time(section: str) -> None:
    response = replace(Response(), **{section: (addresses(1, 2),)})
    random = Random(1)
    first = Counter(getattr(round_robin(response, random), section)[0].rdata[0] for _ in range(2000))
    assert set(first) == {a("192.0.2.1"), a("192.0.2.2")}
    assert all(900 < count < 1100 for count in first.values())


@table("size", [3, 5, 8])
@table("kind", [addresses, ipv6])
def test_every_address_is_first_equally_often(kind: object, size: int) -> None:
    rrset = kind(*range(1, size + 1))  # type: ignore[operator]  # one of two functions
    counts = orders(Response(answer=(rrset,)), 1000 * size)
    first: Counter[bytes] = Counter()
    for (rdata,), count in counts.items():
        assert isinstance(rdata, tuple)
        assert sorted(rdata) == sorted(rrset.rdata)
        first[rdata[0]] += count
    assert all(900 < count < 1100 for count in first.values())
    assert len(first) == size


def test_three_addresses_come_in_every_order() -> None:
    assert len(orders(Response(answer=(addresses(1, 2, 3),)))) == 6


def test_mail_exchangers_are_turned_too() -> None:
    assert len(orders(Response(answer=(MAIL,)))) == 6


def test_order_of_types() -> None:
    answer = (MAIL, addresses(1, 2), TEXT, ipv6(1), ALIAS)
    for _ in range(20):
        response = round_robin(Response(answer=answer), Random())
        types = [rrset.rtype for rrset in response.answer]
        assert types[:2] == [CNAME, TXT]
        assert sorted(types[2:4]) == [A, AAAA]
        assert types[4] == MX
        assert response.answer[1] == TEXT, "other types keep their order"


def test_misplaced_alias_is_moved_to_the_front() -> None:
    response = Response(answer=(addresses(1), ALIAS))
    assert round_robin(response, Random(1)).answer == (ALIAS, addresses(1))


def test_addresses_of_several_names_are_mixed() -> None:
    glue = tuple(addresses(n, owner=f"n{n}.") for n in range(1, 5))
    random = Random(1)
    first = {round_robin(Response(additional=glue), random).additional[0].owner for _ in range(100)}
    assert first == {"n1.", "n2.", "n3.", "n4."}


def test_the_edge_may_turn_repetitions() -> None:
    turned = round_robin(Response(answer=(addresses(1, 2),), reuse=LEAVE), Random(1))
    assert turned.reuse == Reuse(depends_on=("k",), rotates=True)
    settled = round_robin(Response(answer=(addresses(1),), reuse=LEAVE), Random(1))
    assert settled.reuse == LEAVE


def test_weighted_swaps_the_chosen_address_with_the_first() -> None:
    weights = parse("a\n192.0.2.3 255", "w")
    response = Response(answer=(ALIAS, addresses(1, 2, 3, 4)), reuse=LEAVE)
    random = Random(1)
    orders = Counter(by_weight(response, weights, random).answer[1].rdata for _ in range(1000))
    order, count = orders.most_common(1)[0]
    assert order == addresses(3, 2, 1, 4).rdata
    assert count > 970
    assert by_weight(response, weights, random).reuse is None


def test_weighted_moves_the_rrset_of_the_chosen_address() -> None:
    weights = parse("n2\n192.0.2.2 255", "w")
    glue = (addresses(1, owner="n1."), TEXT, addresses(2, owner="n2."))
    random = Random(1)
    first = Counter(by_weight(Response(additional=glue), weights, random).additional[1].owner for _ in range(1000))
    assert first["n2."] > 980


UNWEIGHTED = {"no-address": (TEXT,), "one-address": (addresses(1),)}


@pytest.mark.parametrize("answer", UNWEIGHTED.values(), ids=UNWEIGHTED)
def test_weighted_without_a_choice(answer: tuple[RRset, ...]) -> None:
    response = Response(answer=answer, reuse=LEAVE)
    assert by_weight(response, {}, Random(1)) == response


def test_preferred_networks_come_first_in_their_order() -> None:
    networks = [ip_network("2001:db8::2/128"), ip_network("192.0.2.2/31")]
    answer = (ALIAS, addresses(1, 2, 3), ipv6(1, 2), MAIL)
    response = preferring(Response(answer=answer, reuse=LEAVE), networks)
    assert response.answer == (ALIAS, ipv6(2, 1), addresses(2, 3, 1), MAIL)
    assert response.reuse is None


def test_preferred_in_additional() -> None:
    networks = [ip_network("192.0.2.2/32")]
    glue = (addresses(1, owner="n1."), addresses(2, owner="n2."))
    response = preferring(Response(additional=glue), networks)
    assert [rrset.owner for rrset in response.additional] == ["n2.", "n1."]
