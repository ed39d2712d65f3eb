"""Names from objects meet names from queries whatever the case of their letters.

CoreDNS 1.14.7 compares endpoint names, ports, protocols and cluster ids so; keys of
objects and addresses are compared as they are.
"""

from minidns.kubernetes.objects import Object
from tests.kubernetes import made
from tests.table import table

ZONE = "cluster.local"
HEADLESS = made.service("a/h", "None", "Web:80/tcp")
SLICES: dict[str, tuple[Object, str]] = {
    "address": (made.slice_of("a/h", "2001:DB8::A"), "2001-db8--a"),
    "hostname": (made.slice_of("a/h", "10.1.0.1=Db-0"), "db-0"),
    "pod-name": (made.slice_of("a/h", "10.1.0.1@Web-7F"), "web-7f"),
    "host-name-as-address": (made.slice_of("a/h", "Db.Example.org"), "db-example-org"),
}
PORTS = {"port": "Web:80", "protocol": "web:80/tcp", "both": "WEB:80/Tcp"}


def cluster(one: Object, body: str = "endpoint_pod_names") -> made.Cluster:
    return made.Cluster([made.namespace("a"), HEADLESS, one], body)


@table(("one", "label"), SLICES.values(), ids=SLICES)
@table("case", [str.lower, str.upper])
def test_an_endpoint_has_the_name_that_its_srv_gives(one: Object, label: str, case: object) -> None:
    assert callable(case)
    there = cluster(one)
    found = there.ask(case(f"{label}.h.a.svc.{ZONE}"), "SRV")
    assert found.startswith(f"{label}.h.a.svc.{ZONE}. 5 SRV 0 100 8080 ") or (
        "example" in label and found == "NODATA"  # a name is not given in SRV
    )


@table("name", ["address", "hostname", "pod-name"])
def test_every_target_of_an_srv_has_an_address(name: str) -> None:
    there = cluster(SLICES[name][0])
    first, *_ = there.ask(f"h.a.svc.{ZONE}", "SRV").splitlines()
    target = first.split()[-1]
    found = [qtype for qtype in ("A", "AAAA") if f" {qtype} " in there.ask(target, qtype)]
    assert len(found) == 1


@table("ports", PORTS.values(), ids=PORTS)
@table("strict", ["", "strict"])
@table("ips", ["None", "10.96.0.1"])
def test_ports_and_protocols(ports: str, strict: str, ips: str) -> None:
    objects: list[Object] = [
        made.namespace("a"),
        made.service("a/h", ips, ports),
        made.slice_of("a/h", "10.1.0.1", ports),
    ]
    there = made.Cluster(objects, strict)
    assert " SRV 0 100 80 " in there.ask(f"_WEB._TCP.h.a.svc.{ZONE}", "SRV")
    if strict:
        assert there.ask(f"_tcp.h.a.svc.{ZONE}") == "NODATA"


def test_cluster_ids() -> None:
    one = made.slice_of("a/h", "10.1.0.1=Db-0", cluster="East-1")
    there = made.Cluster(
        [made.namespace("a")],
        "multicluster clusterset.local",
        f"{made.ZONES} clusterset.local",
        imports=[made.imported("a/h"), one],
    )
    name = "db-0.east-1.h.a.svc.clusterset.local"
    assert there.ask(name) == f"{name}. 5 A 10.1.0.1"
    assert there.ask("db-0.west.h.a.svc.clusterset.local") == "NXDOMAIN"


def test_zones() -> None:
    one = made.slice_of("a/h", "10.1.0.1%Eu-West-1A 10.1.0.2%eu-west-1b")
    there = cluster(one, "zonal")
    name = f"eu-west-1a.pin._zone.h.a.svc.{ZONE}"
    assert there.ask(name) == f"{name}. 5 A 10.1.0.1"


def test_addresses_of_pods_are_compared_as_they_are() -> None:
    objects: list[Object] = [made.namespace("a"), made.pod("a/p", "2001:DB8::A")]
    there = made.Cluster(objects, "pods verified")
    assert there.ask(f"2001-db8--a.a.pod.{ZONE}", "AAAA") == "NXDOMAIN"
