from collections.abc import Sequence
from random import Random

import pytest

from minidns.dns import wire
from minidns.dns.rdata import AAAA, A
from minidns.stub.glibc import RELEASES, Glibc
from minidns.stub.protocol import Status
from tests.stub.script import Does, Play
from tests.table import table

THREE = "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
TWO = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"
ONE = "nameserver 192.0.2.1\n"
NAME = "a.example"


def brief(play: Play) -> list[str]:
    """``seconds server-number TYPE`` of each query, TCP marked."""
    return [line.replace("192.0.2.", "").replace(" a.example. ", " ") for line in play.log]


@table(
    ("conf", "answers", "expected", "status"),
    [
        pytest.param(ONE, {"A": "OK"}, ["0 1 A", "0 1 AAAA"], Status.ANSWERED, id="both-at-once"),
        pytest.param(
            ONE, {"192.0.2.1": ""}, ["0 1 A", "0 1 AAAA", "5 1 A", "5 1 AAAA"], Status.SILENT, id="two-attempts-of-5-s"
        ),
        pytest.param(
            ONE + "options timeout:1 attempts:3\n",
            {"192.0.2.1": ""},
            [f"{t} 1 {k}" for t in (0, 1, 2) for k in ("A", "AAAA")],
            Status.SILENT,
            id="timeout-and-attempts",
        ),
        pytest.param(
            THREE,
            {"192.0.2.1": "", "192.0.2.2": "", "192.0.2.3": ""},
            # 5, 10 // 3 and 20 // 3 seconds
            [f"{t} {s} {k}" for t, s in ((0, 1), (5, 2), (8, 3), (14, 1), (19, 2), (22, 3)) for k in ("A", "AAAA")],
            Status.SILENT,
            id="three-silent-servers",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "5 2 A", "5 2 AAAA"],
            Status.ANSWERED,
            id="second-server-after-5-s",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "SERVFAIL", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="servfail-next-server-at-once",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "LAME", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="lame-server-passed-over",
        ),
        pytest.param(
            TWO,
            {"192.0.2.1": "REFUSE", "A": "OK"},
            ["0 1 A", "0 1 AAAA", "0 2 A", "0 2 AAAA"],
            Status.ANSWERED,
            id="nobody-there-next-server-at-once",
        ),
        pytest.param(ONE, {"192.0.2.1": "REFUSE"}, ["0 1 A", "0 1 AAAA"] * 2, Status.REFUSED, id="nobody-there-at-all"),
        pytest.param(
            TWO,
            {"192.0.2.1": "NXDOMAIN", "192.0.2.2": "OK"},
            ["0 1 A", "0 1 AAAA"],
            Status.NXDOMAIN,
            id="nxdomain-is-an-answer",
        ),
        pytest.param(
            ONE,
            {"A": "OK", "AAAA": (0.5, "SERVFAIL")},
            ["0 1 A", "0 1 AAAA"],
            Status.ANSWERED,
            id="half-an-answer-will-do",
        ),
        pytest.param(
            ONE,
            {"A": (0.5, "OK"), "AAAA": "SERVFAIL"},
            ["0 1 A", "0 1 AAAA"],
            Status.ANSWERED,
            id="servfail-first-waits-for-the-other",
        ),
        pytest.param(
            ONE,
            {"A": "TC"},
            ["0 1 A", "0 1 AAAA", "0 1 A TCP", "0 1 AAAA TCP"],
            Status.ANSWERED,
            id="truncated-both-again-by-tcp",
        ),
        pytest.param(
            ONE + "options use-vc\n", {"A": "OK"}, ["0 1 A TCP", "0 1 AAAA TCP"], Status.ANSWERED, id="use-vc"
        ),
        pytest.param(
            ONE + "options single-request\n",
            {"A": (0.25, "OK")},
            ["0 1 A", "0.25 1 AAAA"],
            Status.ANSWERED,
            id="single-request",
        ),
    ],
)
def test_who_is_asked_when(
    conf: str, answers: dict[str, Does | Sequence[Does]], expected: list[str], status: Status
) -> None:
    play = Play(answers)
    outcome = play.run(conf, NAME)
    assert brief(play) == expected
    assert outcome.status is status


