import pytest

from minidns.stub.glibc import RELEASES
from minidns.stub.resolv_conf import Conf, literal_address, read_glibc, read_musl
from tests.table import table

LOCAL = ("127.0.0.1",)
CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
)
POD = Conf(("10.96.0.10",), ("default.svc.cluster.local", "svc.cluster.local", "cluster.local"), ndots=5)


def glibc(text: str, release: str = "2.36") -> Conf:
    return read_glibc(text, RELEASES[release])


@table(
    ("text", "expected", "musl"),
    [
        pytest.param(CLUSTER_FIRST, POD, POD, id="file-of-a-pod"),
        pytest.param("", Conf(LOCAL), Conf(LOCAL), id="no-server-is-this-machine"),
        pytest.param(
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)),
            Conf(("192.0.2.1", "192.0.2.2", "192.0.2.3")),
            Conf(("192.0.2.1", "192.0.2.2", "192.0.2.3")),
            id="three-servers-at-most",
        ),
        pytest.param(
            "nameserver dns.example\nnameserver 2001:db8::1 # x\n;nameserver 192.0.2.1",
            Conf(("2001:db8::1",)),
            Conf(("2001:db8::1",)),
            id="addresses-only",
        ),
        pytest.param(
            "search a.example\ndomain b.example. c.example\n",
            Conf(LOCAL, ("b.example.",)),
            Conf(LOCAL, ("b.example.", "c.example")),
            id="last-of-search-and-domain-musl-takes-all-words",
        ),
        pytest.param(
            "search a.example\nsearch\n", Conf(LOCAL, ("a.example",)), Conf(LOCAL), id="empty-search-clears-with-musl"
        ),
        pytest.param(
            "search a.example\ndomain",
            Conf(LOCAL, ("a.example",)),
            Conf(LOCAL, ("a.example",)),
            id="keyword-at-the-end-of-the-file",
        ),
        pytest.param("search .\n", Conf(LOCAL, (".",)), Conf(LOCAL, (".",)), id="root"),
        pytest.param(
            "options ndots:99 timeout:99 attempts:99\n",
            Conf(LOCAL, ndots=15, timeout_s=30, attempts=5),
            Conf(LOCAL, ndots=15, timeout_s=60, attempts=10),
            id="maxima",
        ),
        pytest.param(
            "options ndots:x timeout:y attempts:z\n",
            Conf(LOCAL, ndots=0, timeout_s=0, attempts=0),
            Conf(LOCAL),
            id="no-number-is-0-with-glibc",
        ),
        pytest.param(
            "options ndots:-1 timeout:-1 attempts:99999999999999999999\n",
            Conf(LOCAL, ndots=15, timeout_s=-1, attempts=-1),
            Conf(LOCAL, attempts=10),
            id="numbers-as-c-reads-them",
        ),
        pytest.param(
            "options rotate single-request-reopen no_tld_query inet6 debug\n",
            Conf(LOCAL, flags=frozenset(("rotate", "single-request-reopen", "no-tld-query"))),
            Conf(LOCAL),
            id="words-mean-nothing-to-musl",
        ),
        pytest.param(
            "options edns0x use-vcs rotateall\n",
            Conf(LOCAL, flags=frozenset(("edns0", "use-vc", "rotate"))),
            Conf(LOCAL),
            id="options-known-by-how-they-begin",
        ),
        pytest.param("options xndots:3\n", Conf(LOCAL), Conf(LOCAL, ndots=3), id="musl-finds-options-anywhere"),
        pytest.param(
            f"search {'a' * 247}\n", Conf(LOCAL, ("a" * 247,)), Conf(LOCAL, ("a" * 247,)), id="line-of-254-characters"
        ),
        pytest.param(f"search {'a' * 248}\n", Conf(LOCAL, ("a" * 248,)), Conf(LOCAL), id="musl-ignores-a-longer-line"),
        pytest.param(" nameserver 192.0.2.1\n", Conf(LOCAL), Conf(LOCAL), id="not-at-line-start"),
        pytest.param("nameserver\t127.1\n", Conf(("127.1",)), Conf(("127.1",)), id="inet-aton"),
    ],
)
def test_reading(text: str, expected: Conf, musl: Conf) -> None:
    assert glibc(text) == expected
    assert read_musl(text) == musl


@table(
    ("option", "releases"),
    [
        ("use-vc", {"2.25", "2.36", "2.42"}),
        ("trust-ad", {"2.36", "2.42"}),
        ("no-aaaa", {"2.36", "2.42"}),
        ("no-reload", {"2.36", "2.42"}),
        ("strict-error", {"2.42"}),
    ],
)
def test_options_of_releases(option: str, releases: set[str]) -> None:
    text = f"options {option}\n"
    known = {name for name in RELEASES if option in glibc(text, name).flags}
    assert known == releases


def test_a_minus_switches_an_option_off_since_2_41() -> None:
    text = "options edns0 rotate\noptions -edns0\n"
    assert glibc(text, "2.42").flags == {"rotate"}
    assert glibc(text, "2.36").flags == {"rotate", "edns0"}


def test_search_limits_of_old_releases() -> None:
    many = "search " + " ".join(f"d{n}.example" for n in range(8)) + "\n"
    assert len(glibc(many, "2.25").search) == 6
    assert len(glibc(many).search) == 8
    long = "search " + " ".join(f"{c * 60}.{c * 60}" for c in "abc") + "\n"
    assert [len(domain) for domain in glibc(long, "2.25").search] == [121, 121, 11]


@table(
    ("text", "expected"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("1.2.3", "1.2.0.3"),
        ("1.2.65536", None),
        ("1.2.3.4.5", None),
        ("256.1.1.1", None),
        ("08.1.1.1", None),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("web", None),
        ("1.", None),
    ],
)
def test_literal_addresses(text: str, expected: str | None) -> None:
    assert literal_address(text) == expected
