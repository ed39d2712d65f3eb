from collections.abc import Sequence
from random import Random

import pytest

from minidns.dns.rdata import AAAA, A
from sim.resolver.protocol import Session, Wait
from sim.resolver.resolv_conf import Conf
from sim.resolver.search import GLIBC, MUSL, TOOLS, Lookup, Policy, Status, candidates
from tests.sim.resolver.script import Does, Play

CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 10.96.0.10\n"
    "options ndots:5\n"
)
ONE = "nameserver 10.96.0.20\n"
D, S, C = "default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."


def names(play: Play) -> list[str]:
    """The names asked for, in order, each once in a row."""
    asked = [line.split()[2] for line in play.log]
    return [n for i, n in enumerate(asked) if not i or asked[i - 1] != n]


@pytest.mark.parametrize("policy", [GLIBC, MUSL, TOOLS], ids=lambda p: p.name)
@pytest.mark.parametrize(
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
        pytest.param(ONE, "web", ["web."], id="no-search-list-no-dots"),
        pytest.param(
            "search a.example\n", "Web", ["web.a.example.", "web."], id="letters-case"
        ),
    ],
)
def test_names_that_all_try(
    policy: Policy, conf: str, name: str, expected: list[str]
) -> None:
    play = Play({})
    assert play.run(conf, name, policy).status is Status.NXDOMAIN
    assert names(play) == expected


@pytest.mark.parametrize(
    ("conf", "name", "glibc", "musl"),
    [
        pytest.param(
            CLUSTER_FIRST.replace("ndots:5", "ndots:2"),
            "a.b.example",
            ["a.b.example."] + [f"a.b.example.{d}" for d in (D, S, C)],
            ["a.b.example."],
            id="enough-dots-musl-never-searches",
        ),
        pytest.param(
            "search . a.example\n",
            "web",
            ["web.", "web.a.example."],
            ["web.a.example.", "web."],
            id="root-in-search",
        ),
        pytest.param(
            "search a.example .\noptions ndots:1\n",
            "a.b",
            ["a.b.", "a.b.a.example."],
            ["a.b."],
            id="root-in-search-enough-dots",
        ),
        pytest.param(
            f"search {'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 50} a.example\n",
            "long-enough-to-burst-the-255-bytes",
            [
                "long-enough-to-burst-the-255-bytes.a.example.",
                "long-enough-to-burst-the-255-bytes.",
            ],
            [
                "long-enough-to-burst-the-255-bytes.a.example.",
                "long-enough-to-burst-the-255-bytes.",
            ],
            id="too-long-with-a-domain",
        ),
        pytest.param(
            f"search {' '.join(f'd{i:02}.example' for i in range(26))}\n",
            "web",
            [f"web.d{i:02}.example." for i in range(26)] + ["web."],
            ["web."],
            id="musl-loses-a-long-search-line",
        ),
    ],
)
def test_names_that_differ(
    conf: str, name: str, glibc: list[str], musl: list[str]
) -> None:
    for policy, expected in ((GLIBC, glibc), (MUSL, musl)):
        play = Play({})
        play.run(conf, name, policy)
        assert names(play) == expected, policy.name


