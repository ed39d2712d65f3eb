from minidns.dns.rdata import AAAA, A
from minidns.kubernetes.names import dashed, endpoint_name, is_reverse, pod_address, record_of, reversed_address
from tests.kubernetes.made import endpoint
from tests.table import table


@table(
    ("host", "expected"),
    [
        ("10.0.0.1", (A, bytes((10, 0, 0, 1)))),
        ("fd00::1", (AAAA, b"\xfd" + bytes(14) + b"\1")),
        ("::ffff:10.0.0.1", (A, bytes((10, 0, 0, 1)))),
        ("::ffff:a00:1", (A, bytes((10, 0, 0, 1)))),
        ("::", (AAAA, bytes(16))),
        ("10.0.0.01", None),
        ("10.0.0.256", None),
        ("10.0.0", None),
        ("10.0.0.1.", None),
        ("fe80::1%eth0", None),
        ("1:2:3:4:5:6:7:8::", None),
        ("00001::", None),
        ("web.example.org", None),
        ("", None),
        ("10.0.0.1\0", None),
        ("\udcff", None),
        ("\uff11.1.1.1", None),
    ],
)
def test_record_of(host: str, expected: tuple[int, bytes] | None) -> None:
    assert record_of(host) == expected


@table(
    ("address", "label"),
    [
        ("10.0.0.1", "10-0-0-1"),
        ("fd00:1::5", "fd00-1--5"),
        ("fd00:1::", "fd00-1--0"),
        ("::", "--0"),
        ("::ffff:10.0.0.1", "::ffff:10-0-0-1"),
        ("db.example.org", "db-example-org"),
    ],
)
def test_dashed(address: str, label: str) -> None:
    assert dashed(address) == label


@table(
    ("text", "pod_names", "label"),
    [
        ("10.0.0.1=h@p", True, "h"),
        ("10.0.0.1@p", True, "p"),
        ("10.0.0.1@p", False, "10-0-0-1"),
        ("10.0.0.1", True, "10-0-0-1"),
        (f"10.0.0.1@{'p' * 63}", True, "p" * 63),
        (f"10.0.0.1@{'p' * 64}", True, "10-0-0-1"),
    ],
)
def test_endpoint_name(text: str, pod_names: bool, label: str) -> None:
    assert endpoint_name(endpoint(text), pod_names) == label


@table(
    ("label", "address"),
    [("10-0-0-1", "10.0.0.1"), ("10--0-1", "10::0:1"), ("fd00--1", "fd00::1"), ("1-2-3", "1:2:3"), ("web", "web")],
)
def test_pod_address(label: str, address: str) -> None:
    assert pod_address(label) == address


SIX = "1" + ".0" * 30 + ".f"


@table(
    ("name", "address"),
    [
        ("1.0.96.10.in-addr.arpa.", "10.96.0.1"),
        ("0.96.10.in-addr.arpa.", ""),
        ("9.1.0.96.10.in-addr.arpa.", ""),
        ("01.0.96.10.in-addr.arpa.", ""),
        ("256.0.96.10.in-addr.arpa.", ""),
        ("x.0.96.10.in-addr.arpa.", ""),
        ("in-addr.arpa.", ""),
        (f"{SIX}.ip6.arpa.", "f000::1"),
        (f"x.x.x.{SIX}.ip6.arpa.", "f000::1"),
        (f"x.x.x.x.{SIX}.ip6.arpa.", ""),
        (f"{SIX[2:]}.ip6.arpa.", ""),
        (f"g{SIX[1:]}.ip6.arpa.", ""),
        (f"11{SIX[1:]}.ip6.arpa.", ""),
        ("ip6.arpa.", ""),
        ("web.cluster.local.", ""),
    ],
)
def test_reversed_address(name: str, address: str) -> None:
    assert reversed_address(name) == address


def test_strict_reads_32_nibbles_and_no_mapped_addresses() -> None:
    assert reversed_address(f"{SIX}.ip6.arpa.", strict=True) == "f000::1"
    assert not reversed_address(f"x.{SIX}.ip6.arpa.", strict=True)
    mapped = "1.0.0.0.0.0.a.0.f.f.f.f" + ".0" * 20 + ".ip6.arpa."
    assert reversed_address(mapped) == "10.0.0.1"
    assert ":" in reversed_address(mapped, strict=True)


def test_the_bare_trees_are_not_below_themselves() -> None:
    assert is_reverse("10.in-addr.arpa.")
    assert is_reverse("d.f.ip6.arpa.")
    assert not is_reverse("in-addr.arpa.")
    assert not is_reverse("cluster.local.")
