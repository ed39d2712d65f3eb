from minidns.kubernetes.names import ParsedName, parse
from tests.table import table


@table(
    ("name", "expected"),
    [
        ("ns.svc", ParsedName("svc", "ns")),
        ("s.ns.svc", ParsedName("svc", "ns", "s")),
        ("e.s.ns.svc", ParsedName("svc", "ns", "s", "e")),
        ("_tcp.s.ns.svc", ParsedName("svc", "ns", "s", "_tcp")),
        ("_p._q.s.ns.svc", ParsedName("svc", "ns", "s", port="p", protocol="q")),
        ("p.q.s.ns.svc", ParsedName("svc", "ns", "s", port="p", protocol="q")),
        ("__p._.s.ns.svc", ParsedName("svc", "ns", "s", port="_p")),
        ("x.p.q.s.ns.svc", None),
        ("a.ns.pod", ParsedName("pod", "ns", "a")),
        ("x.y.a.ns.pod", ParsedName("pod", "ns", "a", port="x", protocol="y")),
        ("x.y.z.a.ns.pod", None),
    ],
)
def test_parse(name: str, expected: ParsedName | None) -> None:
    assert parse(name.split(".")) == expected


@table(
    ("name", "expected"),
    [
        ("e.c.s.ns.svc", ParsedName("svc", "ns", "s", "e", "c")),
        ("_p.q.s.ns.svc", ParsedName("svc", "ns", "s", port="p", protocol="q")),
        ("p._q.s.ns.svc", ParsedName("svc", "ns", "s", port="p", protocol="q")),
        ("e.s.ns.svc", ParsedName("svc", "ns", "s", "e")),
    ],
)
def test_multicluster(name: str, expected: ParsedName | None) -> None:
    assert parse(name.split("."), multicluster=True) == expected


@table(
    ("name", "expected"),
    [
        ("z.pin._zone.s.ns.svc", ParsedName("svc", "ns", "s", directive="pin", zone="z")),
        ("a.b.pin._zone.s.ns.svc", ParsedName("svc", "ns", "s", directive="pin", zone="a.b")),
        ("z._zone.s.ns.svc", ParsedName("svc", "ns", "s", port="z", protocol="zone")),
        ("z.pin.zone.s.ns.svc", None),
        ("z.pin._zone.s.ns.pod", None),
    ],
)
def test_zonal(name: str, expected: ParsedName | None) -> None:
    assert parse(name.split("."), zonal=True) == expected


@table("name", ["p.q", "_p.q", "p._q", "_._q", "_p._"])
def test_strict_wants_both_underscores(name: str) -> None:
    assert parse(f"{name}.s.ns.svc".split("."), strict=True) is None
