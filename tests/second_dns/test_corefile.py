"""Ports, files and periods that each real Corefile needs in its Pod."""

import pytest

from minidns import plugins
from minidns.corefile import releases
from minidns.second_dns import corefile
from minidns.second_dns.corefile import Needs, Port
from minidns.second_dns.session import Refusal
from tests.corefiles import ENVIRON, MOUNT, cases
from tests.table import table
from tests.world import World

REAL = {case.name: case for case in cases("real")}
USUAL = ((53,), Port(8080), Port(8181), Port(9153))
LOCAL = Port(9153, is_local=True)
UNUSUAL = {
    "cce": ((5353,), Port(8080), Port(8081), Port(9153)),
    "crlf": ((53,), None, None, None),
    "gardener": ((8053,), *USUAL[1:]),
    "gardener-rewrites": ((8053,), *USUAL[1:]),
    "helm-zonefiles": ((5300, 53), *USUAL[1:]),
    "kubernetes-e2e": (*USUAL[:3], None),
    "kubespray-nodelocaldns": ((53,), Port(9254), None, Port(9253)),
    "kubespray-zones": ((53, 5300), *USUAL[1:]),
    "microshift": ((5353,), Port(8080), Port(8181), LOCAL),
    "no-braces": ((1053,), None, None, None),
    "nodelocaldns": ((53,), Port(8080), None, Port(9253)),
    "openshift": ((5353,), Port(8080), Port(8181), LOCAL),
    "openshift-servers": ((5353,), Port(8080), Port(8181), LOCAL),
    "views": ((53,), None, None, None),
    "snippets-environment": ((5353,), Port(8080), None, None),
    "vcluster": ((1053,), *USUAL[1:]),
}
LAMEDUCKS = {"ack": 15.0, "gardener": 15.0, "openshift": 20.0, "kind": 5.0, "k0s": 0.0}


def of_real(name: str) -> Needs:
    case = REAL[name]
    return corefile.parse_needs(case.text, f"{MOUNT}/Corefile", case.files, ENVIRON)


@table("name", sorted(REAL))
def test_ports_of_real_corefiles(name: str) -> None:
    found = of_real(name)
    expected = UNUSUAL.get(name, USUAL)
    assert (found.dns, found.health, found.ready, found.metrics) == expected


@table("name", LAMEDUCKS)
def test_lame_ducks_of_real_corefiles(name: str) -> None:
    assert of_real(name).lameduck_s == LAMEDUCKS[name]


def test_variables_and_files_are_those_of_imports_too() -> None:
    assert of_real("cce").variables == {"POD_IP"}
    assert "DNS_PORT" in of_real("snippets-environment").variables
    assert "/etc/coredns/NodeHosts" in of_real("k3s").words
    assert "debug" in of_real("gardener-rewrites").words


def test_a_plugin_that_minidns_lacks_is_refused_with_its_line() -> None:
    with pytest.raises(Refusal, match=r"Corefile:2: plugin/sign: not supported"):
        read(". {\n    sign db.example.org\n}\n")


def read(text: str, **environ: str) -> Needs:
    return corefile.parse_needs(text, "/etc/coredns/Corefile", World().files, environ)


@table(
    ("line", "domain"),
    [
        ("kubernetes cluster.local in-addr.arpa ip6.arpa", "cluster.local"),
        ("kubernetes in-addr.arpa Corp.Example.org.", "corp.example.org"),
        ("kubernetes 10.0.0.0/8 cluster.local", "cluster.local"),
        ("whoami", ""),
    ],
)
def test_domain(line: str, domain: str) -> None:
    assert read(f".:53 {{\n    {line}\n}}\n").domain == domain


def test_domain_of_the_block_where_the_plugin_names_none() -> None:
    assert read("corp.example.org {\n    kubernetes\n}\n").domain == "corp.example.org"


@table(
    ("text", "why"),
    [
        pytest.param(".:53 {\n    bogus\n}\n", "Unknown directive 'bogus'", id="unknown"),
        pytest.param(".:53 {\n    errors\n", "Unexpected EOF|expecting '}'", id="cut"),
        pytest.param("tls://.:853 {\n    whoami\n}\n", "no server block for plain DNS", id="no-dns"),
        pytest.param(".:53 {\n    health :x\n}\n", "health :x: not an address", id="no-port"),
        pytest.param(".:53 {\n    health {\n        lameduck 5\n    }\n}\n", "lameduck", id="unit"),
    ],
)
def test_what_would_not_be_served_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        read(text)


def test_default_port_is_the_flags() -> None:
    found = corefile.parse_needs(". {\n    whoami\n}\n", "/Corefile", World().files, {}, 1053)
    assert found.dns == (1053,)


@table(
    ("address", "is_local"),
    [
        ("127.0.0.1:9153", True),
        ("localhost:9153", True),
        ("[::1]:9153", True),
        (":9153", False),
        ("0.0.0.0:9153", False),
        ("192.0.2.1:9153", False),
    ],
)
def test_what_only_the_pod_itself_can_reach(address: str, is_local: bool) -> None:
    found = read(f".:53 {{\n    prometheus {address}\n}}\n").metrics
    assert found == Port(9153, is_local)


ADDED = {"shed": "1.14.7", "multisocket": "1.12.0", "proxyproto": "1.14.3"}
"""Plugins, and the first release of CoreDNS that has them (its plugin.cfg)."""


@table("release", releases.RELEASES, ids=str)
@table(("name", "since"), ADDED.items(), ids=ADDED)
def test_a_corefile_is_read_as_by_the_release_that_runs(name: str, since: str, release: releases.Release) -> None:
    def read() -> object:
        return corefile.parse_needs(
            f".:53 {{\n    {name}\n    whoami\n}}\n",
            "/etc/coredns/Corefile",
            World().files,
            {},
            release=release,
            for_coredns=True,
        )

    if release >= releases.parse(since):
        assert read()
    else:
        with pytest.raises(Refusal, match=name):
            read()


@table("name", ["health", "ready", "prometheus"])
def test_a_plugin_without_an_address_listens_at_its_default(name: str) -> None:
    text = f".:53 {{\n    {name}\n    whoami\n}}\n"
    found = corefile.parse_needs(text, "Corefile", World().files, {})
    ports = {"health": found.health, "ready": found.ready, "prometheus": found.metrics}
    host, _, port = plugins.find(name).address.rpartition(":")
    assert ports[name] == corefile.Port(int(port), is_local=host == "localhost")
