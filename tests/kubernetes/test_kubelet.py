import dataclasses

import pytest

from minidns.kubernetes.kubelet import Node, ResolvConf, parse, resolv_conf
from sim.api.objects import Json
from tests.table import table

NODE = Node(
    cluster_dns=("10.96.0.10",),
    resolv_conf="search example.org example.net.\n"
    "nameserver 192.0.2.53\nnameserver 192.0.2.54\noptions timeout:2 rotate\n",
)
HOST = "search example.org example.net\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions timeout:2 rotate\n"
CLUSTER = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local "
    "example.org example.net\n"
    "nameserver 10.96.0.10\n"
    "options ndots:5\n"
)


def pod(policy: str | None = "ClusterFirst", **spec: object) -> Json:
    named = {} if policy is None else {"dnsPolicy": policy}
    return {"metadata": {"namespace": "shop", "name": "p"}, "spec": {**named, **spec}}


@table(
    ("policy", "host_network", "expected"),
    [
        pytest.param("Default", False, HOST, id="default-is-the-nodes-file"),
        pytest.param("ClusterFirst", False, CLUSTER, id="cluster-first"),
        pytest.param(None, False, CLUSTER, id="no-policy-is-cluster-first"),
        pytest.param("ClusterFirst", True, HOST, id="cluster-first-on-host-network"),
        pytest.param("Default", True, HOST, id="default-on-host-network"),
        pytest.param("ClusterFirstWithHostNet", True, CLUSTER, id="cluster-first-with-host-net"),
        pytest.param("ClusterFirstWithHostNet", False, CLUSTER, id="with-host-net-off-it"),
        pytest.param("Bogus", False, CLUSTER, id="unknown-policy-is-cluster-first"),
    ],
)
def test_policy(policy: str | None, host_network: bool, expected: str) -> None:
    assert resolv_conf(pod(policy, hostNetwork=host_network), NODE) == expected


