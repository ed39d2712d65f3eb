import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import names
from tests.table import table

labels = st.lists(st.binary(min_size=1, max_size=12), max_size=6)


@table(
    ("raw", "text"),
    [
        pytest.param([], ".", id="root"),
        pytest.param([b"a", b"org"], "a.org.", id="plain"),
        pytest.param([b"_http", b"_tcp"], "_http._tcp.", id="underscores-as-they-are"),
        pytest.param([b"a.b"], r"a\.b.", id="dot-in-a-label"),
        pytest.param([b"a b\n"], r"a\032b\010.", id="space-and-control-as-digits"),
        pytest.param([b"\xff\x1b[31m"], r"\255\027[31m.", id="escape-byte"),
        pytest.param([b'"x"', b"(;@'\\"], r"\"x\".\(\;\@\'\\.", id="signs-of-zone-files"),
        pytest.param([b"<script>"], "<script>.", id="markup-is-plain-text"),
    ],
)
def test_text_of_labels(raw: list[bytes], text: str) -> None:
    assert names.text(raw) == text
    assert names.from_wire(names.to_wire(text)) == text


@given(labels)
def test_wire_and_back(raw: list[bytes]) -> None:
    wire = b"".join(bytes((len(x),)) + x for x in raw) + b"\0"
    text = names.from_wire(wire)
    assert names.to_wire(text) == wire
    assert text.isascii()
    assert text.isprintable()
    assert dns.name.from_text(text).to_wire() == wire
    assert len(names.labels(text)) == len(raw)


@table("text", ["a..b.", ".a.", "x" * 64 + ".", "a", r"\256.", ".".join(["x" * 60] * 5) + "."])
def test_not_a_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names.to_wire(text)


@table(
    ("name", "zone", "below"),
    [
        ("a.cluster.local.", "cluster.local.", True),
        ("cluster.local.", "cluster.local.", True),
        ("xcluster.local.", "cluster.local.", False),
        ("local.", "cluster.local.", False),
        (r"a\.cluster.local.", "cluster.local.", False),
        (r"a\\.cluster.local.", "cluster.local.", True),
        ("anything.", ".", True),
        (r"a\.b.", ".", True),
    ],
)
def test_is_below_goes_by_labels(name: str, zone: str, *, below: bool) -> None:
    assert names.is_below(name, zone) is below
    wire, end = names.to_wire(name), names.to_wire(zone)
    in_oracle = dns.name.from_wire(wire, 0)[0].is_subdomain(dns.name.from_wire(end, 0)[0])
    assert below is in_oracle


def test_longest_zone_wins() -> None:
    zones = (".", "local.", "cluster.local.")
    assert names.longest(zones, "a.cluster.local.") == "cluster.local."
    assert names.longest(zones, "x.org.") == "."
    assert names.longest(("a.org.",), "b.org.") is None


def test_reverse() -> None:
    assert names.reverse("10.96.0.1") == "1.0.96.10.in-addr.arpa."
    assert names.reverse("2001:db8::1").endswith("8.b.d.0.1.0.0.2.ip6.arpa.")


def test_parent() -> None:
    assert names.parent("a.b.org.") == "b.org."
    assert names.parent("org.") == "."
    assert names.parent(".") == "."
    assert names.parent(r"a\.b.org.") == "org."
