import weakref

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import rdata
from minidns.dns.model import Query, Response, Reuse, RRset, replace
from minidns.dns.wire import decode_query, encode_response
from minidns.server import remembered
from minidns.server.remembered import Key, Memory


def asked(name: str, ident: int = 1) -> Query:
    message = dns.message.make_query(name, "A", id=ident)
    return decode_query(message.to_wire())


def response(*addresses: str, ttl: int = 30, reuse: Reuse | None = None) -> Response:
    rrset = RRset("web.org.", 1, ttl, tuple(map(rdata.a, addresses)))
    return Response(answer=(rrset,), reuse=reuse or Reuse(depends_on=("web",)))


def key(query: Query, through: str = "udp4") -> Key:
    return through, query.wire[2:]


def put(memory: Memory, query: Query, answer: Response, through: str = "udp4") -> None:
    miss = memory.miss(key(query, through))
    memory.put(miss, query, answer, encode_response(query, answer))


def read(memory: Memory, query: Query, now: float = 0.0) -> dns.message.Message | None:
    tail = memory.get(key(query), now)
    return None if tail is None else dns.message.from_wire(query.wire[:2] + tail)


def test_an_answer_is_expected_again_from_the_second_time_on() -> None:
    memory = Memory()

    def expects(name: str, through: str = "udp4") -> tuple[bool, bool]:
        miss = memory.miss(key(asked(name), through))
        return miss.asked_before, miss.like_asked_before

    assert expects("web.org.") == (False, False)
    assert expects("web.org.") == (True, True)
    assert expects("other.org.") == (False, False)
    assert expects("foo.org.") == (False, True)
    assert expects("web.org.", "udp6") == (False, False)


def test_the_same_question_of_another_client() -> None:
    memory = Memory()
    put(memory, asked("web.org.", 1), response("192.0.2.1"))
    again = read(memory, asked("web.org.", 2))
    assert again is not None
    assert again.id == 2
    assert str(again.answer[0][0]) == "192.0.2.1"
    assert read(memory, asked("WEB.org.")) is None  # other letters are another entry


@pytest.mark.parametrize("answers", [0, 1], ids=["negative", "below-an-alias"])
def test_a_serial_is_that_of_the_time(answers: int) -> None:
    serial = 7

    def soa(at: int) -> RRset:
        return RRset("org.", 6, 30, (rdata.soa("ns.org.", "root.org.", at, 1, 2, 3, 4),))

    memory, query = Memory(), asked("web.org.")
    alias = RRset("web.org.", rdata.CNAME, 30, (b"\1x\0",))
    answer = Response(
        rcode=3,
        answer=(alias,) * answers,
        authority=(soa(serial),),
        reuse=Reuse(depends_on=("web",), soa_serial=lambda: serial),
    )
    put(memory, query, answer)
    for serial in (7, 8, 8, 2**32 - 1):
        now = replace(answer, authority=(soa(serial),))
        assert memory.get(key(query), 0.0) == encode_response(query, now)[2:]


@pytest.mark.parametrize(("key", "kept"), [("web", False), ("other", True)], ids=["its-source", "another"])
def test_a_change_drops_what_follows_from_it_and_nothing_else(key: str, *, kept: bool) -> None:
    memory, query = Memory(), asked("web.org.")
    put(memory, query, response("192.0.2.1"))
    memory.invalidate([key])
    assert (read(memory, query) is not None) is kept


def test_nothing_is_repeated_past_its_time() -> None:
    memory, query = Memory(), asked("web.org.")
    put(memory, query, response("192.0.2.1", reuse=Reuse(expires_at=10.0)))
    assert read(memory, query, 9.9) is not None
    assert read(memory, query, 10.0) is None
    assert not memory.entries


def test_ttls_count_down_in_whole_seconds() -> None:
    memory, query = Memory(), asked("web.org.")
    put(memory, query, response("192.0.2.1", "192.0.2.2", ttl=30, reuse=Reuse(expires_at=130.0, ttls_true_at=100.0)))
    seen = []
    for now in (100.0, 100.9, 101.0, 101.9, 110.0, 129.0):
        message = read(memory, query, now)
        assert message is not None
        seen.append(message.answer[0].ttl)
    assert seen == [30, 30, 29, 29, 20, 1]


def test_addresses_turn_where_loadbalance_would_turn_them() -> None:
    memory, query = Memory(), asked("web.org.")
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    put(memory, query, response(*addresses, reuse=Reuse(rotates=True)))
    firsts = []
    for _ in range(6):
        tail = memory.get(key(query), 0)
        assert tail is not None
        message = dns.message.from_wire(query.wire[:2] + tail, one_rr_per_rrset=True)
        assert sorted(str(each[0]) for each in message.answer) == addresses
        firsts.append(str(message.answer[0][0]))
    assert sorted(firsts) == sorted(addresses * 2)