def test_what_a_kind_pod_has_in_its_file() -> None:
    node = Node(resolv_conf="nameserver 192.0.2.53\noptions ndots:0\n")
    default = {"metadata": {"namespace": "default", "name": "p"}, "spec": {}}
    assert resolv_conf(default, node) == (
        "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )


@table(
    ("policy", "config", "expected"),
    [
        pytest.param("None", {"nameservers": ["10.96.0.20"]}, "nameserver 10.96.0.20\n", id="none-starts-empty"),
        pytest.param(
            "None",
            {
                "nameservers": ["10.96.0.20"],
                "searches": ["svc.cluster.local"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
            },
            "search svc.cluster.local\nnameserver 10.96.0.20\noptions ndots:2 edns0\n",
            id="none-with-everything",
        ),
        pytest.param("None", {}, NODE.resolv_conf, id="empty-is-the-runtimes-choice"),
        pytest.param(
            "ClusterFirst",
            {"nameservers": ["10.96.0.20", "10.96.0.10"]},
            CLUSTER.replace("10.96.0.10\n", "10.96.0.10\nnameserver 10.96.0.20\n"),
            id="nameservers-added-once-each",
        ),
        pytest.param(
            "ClusterFirst",
            {"searches": ["example.net", "lab.example.org"]},
            CLUSTER.replace("example.net", "example.net lab.example.org"),
            id="searches-added-once-each",
        ),
        pytest.param(
            "ClusterFirst",
            {"options": [{"name": "ndots", "value": "1"}]},
            CLUSTER.replace("ndots:5", "ndots:1"),
            id="option-overrides",
        ),
        pytest.param(
            "ClusterFirst",
            {"options": [{"name": "timeout", "value": "1"}, {"name": "ndots"}]},
            CLUSTER.replace("ndots:5", "ndots timeout:1"),
            id="option-without-value-overrides-too",
        ),
        pytest.param("Default", {"options": [{"name": "rotate", "value": ""}]}, HOST, id="empty-value-is-no-value"),
        pytest.param(
            "Default",
            {"nameservers": ["192.0.2.55", "192.0.2.56"]},
            HOST.replace("192.0.2.54\n", "192.0.2.54\nnameserver 192.0.2.55\n"),
            id="three-nameservers-at-most",
        ),
    ],
)
def test_dns_config(policy: str, config: Json, expected: str) -> None:
    assert resolv_conf(pod(policy, dnsConfig=config), NODE) == expected


def searches(text: str) -> list[str]:
    return text.splitlines()[0].split()[1:]


@pytest.mark.parametrize(
    ("added", "kept"),
    [
        pytest.param([f"d{i}.example" for i in range(40)], 27, id="32-domains"),
        pytest.param(["x" * 253, "y" * 254, "z"], 2, id="253-characters-each"),
    ],
)
def test_search_limits(added: list[str], kept: int) -> None:
    text = resolv_conf(pod(dnsConfig={"searches": added}), NODE)
    assert len(searches(text)) == 5 + kept


def test_search_limit_counts_every_character() -> None:
    before = len(" ".join(searches(CLUSTER)))
    domains = [f"{i:0200}" for i in range(9)]
    room = 2048 - before - 9 * 201 - 1
    exact = [*domains, "b" * room]
    fits = resolv_conf(pod(dnsConfig={"searches": exact}), NODE)
    assert len(" ".join(searches(fits))) == 2048
    longer = [*domains, "b" * (room + 1)]
    cut = resolv_conf(pod(dnsConfig={"searches": longer}), NODE)
    assert searches(cut)[5:] == domains


@table(
    ("node", "policy", "expected"),
    [
        pytest.param({"cluster_dns": ()}, "ClusterFirst", HOST, id="no-cluster-dns-is-default"),
        pytest.param(
            {"cluster_dns": ("10.96.0.10", "10.96.0.20")},
            "ClusterFirst",
            CLUSTER.replace("10.96.0.10\n", "10.96.0.10\nnameserver 10.96.0.20\n"),
            id="two-cluster-dns",
        ),
        pytest.param(
            {"cluster_domain": ""},
            "ClusterFirst",
            "search example.org example.net\nnameserver 10.96.0.10\noptions ndots:5\n",
            id="no-cluster-domain",
        ),
        pytest.param(
            {"cluster_domain": "k8s.example"},
            "ClusterFirst",
            CLUSTER.replace("cluster.local", "k8s.example"),
            id="other-cluster-domain",
        ),
        pytest.param({"resolv_conf": None}, "Default", "search .\nnameserver 127.0.0.1\n", id="no-resolv-conf-flag"),
        pytest.param(
            {"resolv_conf": None, "addresses": ("2001:db8::1", "192.0.2.1")},
            "Default",
            "search .\nnameserver ::1\nnameserver 127.0.0.1\n",
            id="no-resolv-conf-flag-families",
        ),
        pytest.param(
            {"resolv_conf": None},
            "ClusterFirst",
            CLUSTER.replace(" example.org example.net", ""),
            id="no-resolv-conf-flag-cluster-first",
        ),
        pytest.param({"resolv_conf": ""}, "Default", "", id="empty-file-stays-empty"),
    ],
)
def test_node(node: dict[str, object], policy: str, expected: str) -> None:
    changed = dataclasses.replace(NODE, **node)  # type: ignore[arg-type]  # a table
    assert resolv_conf(pod(policy), changed) == expected


@table(
    ("text", "expected"),
    [
        pytest.param("", ResolvConf(), id="empty"),
        pytest.param(
            "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n  nameserver 192.0.2.3 x\n",
            ResolvConf(("192.0.2.3",)),
            id="comments-and-blanks",
        ),
        pytest.param(
            "search a.example\nsearch b.example. . c.example\n",
            ResolvConf((), ("b.example", "c.example")),
            id="last-search-counts-final-dot-and-root-go",
        ),
        pytest.param(
            "options ndots:2 rotate\noptions ndots:3\n", ResolvConf((), (), ("ndots:3", "rotate")), id="options-add-up"
        ),
        pytest.param("domain a.example\n", ResolvConf(), id="domain-is-passed-over"),
    ],
)
def test_parse(text: str, expected: ResolvConf) -> None:
    assert parse(text) == expected


def test_nameserver_without_address_keeps_the_pod_from_starting() -> None:
    with pytest.raises(ValueError, match="nameserver list is empty"):
        resolv_conf(pod(), Node(resolv_conf="nameserver\n"))