@pytest.mark.parametrize(
    ("answers", "policy", "tried", "status"),
    [
        # the first search domain gives NODATA (a wildcard, or an inner node)
        pytest.param(
            {f"web.{D}": "NODATA"}, GLIBC, 4, Status.NODATA, id="nodata-glibc-goes-on"
        ),
        pytest.param(
            {f"web.{D}": "NODATA"}, MUSL, 1, Status.NODATA, id="nodata-musl-stops"
        ),
        pytest.param(
            {f"web.{D}": "NODATA"}, TOOLS, 1, Status.NODATA, id="nodata-tools-stop"
        ),
        pytest.param(
            {f"web.{D}": "NODATA", f"web.{C}": "OK"},
            GLIBC,
            3,
            Status.ANSWERED,
            id="nodata-glibc-finds-later",
        ),
        pytest.param(
            {f"web.{D}": "SERVFAIL"},
            GLIBC,
            4,
            Status.SERVFAIL,
            id="servfail-glibc-goes-on",
        ),
        pytest.param(
            {f"web.{D}": "SERVFAIL"}, MUSL, 1, Status.SERVFAIL, id="servfail-musl-stops"
        ),
        pytest.param(
            {f"web.{D}": ""}, GLIBC, 2, Status.NXDOMAIN, id="silence-glibc-tries-name"
        ),
        pytest.param({f"web.{D}": ""}, MUSL, 1, Status.SILENT, id="silence-musl-stops"),
        pytest.param(
            {f"web.{D}": "REFUSED"}, GLIBC, 2, Status.NXDOMAIN, id="refused-tries-name"
        ),
        pytest.param(
            {f"web.{D}": "REFUSED"}, MUSL, 1, Status.SILENT, id="musl-ignores-refused"
        ),
        pytest.param(
            {f"web.{D}": "REFUSE"}, GLIBC, 1, Status.REFUSED, id="nobody-there-glibc"
        ),
        pytest.param(
            {f"web.{D}": "REFUSE"}, MUSL, 1, Status.SILENT, id="nobody-there-musl-waits"
        ),
        pytest.param(
            {f"web.{D}": "FORMERR"}, GLIBC, 2, Status.NXDOMAIN, id="formerr-tries-name"
        ),
        pytest.param(
            {f"web.{D} AAAA": "OK"},
            GLIBC,
            1,
            Status.ANSWERED,
            id="one-family-is-enough",
        ),
        pytest.param(
            {f"web.{D} A": "NODATA", f"web.{D} AAAA": "NXDOMAIN"},
            GLIBC,
            4,
            Status.NXDOMAIN,
            id="mixed-negative-counts-as-nxdomain",
        ),
    ],
)
def test_what_ends_a_search(
    answers: dict[str, Does | Sequence[Does]],
    policy: Policy,
    tried: int,
    status: Status,
) -> None:
    play = Play(answers)
    outcome = play.run(CLUSTER_FIRST, "web", policy)
    assert (outcome.status, len(names(play))) == (status, tried)


def test_name_as_given_first_decides_the_error_but_not_the_search() -> None:
    play = Play({"a.b.": ""})
    outcome = play.run("search c.example\nnameserver 192.0.2.1\n", "a.b")
    assert names(play) == ["a.b.", "a.b.c.example."]
    assert outcome.status is Status.SILENT


def test_addresses_come_in_the_order_of_the_questions() -> None:
    play = Play({"A": (0.2, "OK"), "AAAA": (0.1, "OK")})
    outcome = play.run(ONE, "web.example.org")
    assert outcome.addresses == ("192.0.2.7", "2001:db8::7")
    assert outcome.name == "web.example.org."
    assert play.now == pytest.approx(0.2)


def test_one_type_is_one_query() -> None:
    play = Play({"AAAA": "OK"})
    play.run(ONE, "web.example.org", types=(AAAA,))
    assert [line.split()[3] for line in play.log] == ["AAAA"]


def test_no_name_at_all() -> None:
    play = Play({})
    assert play.run(ONE, "a..b").status is Status.FAILED
    assert play.log == []


@pytest.mark.parametrize("junk", [b"", b"\0" * 12, b"\xff" * 40])
def test_garbage_changes_nothing(junk: bytes) -> None:
    lookup = Lookup(Session(GLIBC.reading.conf(ONE), Random(1)), GLIBC, "a.b", (A,))
    first = lookup.start(0)
    assert isinstance(first, Wait)
    (send,) = first.sends
    again = lookup.on_reply(1, send.server, send.source, junk)
    assert again == Wait((), first.until)


def test_candidates_of_a_conf_without_search() -> None:
    assert list(candidates(Conf(), GLIBC, "web")) == ["web."]