def test_the_five_second_stall() -> None:
    """One of two datagrams from one port is lost: 5 s, then one after the other."""
    play = Play({"A": "OK", "AAAA": ["", "OK"]})
    assert len(play.run(ONE, NAME).replies) == 2
    assert brief(play) == ["0 1 A", "0 1 AAAA", "5 1 A", "5 1 AAAA"]
    assert len({send.source for send in play.sent}) == 1


def test_silence_is_met_from_the_same_port() -> None:
    """glibc keeps its socket open until the look-up ends: conntrack keeps the pod."""
    play = Play({"192.0.2.1": "", "192.0.2.2": ""})
    play.run(TWO, NAME)
    ports = {(send.server, send.source) for send in play.sent}
    assert len(play.sent) == 8
    assert len(ports) == 2


def test_the_next_name_has_a_port_of_its_own() -> None:
    play = Play({})
    play.run(ONE + "search x.example\n", "web")
    assert len({send.source for send in play.sent}) == 2


def test_half_that_never_comes_costs_three_windows() -> None:
    play = Play({"A": "OK", "AAAA": ""})
    outcome = play.run(ONE, NAME)
    assert (outcome.status, len(outcome.replies)) == (Status.ANSWERED, 1)
    assert play.now == 15
    assert len({send.source for send in play.sent[-2:]}) == 2


def test_one_at_a_time_for_the_rest_of_the_process() -> None:
    glibc = Glibc(ONE, Random(1))
    Play({"A": "OK", "AAAA": ["", "OK"]}).run(glibc, NAME)
    play = Play({"A": (1, "OK"), "AAAA": "OK"})
    play.run(glibc, NAME)
    assert brief(play) == ["0 1 A", "1 1 AAAA"]


def test_single_request_reopen_uses_another_port() -> None:
    play = Play({"A": "OK"})
    play.run(ONE + "options single-request-reopen\n", NAME)
    assert play.sent[0].source != play.sent[1].source


@table("release", RELEASES)
def test_rotate_starts_each_name_at_the_next_server(release: str) -> None:
    text = TWO + "search x.example y.example\noptions rotate\n"
    begins = set()
    for seed in range(20):
        play = Play({})
        play.run(Glibc(text, Random(seed), RELEASES[release]), "web")
        first, second, third = (line.split()[1] for line in play.log[::2])
        assert first == third != second
        begins.add(first)
    assert begins == ({"192.0.2.2"} if release == "2.25" else {TWO.split()[1], TWO.split()[3]})


def test_tcp_that_fails_moves_on_by_tcp_and_tries_each_server_once() -> None:
    play = Play({"192.0.2.1": ["TC", "TC", "REFUSE", "REFUSE"], "192.0.2.2": ""})
    assert play.run(TWO, NAME, types=(A,)).status is Status.ANSWERED
    play = Play({"192.0.2.1": ["TC", "REFUSE"], "192.0.2.2": ""})
    assert play.run(TWO, NAME, types=(A,)).status is Status.SILENT
    assert brief(play) == ["0 1 A", "0 1 A TCP", "0 2 A TCP"]


CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)
D, S, C = "default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."


def names(play: Play) -> list[str]:
    """The names queried, in order, each once in a row."""
    queried = [line.split()[2] for line in play.log]
    return [n for i, n in enumerate(queried) if not i or queried[i - 1] != n]