def test_addresses_behind_a_cname_turn_too() -> None:
    memory, query = Memory(), asked("www.org.")
    cname = RRset("www.org.", 5, 30, (b"\3web\3org\0",))
    web = RRset("web.org.", 1, 30, (rdata.a("192.0.2.1"), rdata.a("192.0.2.2")))
    put(memory, query, Response(answer=(cname, web), reuse=Reuse(rotates=True)))
    orders = set()
    for _ in range(4):
        tail = memory.get(key(query), 0)
        assert tail is not None
        message = dns.message.from_wire(query.wire[:2] + tail, one_rr_per_rrset=True)
        orders.add(tuple(str(each[0]) for each in message.answer))
    assert orders == {("web.org.", "192.0.2.1", "192.0.2.2"), ("web.org.", "192.0.2.2", "192.0.2.1")}


def test_repetitions_are_told_once() -> None:
    told: list[int] = []
    memory = Memory()
    queries = [asked("web.org."), asked("www.org.")]

    def counter(times: int, _: float) -> None:
        told.append(times)

    reuse = Reuse(depends_on=("web",), counters=(counter,))
    for query in queries:  # those that are counted alike are told together
        put(memory, query, response("192.0.2.1", reuse=reuse))
    for query in (*queries, *queries):
        read(memory, query)
    memory.report()
    memory.report()
    assert told == [4]
    read(memory, queries[0])
    memory.invalidate(["web"])  # what was repeated stays repeated
    memory.report()
    assert told == [4, 1]
    put(memory, queries[0], response("192.0.2.1", reuse=reuse))
    read(memory, queries[0])
    memory.clear()
    assert told == [4, 1, 1]


def test_bounds() -> None:
    memory = Memory(max_entries=10, max_bytes=1 << 20)
    for number in range(50):
        put(memory, asked(f"n{number}.org."), response("192.0.2.1"))
    assert len(memory.entries) == 10
    assert read(memory, asked("n49.org.")) is not None
    small = Memory(max_entries=1000, max_bytes=3600)
    for number in range(50):
        put(small, asked(f"n{number}.org."), response("192.0.2.1"))
    assert 1 < len(small.entries) < 6


def test_what_may_not_be_repeated() -> None:
    memory, query = Memory(), asked("web.org.")
    put(memory, query, Response())
    assert not memory.entries


@given(st.lists(st.tuples(st.sampled_from("gpf"), st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_any_history(history: list[tuple[str, int, int]]) -> None:
    """With the memory on, answers equal those made afresh from the state."""
    memory = Memory(max_entries=4)
    state = dict.fromkeys(range(6), 0)
    for act, name, value in history:
        query = asked(f"n{name}.org.")
        fresh = response(f"192.0.2.{state[name]}", reuse=Reuse(depends_on=(name,)))
        if act == "f":
            state[name] = value
            memory.invalidate([name])
            continue
        wire = encode_response(query, fresh)
        if (tail := memory.get(key(query), 0)) is not None:
            assert tail == wire[2:]
        else:
            memory.put(memory.miss(key(query)), query, fresh, wire)


class Source:
    """A thing that answers depend on; it can be referenced weakly."""


@pytest.mark.parametrize("queries", [1, 3])
def test_nothing_is_left_of_an_invalidated_reply(queries: int) -> None:
    memory, source = Memory(), Source()

    def counter(times: int, _: float) -> None: ...

    reuse = Reuse(depends_on=(source,), counters=(counter,))
    for number in range(queries):
        put(memory, asked(f"n{number}.org."), response("192.0.2.1", reuse=reuse))
    assert memory.size > 0
    memory.invalidate([source])
    memory.report()
    assert memory.size == 0
    left = weakref.ref(source), weakref.ref(counter)
    del source, counter, reuse
    assert [reference() for reference in left] == [None, None]


@given(st.lists(st.tuples(st.sampled_from("pscf"), st.integers(0, 9), st.booleans()), max_size=40))
def test_bytes_in_use_are_the_sum_of_the_entries(history: list[tuple[str, int, bool]]) -> None:
    """Also of replies that serve many first labels, however they come and go."""
    memory = Memory(max_entries=4, max_bytes=6000)
    for act, number, covers in history:
        ask = asked(f"{'n' * (number + 1)}.web.org.")
        if act in "ps":
            covering = (lambda label: True) if covers else None
            reuse = Reuse(depends_on=(number,), covers_label=covering)
            memory.miss(key(ask))
            again = replace(ask, like_asked_before=True)
            answer = response("192.0.2.1", reuse=reuse)
            reply = encode_response(ask, answer)
            memory.put(memory.miss(key(ask)), again, answer, reply)
        elif act == "f":
            memory.invalidate([number])
        else:
            memory.clear()
        assert memory.size == sum(
            sum(map(len, where)) + len(entry.tail) + 2 + remembered.OVERHEAD for where, entry in memory.entries.items()
        )
        assert memory.size <= 6000
