"""Pods of a second DNS in clusters that are not kubeadm's."""

from typing import NamedTuple

import pytest

from minidns.second_dns import corefile, manifests, preflight, running
from minidns.second_dns.manifests import Wishes
from minidns.second_dns.running import selects
from sim.api.objects import Json, dig
from sim.api.objects import clone as copy_of
from sim.node.kind_corefile import KIND
from tests.corefiles import cases
from tests.process import mentions
from tests.second_dns.world import SYSTEM, cluster, desk, kubeadm
from tests.table import table

REAL = {case.name: case.text for case in cases("real")}
WISHES = Wishes("kube-dns-2", "10.96.0.20", "example/minidns", 2)


class Made(NamedTuple):
    service: Json
    deployment: Json
    budget: Json
    notes: list[str]

    @property
    def pod(self) -> Json:
        found: Json = dig(self.deployment, "spec.template.spec")
        return found

    @property
    def container(self) -> Json:
        (found,) = self.pod["containers"]
        return dict(found)

    def ports(self) -> dict[str, int]:
        return {p["name"]: p["containerPort"] for p in self.container["ports"]}

    def mounts(self) -> dict[str, Json]:
        """Path to volume."""
        volumes = {v["name"]: v for v in self.pod["volumes"]}
        return {m["mountPath"]: volumes[m["name"]] for m in self.container["volumeMounts"]}


async def made(dns: list[Json]) -> Made:
    async with desk(cluster(dns=dns)) as at:
        service = await running.find_service(at.session.api, SYSTEM)
        server = await running.read_server(at.session.api, service)
    found = corefile.read_needs(server)
    service, deployment, budget = manifests.objects(server, found, WISHES)
    return Made(service, deployment, budget, list(preflight.differences(server, found, WISHES)))


def changed(corefile: str = KIND, **more: object) -> list[Json]:
    """Return kubeadm's DNS with this Corefile and these fields of its pods."""
    dns = copy_of({"all": kubeadm(corefile)})["all"]
    pod = dns[3]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for name, value in more.items():
        (container if name in CONTAINER else pod)[name] = value
    return list(dns)


CONTAINER = ("env", "volumeMounts", "resources", "livenessProbe", "ports")


async def test_kubeadm() -> None:
    found = await made(kubeadm())
    pod = found.pod
    assert found.notes == []
    assert pod["tolerations"][0] == {"key": "CriticalAddonsOnly", "operator": "Exists"}
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert pod["serviceAccountName"] == "coredns"
    assert pod["dnsPolicy"] == "Default"
    assert pod["terminationGracePeriodSeconds"] == 30
    assert found.deployment["spec"]["replicas"] == 2
    assert found.container["image"] == "example/minidns"
    assert found.container["args"] == [
        *("-conf", "/etc/coredns/Corefile"),
        *("-as", "1.14.2"),  # the tag of the image
    ]
    assert found.container["resources"]["limits"] == {"memory": "170Mi"}
    assert found.mounts()["/etc/coredns"]["configMap"] == {"name": "coredns"}, "whole"
    assert found.container["livenessProbe"] == {
        "httpGet": {"path": "/health", "port": "health", "scheme": "HTTP"},
        "initialDelaySeconds": 60,
        "timeoutSeconds": 5,
        "failureThreshold": 5,
    }
    assert "periodSeconds" not in found.container["readinessProbe"]


async def test_labels_of_its_own_everywhere() -> None:
    found = await made(kubeadm())
    own = {"k8s-app": "kube-dns-2"}
    for obj in found[:3]:
        assert own.items() <= obj["metadata"]["labels"].items()
    assert found.service["spec"]["selector"] == own
    assert dig(found.deployment, "spec.selector.matchLabels") == own
    assert dig(found.budget, "spec.selector.matchLabels") == own
    labels = dig(found.deployment, "spec.template.metadata.labels")
    assert own.items() <= labels.items()
    terms = dig(found.pod, "affinity.podAntiAffinity")["preferredDuringSchedulingIgnoredDuringExecution"]
    (spread,) = found.pod["topologySpreadConstraints"]
    for selector in (terms[0]["podAffinityTerm"]["labelSelector"], spread["labelSelector"]):
        assert selects(selector, own)
        assert not selects(selector, {"k8s-app": "kube-dns"})
    assert "kube-dns'" not in repr(found[:3]).replace("kube-system/kube-dns'", "")


