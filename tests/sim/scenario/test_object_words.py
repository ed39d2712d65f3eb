import pytest

from sim.api.objects import Json, dig
from sim.controllers.cluster import Cluster
from sim.scenario import object_words
from tests.table import table


@table(
    ("words", "path", "value"),
    [
        ("policy Default", "spec.dnsPolicy", "Default"),
        ("nameserver 192.0.2.1 nameserver 192.0.2.2", "spec.dnsConfig.nameservers", ["192.0.2.1", "192.0.2.2"]),
        ("search example.org", "spec.dnsConfig.searches", ["example.org"]),
        ("option ndots:1 option rotate", "spec.dnsConfig.options", [{"name": "ndots", "value": "1"}, {"name": "rotate"}]),
        ("libc musl", "metadata.annotations", {"sim/libc": "musl"}),
        ("labels app=db,tier=back", "metadata.labels", {"app": "db", "tier": "back"}),
        ("hostname db-0", "spec.hostname", "db-0"),
        ("subdomain db", "spec.subdomain", "db"),
        ("ip 10.244.1.10", "metadata.annotations", {"sim/ip": "10.244.1.10"}),
        ("ready no", "metadata.annotations", {"sim/ready": "false"}),
        ("hostnetwork yes", "spec.hostNetwork", True),
    ],
)  # fmt: skip
def test_words_of_a_pod(words: str, path: str, value: object) -> None:
    obj = object_words.pod(("shop", "client"), words.split())
    assert dig(obj, path) == value
    assert obj["metadata"]["namespace"] == "shop"


@table(
    ("words", "spec"),
    [
        ("ip None", {"clusterIP": "None"}),
        ("port http:80", {"ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}),
        ("port 53/UDP", {"ports": [{"port": 53, "protocol": "UDP"}]}),
        ("select app=web", {"selector": {"app": "web"}}),
        ("external www.example.org", {"type": "ExternalName", "externalName": "www.example.org"}),
        ("publish not-ready", {"publishNotReadyAddresses": True}),
    ],
)  # fmt: skip
def test_words_of_a_service(words: str, spec: Json) -> None:
    assert object_words.service(("shop", "web"), words.split())["spec"] == spec


@table(
    ("words", "said"),
    [
        ("colour red", "colour: not one of policy,"),
        ("policy", "policy needs a value"),
        ("libc uclibc", "libc uclibc: not one of"),
        ("ready perhaps", "ready perhaps is not yes or no"),
        ("hostnetwork 1", "hostnetwork 1 is not yes or no"),
    ],
)
def test_what_a_pod_cannot_be(words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        object_words.pod(("shop", "client"), words.split())


@table(("words", "said"), [("port http", "port http"), ("publish always", "not-ready"), ("policy x", "not one of ip,")])
def test_what_a_service_cannot_be(words: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        object_words.service(("shop", "web"), words.split())


def test_putting_makes_the_namespace_and_changes_what_is_there() -> None:
    cluster = Cluster()
    object_words.put(cluster, object_words.service(("shop", "web"), ["port", "http:80"]))
    assert cluster.find("Namespace", "", "shop")
    address = dig(cluster.get("Service", "shop", "web"), "spec.clusterIP")
    object_words.put(cluster, object_words.service(("shop", "web"), ["port", "http:81"]))
    changed = cluster.get("Service", "shop", "web")
    assert dig(changed, "spec.clusterIP") == address
    assert changed["spec"]["ports"][0]["port"] == 81
