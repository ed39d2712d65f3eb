"""Rows 1 to 9 of the hardening checklist, over every way to deploy."""

from collections.abc import Iterator

import pytest

from sim.api.objects import dig
from tests.deploy import rendered
from tests.deploy.rendered import Json, objects, the

pytestmark = [pytest.mark.kubectl, pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing")]
each_variant = pytest.mark.parametrize("variant", rendered.VARIANTS)

BESIDE = ("kube-dns-2", "kind", "chart:kube-dns-2")
"""They use the account of CoreDNS, with the rights that it has."""
TOKEN_S = 3607
SAFE_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start"}
"""The volume types used here, of those that Pod Security allows."""
VOLUMES = {"configMap", "projected", "downwardAPI", "emptyDir", "secret", "csi", "ephemeral"}


def pod(variant: str) -> Json:
    spec = the(variant, "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def container(variant: str) -> Json:
    (found,) = pod(variant)["containers"]
    assert isinstance(found, dict)
    return found


def rules(variant: str, kind: str) -> set[tuple[str, str, str]]:
    """Return group, resource and verb of everything that roles of a kind allow."""
    return {
        (group, resource, verb)
        for obj in objects(variant)
        if obj["kind"] == kind
        for rule in obj["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def allowed(*resources: tuple[str, str]) -> set[tuple[str, str, str]]:
    return {(*resource, verb) for resource in resources for verb in ("list", "watch")}


SERVICES, NAMESPACES = ("", "services"), ("", "namespaces")
SLICES = ("discovery.k8s.io", "endpointslices")


@each_variant
def test_01_rights_are_to_list_and_watch_what_dns_needs(variant: str) -> None:
    cluster, namespaced = rules(variant, "ClusterRole"), rules(variant, "Role")
    if variant in BESIDE:
        assert cluster == namespaced == set()  # brings none
    elif "tenant" in variant:
        assert cluster == set()
        assert namespaced == allowed(SERVICES, SLICES)
    else:
        assert cluster == allowed(SERVICES, NAMESPACES, SLICES)
        assert namespaced == set()


@each_variant
def test_02_the_token_is_short_lived_and_the_only_one(variant: str) -> None:
    spec = pod(variant)
    assert spec["automountServiceAccountToken"] is False
    tokens = [
        source["serviceAccountToken"]
        for volume in spec["volumes"]
        for source in (volume.get("projected") or {}).get("sources", ())
        if "serviceAccountToken" in source
    ]
    # no audience: that of the API server, whatever it is called
    assert tokens == [{"path": "token", "expirationSeconds": TOKEN_S}]
    mounts = {mount["name"]: mount for mount in container(variant)["volumeMounts"]}
    assert mounts["api-access"]["readOnly"] is True


@each_variant
def test_02_the_account_is_its_own_where_it_is_not_coredns_s(variant: str) -> None:
    name = pod(variant)["serviceAccountName"]
    if variant in BESIDE:
        assert name == "coredns"  # deploy/README.md says what follows
        return
    account = the(variant, "ServiceAccount")
    assert account["metadata"]["name"] == name == "minidns"
    assert account["automountServiceAccountToken"] is False
    for obj in objects(variant):
        if obj["kind"].endswith("Binding"):
            (subject,) = obj["subjects"]
            assert subject["name"] == name
            assert subject["namespace"] == account["metadata"]["namespace"]


@each_variant
def test_03_the_user_is_a_number_without_privileges(variant: str) -> None:
    security, own = (pod(variant)["securityContext"], container(variant)["securityContext"])
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == 65532
    assert own["allowPrivilegeEscalation"] is False
    # no NET_BIND_SERVICE: the sysctl opens port 53 and nothing below it
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert security["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}]


@each_variant
def test_04_the_root_is_read_only_and_so_is_every_volume(variant: str) -> None:
    assert container(variant)["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(mount["readOnly"] for mount in container(variant)["volumeMounts"])
    assert not any("emptyDir" in volume for volume in pod(variant)["volumes"])


@each_variant
def test_05_the_seccomp_profile_is_the_runtimes(variant: str) -> None:
    security = pod(variant)["securityContext"]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "seccompProfile" not in container(variant)["securityContext"]


@each_variant
def test_06_resources_are_coredns_s(variant: str) -> None:
    assert container(variant)["resources"] == {
        "requests": {"cpu": "100m", "memory": "70Mi"},
        "limits": {"memory": "170Mi"},
    }


@each_variant
def test_06_priority_is_the_clusters_in_kube_system_only(variant: str) -> None:
    expected = "system-cluster-critical" if variant in BESIDE else None
    assert pod(variant).get("priorityClassName") == expected


@each_variant
def test_06_its_pods_keep_apart(variant: str) -> None:
    own = {"matchLabels": {"k8s-app": "kube-dns-2"}}
    (spread,) = pod(variant)["topologySpreadConstraints"]
    assert spread["labelSelector"] == own
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    affinity = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
    (apart,) = dig(pod(variant), affinity)
    term = apart["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    (expression,) = term["labelSelector"]["matchExpressions"]
    assert expression == {"key": "k8s-app", "operator": "In", "values": ["kube-dns-2"]}


@each_variant
def test_06_at_most_one_is_taken_away_at_a_time(variant: str) -> None:
    assert the(variant, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    spec = the(variant, "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def ports(rule: Json) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for port in rule["ports"]}


@each_variant
def test_07_queries_come_from_all_and_metrics_go_to_monitoring(variant: str) -> None:
    spec = the(variant, "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    queries, monitoring = spec["ingress"]
    assert "from" not in queries
    assert ports(queries) == {("UDP", 53), ("TCP", 53)}
    assert monitoring["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert ports(monitoring) == {("TCP", 8080), ("TCP", 8181), ("TCP", 9153)}


@each_variant
def test_07_it_reaches_upstreams_and_the_api_and_nothing_else(variant: str) -> None:
    out = set().union(*map(ports, the(variant, "NetworkPolicy")["spec"]["egress"]))
    upstreams = {("UDP", 53), ("TCP", 53), ("TCP", 853)}
    assert out == upstreams | {("TCP", 443), ("TCP", 6443)}


@each_variant
def test_08_its_resolver_is_the_nodes(variant: str) -> None:
    assert pod(variant)["dnsPolicy"] == "Default"
    assert "dnsConfig" not in pod(variant)


def unrestricted(spec: Json) -> Iterator[str]:
    """Yield what Pod Security's level *restricted* would refuse."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec["volumes"]:
        if not (volume.keys() - {"name"}) <= VOLUMES:
            yield f"volume {volume['name']}"
    security = spec["securityContext"]
    if {sysctl["name"] for sysctl in security.get("sysctls", ())} - SAFE_SYSCTLS:
        yield "sysctls"
    if security.get("runAsUser") == 0 or not security.get("runAsNonRoot"):
        yield "runAsUser"
    if dig(security, "seccompProfile.type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    for each in spec["containers"]:
        own = each["securityContext"]
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield "privileges"
        capabilities = own.get("capabilities") or {}
        if capabilities.get("drop") != ["ALL"]:
            yield "capabilities kept"
        if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
            yield "capabilities added"
        if any("hostPort" in port for port in each["ports"]):
            yield "hostPort"


@each_variant
def test_09_pod_security_restricted_lets_it_pass(variant: str) -> None:
    assert not list(unrestricted(pod(variant)))


def test_09_what_pod_security_restricts_is_found() -> None:
    spec = pod("kube-dns-2")
    spec["hostNetwork"] = True
    spec["containers"][0]["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
    assert list(unrestricted(spec)) == ["hostNetwork", "capabilities added"]