PORTS = {
    "gardener": {"dns": 8053, "dns-tcp": 8053, "metrics": 9153, "health": 8080, "ready": 8181},
    "openshift": {"dns": 5353, "dns-tcp": 5353, "health": 8080, "ready": 8181},
    "cce": {"dns": 5353, "dns-tcp": 5353, "metrics": 9153, "health": 8080, "ready": 8081},
    "vcluster": {"dns": 1053, "dns-tcp": 1053, "metrics": 9153, "health": 8080, "ready": 8181},
    "kubernetes-e2e": {"dns": 53, "dns-tcp": 53, "health": 8080, "ready": 8181},
}  # fmt: skip


@table("name", PORTS)
async def test_ports_and_probes_follow_the_corefile(name: str) -> None:
    dns = changed(REAL[name], env=[{"name": "POD_IP", "value": "192.0.2.7"}])
    number = PORTS[name]["dns"]
    for port in dns[2]["spec"]["ports"][:2]:
        port["targetPort"] = number
    found = await made(dns)
    assert found.ports() == PORTS[name]
    assert ("metrics" in PORTS[name]) == ("prometheus.io/port" in repr(found.service))
    names = {p["targetPort"] for p in found.service["spec"]["ports"]}
    assert names == set(PORTS[name]) - {"health", "ready"}
    for probe in ("livenessProbe", "readinessProbe"):
        assert found.container[probe]["httpGet"]["port"] in PORTS[name]
    sysctls = dig(found.pod, "securityContext.sysctls")
    assert bool(sysctls) == (number < 1024)


async def test_lame_duck_fits_into_the_grace_period() -> None:
    found = await made(changed(REAL["openshift"].replace("20s", "45s")))
    assert found.pod["terminationGracePeriodSeconds"] == 55
    assert "prometheus" in "\n".join(found.notes)


async def test_without_health_and_ready_nothing_is_probed() -> None:
    found = await made(changed(".:53 {\n    whoami\n}\n"))
    assert "livenessProbe" not in found.container
    assert "readinessProbe" not in found.container
    said = "\n".join(found.notes)
    assert "health" in said
    assert "ready" in said
    assert "9153/TCP" in said


VARIABLE = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
API = {"name": "KUBERNETES_SERVICE_HOST", "value": "api.example.org"}


async def test_environment_is_what_the_corefile_names() -> None:
    env = [VARIABLE, {"name": "GOMEMLIMIT", "value": "160MiB"}, API]
    found = await made(changed(REAL["cce"], env=env))
    assert found.container["env"] == [VARIABLE, API]
    found = await made(changed(REAL["kind"], env=env))
    assert found.container["env"] == [API]


async def test_a_variable_that_nobody_sets_is_told() -> None:
    text = ".:53 {\n    bind {$POD_IP} 0.0.0.0\n    health\n    ready\n}\n"
    found = await made(changed(text))
    said = "the Corefile names POD_IP, which kube-dns's environment has not either"
    assert said in found.notes


def volumes(*more: Json) -> Json:
    config = {"name": "config-volume", "configMap": {"name": "coredns"}}
    mount = {"name": "config-volume", "mountPath": "/etc/coredns"}
    return {
        "volumes": [config, *(each["volume"] for each in more)],
        "volumeMounts": [mount, *(each["mount"] for each in more)],
    }


CUSTOM = {
    "volume": {"name": "custom", "configMap": {"name": "coredns-custom", "optional": True}},
    "mount": {"name": "custom", "mountPath": "/etc/coredns/custom", "readOnly": True},
}
HOSTS = {
    "volume": {"name": "hosts", "hostPath": {"path": "/etc/hosts", "type": "File"}},
    "mount": {"name": "hosts", "mountPath": "/rootfs/etc/hosts"},
}
SCRATCH = {"volume": {"name": "tmp", "emptyDir": {}}, "mount": {"name": "tmp", "mountPath": "/tmp"}}


@table(
    ("name", "extra", "path", "kept"),
    [
        pytest.param("aks", CUSTOM, "/etc/coredns/custom", True, id="optional"),
        pytest.param("kops-gossip", HOSTS, "/rootfs/etc/hosts", True, id="named"),
        pytest.param("kind", SCRATCH, "/tmp", False, id="not-named"),
    ],
)
async def test_volumes_are_config_maps_and_what_the_corefile_names(
    name: str, extra: Json, path: str, kept: bool
) -> None:
    found = (await made(changed(REAL[name], **volumes(extra)))).mounts()
    assert (path in found) is kept
    if kept:
        assert found[path] == extra["volume"]


