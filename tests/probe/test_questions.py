"""Questions from lists, from CoreDNS's log, and from Services."""

import dns.reversename
import pytest

from minidns.dns.model import Question
from minidns.probe.questions import WrongLine, from_list, from_log, of_service
from tests.table import table

LISTS = [
    ("a.test", [("a.test.", 1), ("a.test.", 28)]),
    ("A.Test.", [("a.test.", 1), ("a.test.", 28)]),
    ("a.test SRV\n\n# none\n", [("a.test.", 33)]),
    ("a.test srv", [("a.test.", 33)]),
    ("a.test TYPE65", [("a.test.", 65)]),
    ("a.test A\nb.test A\na.test A", [("a.test.", 1), ("b.test.", 1)]),
    ("", []),
]
WRONG = ["a.test A b", "a.test NOTYPE", "a..test", f"{'x' * 64}.test", f"{'x.' * 130}test"]
LOG = """\
[INFO] 10.244.0.7:35342 - 41234 "A IN google.com. udp 28 false 512" NOERROR qr,rd,ra 106 0.03s
[INFO] 10.244.0.7:35342 - 41235 "AAAA IN Google.com. tcp 28 true 1232" NOERROR qr 106 0.03s "QUERY"
[INFO] [fd00::1]:35342 - 1 "SRV IN _x._tcp.a.svc.cluster.local. udp6 28 false 512" NXDOMAIN qr 1 1s
[INFO] plugin/reload: Running configuration SHA512 = abc
[INFO] 10.244.0.7:35342 - 41234 "A IN google.com. udp 28 false 512" NOERROR qr,rd,ra 106 0.03s
[ERROR] plugin/errors: 2 x.test. A: read udp 10.0.0.1:5->10.0.0.2:53: i/o timeout
"""


@table(("text", "expected"), LISTS)
def test_a_list_has_a_name_or_a_name_and_a_type_in_each_line(text: str, expected: list[tuple[str, int]]) -> None:
    found = list(from_list(text.splitlines(), ("A", "AAAA"), "names.txt"))
    assert found == [Question(*each) for each in expected]


@table("line", WRONG)
def test_a_wrong_line_is_named_by_file_and_number(line: str) -> None:
    with pytest.raises(WrongLine) as caught:
        list(from_list(["good.test", line], ("A",), "names.txt"))
    assert str(caught.value).startswith("names.txt:2: ")


def test_the_log_of_coredns_has_a_query_in_each_line_of_the_log_plugin() -> None:
    assert list(from_log(LOG.splitlines())) == [
        Question("google.com.", 1),
        Question("google.com.", 28),
        Question("_x._tcp.a.svc.cluster.local.", 33),
    ]


def test_a_service_is_asked_for_by_name_port_and_address() -> None:
    service = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "clusterIPs": ["10.96.0.9", "fd00::9"],
            "ports": [{"name": "http", "port": 80}, {"port": 9, "protocol": "UDP"}],
        },
    }
    assert list(of_service(service, "cluster.local.")) == [
        Question("web.shop.svc.cluster.local.", 1),
        Question("web.shop.svc.cluster.local.", 28),
        Question("_http._tcp.web.shop.svc.cluster.local.", 33),
        Question("9.0.96.10.in-addr.arpa.", 12),
        Question(dns.reversename.from_address("fd00::9").to_text(), 12),
    ]


def test_a_headless_service_has_no_reverse_name() -> None:
    service = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]}}
    types = [asked.qtype for asked in of_service(service, "cluster.local.")]
    assert types == [1, 28]