@table(
    ("conf", "name", "expected"),
    [
        pytest.param(
            CLUSTER_FIRST,
            "kubernetes.default",
            [f"kubernetes.default.{d}" for d in (D, S, C)] + ["kubernetes.default."],
            id="few-dots-search-first",
        ),
        pytest.param(CLUSTER_FIRST, "web.", ["web."], id="final-dot-no-search"),
        pytest.param(ONE, "google.com", ["google.com."], id="no-search-list"),
        pytest.param(
            CLUSTER_FIRST.replace("ndots:5", "ndots:2"),
            "a.b.example",
            ["a.b.example."] + [f"a.b.example.{d}" for d in (D, S, C)],
            id="enough-dots-name-first-then-search",
        ),
        pytest.param("search a.example\n", "Web", ["web.a.example.", "web."], id="letters-case"),
        pytest.param("search . a.example\n", "web", ["web.", "web.a.example."], id="root-in-search"),
        pytest.param(
            "search a.example .\noptions ndots:1\n",
            "a.b",
            ["a.b.", "a.b.a.example.", "a.b."],
            id="root-in-search-after-the-name",
        ),
        pytest.param(
            f"search {'x' * 64}.example a.example\n", "web", ["web."], id="no-name-with-a-domain-ends-the-search"
        ),
        pytest.param("search a.example\noptions no-tld-query\n", "web", ["web.a.example."], id="no-tld-query"),
        pytest.param("options no-tld-query\n", "web", ["web."], id="no-tld-query-without-search"),
        pytest.param(ONE, "a..b", [], id="no-name-at-all"),
        pytest.param(ONE, "-a.b", [], id="no-host-name"),
    ],
)
def test_names_of_a_search(conf: str, name: str, expected: list[str]) -> None:
    play = Play({})
    assert play.run(conf, name).error == "EAI_NONAME"
    assert names(play) == expected


@table(
    ("answers", "count", "error"),
    [
        # the first search domain gives NODATA (a wildcard, or an inner node)
        pytest.param({f"web.{D}": "NODATA"}, 4, "EAI_NODATA", id="nodata-goes-on"),
        pytest.param({f"web.{D}": "NODATA", f"web.{C}": "OK"}, 3, "", id="nodata-then-found"),
        pytest.param({f"web.{D}": "SERVFAIL"}, 4, "EAI_AGAIN (SERVFAIL)", id="servfail-goes-on"),
        pytest.param({f"web.{D}": ""}, 2, "EAI_NONAME", id="silence-tries-the-name"),
        pytest.param({f"web.{D}": "REFUSED"}, 2, "EAI_NONAME", id="refused-tries-the-name"),
        pytest.param({f"web.{D}": "FORMERR"}, 2, "EAI_NONAME", id="formerr-tries-the-name"),
        pytest.param({f"web.{D}": "REFUSE"}, 1, "EAI_AGAIN (connection refused)", id="nobody-there-ends-it"),
        pytest.param({f"web.{D} AAAA": "OK"}, 1, "", id="one-family-is-enough"),
        pytest.param(
            {f"web.{D} A": "NODATA", f"web.{D} AAAA": "NXDOMAIN"}, 4, "EAI_NONAME", id="nodata-and-nxdomain-is-nxdomain"
        ),
    ],
)
def test_what_ends_a_search(answers: dict[str, Does | Sequence[Does]], count: int, error: str) -> None:
    play = Play(answers)
    outcome = play.run(CLUSTER_FIRST, "web")
    assert (outcome.error, len(names(play))) == (error, count)


def test_name_as_given_first_decides_the_error_but_not_the_search() -> None:
    play = Play({"a.b.": ""})
    outcome = play.run("search c.example\nnameserver 192.0.2.1\n", "a.b")
    assert names(play) == ["a.b.", "a.b.c.example."]
    assert outcome.status is Status.SILENT


@pytest.mark.parametrize(("types", "error"), [((A,), "EAI_NONAME"), ((A, AAAA), "EAI_AGAIN (connection refused)")])
def test_a_name_too_long_with_a_domain_hides_a_refusal(types: tuple[int, ...], error: str) -> None:
    """Its errno replaces that of the name as given; h_errno stays."""
    play = Play({"192.0.2.1": "REFUSE"})
    text = ONE + f"search {'x' * 64}.example\noptions ndots:0\n"
    assert play.run(text, NAME, types).error == error