async def test_every_mount_is_read_only() -> None:
    found = await made(changed(REAL["kops-gossip"], **volumes(HOSTS)))
    assert all(mount["readOnly"] for mount in found.container["volumeMounts"])


@table(
    ("items", "mount", "config"),
    [
        pytest.param(
            [{"key": "Corefile", "path": "Corefile"}], {}, {"name": "coredns"}, id="items"
        ),
        pytest.param(
            None, {"mountPath": "/etc/coredns/Corefile", "subPath": "Corefile"},
            {"name": "coredns"}, id="sub-path",
        ),
    ],
)  # fmt: skip
async def test_config_map_is_mounted_whole(items: list[Json] | None, mount: Json, config: Json) -> None:
    given = volumes()
    given["volumes"][0]["configMap"] |= {"items": items} if items else {}
    given["volumeMounts"][0] |= mount
    found = await made(changed(KIND, **given))
    assert found.mounts()["/etc/coredns"]["configMap"] == config
    frozen = "mounts its Corefile by subPath" in "\n".join(found.notes)
    assert frozen is ("subPath" in mount)


async def test_a_key_of_another_name_keeps_its_path() -> None:
    dns = changed()
    dns[1]["data"]["main"] = dns[1]["data"].pop("Corefile")
    items = [{"key": "main", "path": "Corefile"}]
    dns[3]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["items"] = items
    found = await made(dns)
    assert found.mounts()["/etc/coredns"]["configMap"]["items"] == items


@table(
    ("more", "field", "expected", "note"),
    [
        ({"dnsPolicy": "ClusterFirst"}, "dnsPolicy", "Default", "would be their own upstream"),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}, "dnsConfig", {"nameservers": ["192.0.2.1"]}, ""),
        ({"hostNetwork": True}, "hostNetwork", None, "the nodes' network"),
        ({"imagePullSecrets": [{"name": "x"}]}, "imagePullSecrets", [{"name": "x"}], ""),
        ({"terminationGracePeriodSeconds": 60}, "terminationGracePeriodSeconds", 60, ""),
        ({"affinity": {"nodeAffinity": {"x": 1}}}, "affinity.nodeAffinity", {"x": 1}, ""),
    ],
    ids=["cluster-first", "own-upstreams", "host-network", "pull-secrets", "grace", "affinity"],
)  # fmt: skip
async def test_what_pods_have_of_the_firsts(more: Json, field: str, expected: object, note: str) -> None:
    found = await made(changed(**more))
    assert dig(found.pod, field) == expected
    assert note in "\n".join(found.notes)


async def test_a_daemon_set_is_told_of() -> None:
    dns = changed()
    dns[3]["kind"] = "DaemonSet"
    del dns[3]["spec"]["replicas"]
    found = await made(dns)
    assert mentions("\n".join(found.notes), "kube-dns node")


async def test_another_port_that_no_service_leads_to_is_told() -> None:
    stub = "example.org:5300 {\n    forward . 192.0.2.1\n}\n"
    found = await made(changed(stub + KIND))
    assert found.ports()["dns"] == 53, "what kube-dns's Service targets"
    assert "5300" in "\n".join(found.notes)


async def test_port_of_blocks_without_one_is_handed_on() -> None:
    dns = changed(KIND.replace(".:53", "."))
    dns[3]["spec"]["template"]["spec"]["containers"][0]["args"] += ["-dns.port", "1053"]
    found = await made(dns)
    assert found.container["args"][-2:] == ["-dns.port", "1053"]
    assert found.ports()["dns"] == 1053


async def test_dual_stack_is_kept() -> None:
    dns = changed()
    families = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}
    dns[2]["spec"] |= families
    spec = (await made(dns)).service["spec"]
    assert families.items() <= spec.items()


async def test_hardening() -> None:
    found = await made(kubeadm())
    security = found.container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert dig(found.pod, "securityContext.runAsNonRoot") is True
    assert dig(found.pod, "securityContext.seccompProfile.type") == "RuntimeDefault"
    assert found.pod["automountServiceAccountToken"] is False
