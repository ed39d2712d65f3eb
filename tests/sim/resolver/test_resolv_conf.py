import pytest

from sim.resolver.resolv_conf import GLIBC, MUSL, Conf, Reading

CLUSTER_FIRST = (
    "search default.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 10.96.0.10\n"
    "options ndots:5\n"
)


@pytest.mark.parametrize("reading", [GLIBC, MUSL], ids=["glibc", "musl"])
def test_both_read_the_file_of_a_pod_alike(reading: Reading) -> None:
    assert reading.conf(CLUSTER_FIRST) == Conf(
        ("10.96.0.10",),
        ("default.svc.cluster.local", "svc.cluster.local", "cluster.local"),
        ndots=5,
    )


LOCAL = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("text", "glibc", "musl"),
    [
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
            Conf(LOCAL, ("b.example",)),
            Conf(LOCAL, ("b.example",)),
            id="last-of-search-and-domain",
        ),
        pytest.param("search .\n", Conf(LOCAL, (".",)), Conf(LOCAL, (".",)), id="root"),
        pytest.param(
            "options ndots:99 timeout:99 attempts:99\n",
            Conf(LOCAL, ndots=15, timeout_s=30, attempts=5),
            Conf(LOCAL, ndots=15, timeout_s=60, attempts=10),
            id="caps",
        ),
        pytest.param(
            "options rotate single-request-reopen ndots:x\n",
            Conf(
                LOCAL, flags=frozenset(("rotate", "single-request-reopen", "ndots:x"))
            ),
            Conf(LOCAL),
            id="flags-mean-nothing-to-musl",
        ),
        pytest.param(
            f"search {'a' * 247}\n",
            Conf(LOCAL, ("a" * 247,)),
            Conf(LOCAL, ("a" * 247,)),
            id="line-of-254-characters",
        ),
        pytest.param(
            f"search {'a' * 248}\n",
            Conf(LOCAL, ("a" * 248,)),
            Conf(LOCAL),
            id="musl-passes-a-longer-line-over",
        ),
        pytest.param(
            " nameserver 192.0.2.1\n", Conf(LOCAL), Conf(LOCAL), id="not-at-line-start"
        ),
    ],
)
def test_reading(text: str, glibc: Conf, musl: Conf) -> None:
    assert GLIBC.conf(text) == glibc
    assert MUSL.conf(text) == musl