def test_a_late_reply_is_read_when_its_server_is_asked_again() -> None:
    """It waits in the open socket, also while another server is asked."""
    play = Play({"192.0.2.1": [(7, "OK"), ""], "192.0.2.2": ""})
    outcome = play.run(TWO, NAME, (A,))
    assert brief(play) == ["0 1 A", "5 2 A", "10 1 A"]
    assert (outcome.status, play.now) == (Status.ANSWERED, 10)


@table(
    ("options", "queries", "seconds"),
    [
        pytest.param("timeout:0", 4, 2, id="at-least-a-second"),
        pytest.param("timeout:-1", 4, 2, id="a-negative-time-too"),
        pytest.param("attempts:0", 0, 0, id="no-attempt-at-all"),
    ],
)
def test_odd_numbers(options: str, queries: int, seconds: float) -> None:
    play = Play({"192.0.2.1": ""})
    play.run(ONE + f"options {options}\n", NAME)
    assert (len(play.sent), play.now) == (queries, seconds)


@table(
    ("types", "answers", "sent", "status"),
    [
        ((A, AAAA), {"A": "OK"}, ["A"], Status.ANSWERED),
        ((AAAA,), {"A": "OK"}, ["A"], Status.NODATA),
        ((AAAA,), {"A": "NXDOMAIN"}, ["A"], Status.NXDOMAIN),
    ],
)
def test_no_aaaa_sends_a_alone(
    types: tuple[int, ...], answers: dict[str, Does | Sequence[Does]], sent: list[str], status: Status
) -> None:
    play = Play(answers)
    outcome = play.run(ONE + "options no-aaaa\n", NAME, types)
    assert [line.split()[3] for line in play.log] == sent
    assert outcome.status is status


@table(("option", "flags", "size"), [("", 0x0100, 0), ("trust-ad", 0x0120, 0), ("edns0", 0x0100, 1200)])
def test_flags_and_edns(option: str, flags: int, size: int) -> None:
    play = Play({})
    play.run(ONE + f"options {option}\n", NAME)
    for send in play.sent:
        query = wire.decode_query(send.wire)
        assert query.flags == flags
        assert (query.opt.size if query.opt else 0) == size


@pytest.mark.parametrize(("release", "asked"), [("2.25", ["0 1 A", "5 2 A"]), ("2.36", ["0 1 A", "0 2 A"])])
def test_error_reply_to_single_request(release: str, asked: list[str]) -> None:
    """Before the fix glibc waits for a reply to a query that it has not sent."""
    play = Play({"192.0.2.1": "SERVFAIL", "192.0.2.2": "NXDOMAIN"})
    text = TWO + "options single-request\n"
    play.run(Glibc(text, Random(1), RELEASES[release]), NAME)
    assert brief(play)[:2] == asked


@pytest.mark.parametrize(("option", "servers"), [("", ["1"]), ("strict-error", ["1", "2"])])
def test_strict_error_wants_both_replies(option: str, servers: list[str]) -> None:
    play = Play({"192.0.2.1 A": "OK", "192.0.2.1 AAAA": "SERVFAIL", "192.0.2.2": "OK"})
    play.run(Glibc(TWO + f"options {option}\n", Random(1), RELEASES["2.42"]), NAME)
    assert sorted({line.split()[1] for line in brief(play)}) == servers


@table(("does", "queries"), [("CLOSE", 2), ("RESET", 4), ("REFUSE", 2), ("SERVFAIL", 2)])
def test_a_reset_connection_is_opened_once_more(does: str, queries: int) -> None:
    play = Play({"192.0.2.1": does})
    outcome = play.run(ONE + "options use-vc\n", NAME)
    assert len(play.sent) == queries
    assert outcome.status is not Status.ANSWERED


@pytest.mark.parametrize(("option", "found"), [("", True), ("no-reload", False)])
def test_a_changed_file_counts_at_the_next_lookup(option: str, found: bool) -> None:
    glibc = Glibc(f"nameserver 192.0.2.1\noptions {option}\n", Random(1))
    Play({}).run(glibc, NAME)
    glibc.resolv_conf = "nameserver 192.0.2.2\n"
    play = Play({"192.0.2.2": "OK"})
    assert (play.run(glibc, NAME).status is Status.ANSWERED) == found
