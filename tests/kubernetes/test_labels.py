from minidns.kubernetes.integrations import metadata_labels
from tests.kubernetes.made import Cluster, pod
from tests.table import table
from tests.world import query

CLUSTER = Cluster((pod("a/p", "192.0.2.53"),), "pods verified; zonal")
SVC = "svc.cluster.local"


@table(
    ("name", "expected"),
    [
        (f"_http._tcp.web.prod.{SVC}", "service=web namespace=prod kind=svc port-name=http protocol=tcp"),
        (f"e.web.prod.{SVC}", "endpoint=e service=web namespace=prod kind=svc"),
        (f"prod.{SVC}", "namespace=prod kind=svc"),
        ("1-2-3-4.prod.pod.cluster.local", "service=1-2-3-4 namespace=prod kind=pod"),
        (f"z.pin._zone.h.prod.{SVC}", "service=h namespace=prod kind=svc zone=z"),
        (SVC, ""),
        ("cluster.local", ""),
        ("foo.cluster.local", "parse-error=invalid query name"),
        (f"a.b.c.web.prod.{SVC}", "parse-error=invalid query name"),
        ("example.org", ""),
    ],
)
def test_labels(name: str, expected: str) -> None:
    asked = query(name, peer="192.0.2.99")
    found = {
        label.removeprefix("kubernetes/"): find(asked, None) for label, find in metadata_labels(CLUSTER.answers).items()
    }
    said = [f"{label}={value}" for label, value in found.items() if value]
    assert " ".join(said) == expected


def test_who_asks() -> None:
    asked = query("example.org", peer="192.0.2.53")
    known = metadata_labels(CLUSTER.answers)
    assert known["kubernetes/client-namespace"](asked, None) == "a"
    assert known["kubernetes/client-pod-name"](asked, None) == "p"
