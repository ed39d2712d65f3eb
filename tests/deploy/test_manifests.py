"""The manifests: right by Kubernetes' schemas, and by what stands beside them."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from minidns import __version__, plugins
from minidns.corefile import blocks
from minidns.corefile.blocks import ServerBlock
from minidns.http import endpoint
from sim.api.objects import dig
from sim.node import kind_corefile
from tests.deploy import rendered
from tests.deploy.rendered import DEPLOY, Json, objects, the
from tests.table import table
from tests.world import FilesInMemory

HERE = Path(__file__).parent
SCHEMAS = {
    path.stem.removeprefix("kubernetes-"): json.loads(path.read_text())
    for path in sorted((HERE / "schemas").glob("*.json"))
}
NOT_COMPARED = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}

pytestmark = [pytest.mark.kubectl, pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing")]
each_variant = pytest.mark.parametrize("variant", rendered.VARIANTS)


def wrong(obj: Json, schema: Json) -> list[str]:
    """Return what is wrong with an object, by the schemas of one version."""
    root = schema["kinds"].get(f"{obj['apiVersion']} {obj['kind']}")
    if root is None:
        return [f"no schema for {obj['apiVersion']} {obj['kind']}"]
    checked = jsonschema.Draft7Validator({**schema, "$ref": f"#/$defs/{root}"})
    return [f"{error.json_path}: {error.message}" for error in checked.iter_errors(obj)]


@each_variant
@pytest.mark.parametrize("version", SCHEMAS)
def test_every_object_is_right_by_the_schema(variant: str, version: str) -> None:
    for obj in objects(variant):
        assert not wrong(obj, SCHEMAS[version]), obj["kind"]


def test_the_schemas_find_what_is_wrong() -> None:
    service = the("kube-dns-2", "Service")
    service["spec"]["ports"][0]["port"] = "53"
    service["spec"]["clusterIp"] = "10.96.0.20"
    found = wrong(service, SCHEMAS["1.37"])
    assert any("'clusterIp' was unexpected" in text for text in found)
    assert any("'53' is not of type 'integer'" in text for text in found)


@each_variant
def test_nothing_can_be_taken_for_kube_dns(variant: str) -> None:
    for obj in objects(variant):
        assert obj["metadata"]["name"] != "kube-dns"
        assert (obj["metadata"].get("labels") or {}).get("k8s-app") != "kube-dns"
    template = the(variant, "Deployment")["spec"]["template"]
    assert template["metadata"]["labels"]["k8s-app"] == "kube-dns-2"


@each_variant
def test_every_selector_finds_the_pods_and_no_others(variant: str) -> None:
    own = {"k8s-app": "kube-dns-2"}
    spec = the(variant, "Deployment")["spec"]
    assert spec["selector"] == {"matchLabels": own}
    assert own.items() <= spec["template"]["metadata"]["labels"].items()
    assert the(variant, "Service")["spec"]["selector"] == own
    for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert the(variant, kind)["spec"][field] == {"matchLabels": own}


@each_variant
def test_the_service_has_the_ports_of_kube_dns(variant: str) -> None:
    ports = the(variant, "Service")["spec"]["ports"]
    found = [(p["name"], p["port"], p["protocol"], p["targetPort"]) for p in ports]
    assert found == [("dns", 53, "UDP", "dns"), ("dns-tcp", 53, "TCP", "dns-tcp"), ("metrics", 9153, "TCP", "metrics")]
    named = {p["name"] for p in container(variant)["ports"]}
    assert {p["targetPort"] for p in ports} <= named


@table(
    ("variant", "address"),
    [("kube-dns-2", "10.96.0.20"), ("kind", "10.96.0.20"), ("standalone", None), ("tenant", None)],
)
def test_the_cluster_ip_is_fixed_where_pods_are_to_know_it(variant: str, address: str | None) -> None:
    assert the(variant, "Service")["spec"].get("clusterIP") == address


@table("variant", ["kube-dns-2", "kind", "chart:kube-dns-2"])
def test_beside_coredns_it_brings_neither_rights_nor_configuration(variant: str) -> None:
    kinds = sorted(obj["kind"] for obj in objects(variant))
    assert kinds == ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"]
    pod = the(variant, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "coredns"
    assert {obj["metadata"]["namespace"] for obj in objects(variant)} == {"kube-system"}


@each_variant
def test_the_config_map_is_mounted_whole_and_custom_may_be_missing(variant: str) -> None:
    pod = the(variant, "Deployment")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    whole, custom = volumes["config-volume"], volumes["custom-config-volume"]
    assert set(whole["configMap"]) == {"name"}  # no items
    assert custom["configMap"]["optional"] is True
    mounts = {m["name"]: m for m in container(variant)["volumeMounts"]}
    assert mounts["config-volume"]["mountPath"] == "/etc/coredns"
    assert mounts["custom-config-volume"]["mountPath"] == "/etc/coredns/custom"
    assert not any("subPath" in mount for mount in mounts.values())


@each_variant
def test_its_image_is_this_version_and_no_strangers(variant: str) -> None:
    assert container(variant)["image"] == f"localhost/minidns:{__version__}"


def test_kind_uses_the_image_that_was_loaded() -> None:
    assert container("kind")["imagePullPolicy"] == "Never"


@each_variant
def test_the_pod_lives_longer_than_lameduck_and_grace(variant: str) -> None:
    pod = the(variant, "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= 20 + 5


def container(variant: str) -> Json:
    (found,) = the(variant, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def corefile_of(variant: str) -> str:
    if any(obj["kind"] == "ConfigMap" for obj in objects(variant)):
        return str(the(variant, "ConfigMap")["data"]["Corefile"])
    return kind_corefile.KIND  # kubeadm's, as kind has it


def block_of(variant: str) -> ServerBlock:
    text, nothing = corefile_of(variant), FilesInMemory()
    parsed = blocks.parse(text, files=nothing, environ={}, known=plugins.ORDER)
    (block,) = parsed.blocks
    return block


@each_variant
def test_ports_and_probes_are_those_of_the_corefile(variant: str) -> None:
    block = block_of(variant)
    said = {directive.name: directive for directive in block.directives}
    ports = {port["name"]: port["containerPort"] for port in container(variant)["ports"]}
    default = {"health": ":8080", "ready": ":8181", "prometheus": "localhost:9153"}
    for name, port in (("health", "health"), ("ready", "ready"), ("prometheus", "metrics")):
        address = said[name].args[0] if said[name].args else default[name]
        host, number = endpoint.split(address)
        assert int(number) == ports[port], name
        assert not host, f"{name} is not reached from outside the pod"
    assert ports["dns"] == ports["dns-tcp"] == 53
    probes = {"livenessProbe": "/health", "readinessProbe": "/ready"}
    for probe, path in probes.items():
        get = container(variant)[probe]["httpGet"]
        assert get["path"] == path
        assert get["port"] == path.strip("/")


def test_the_tenants_corefile_needs_the_tenants_rights_only() -> None:
    (said,) = block_of("tenant").named("kubernetes")
    options = {line.name: line.args for line in said.block}
    assert options["namespaces"] == ("tenant",)
    assert "namespaced" in options
    assert {obj["metadata"]["namespace"] for obj in objects("tenant")} == {"tenant"}


def comparable(variant: str) -> dict[tuple[str, str], Json]:
    """Return objects less what only helm writes, and less what only kubectl applies."""
    found = {}
    for obj in objects(variant):
        if obj["kind"] == "Namespace":  # helm install --create-namespace
            continue
        for meta in (obj["metadata"], dig(obj, "spec.template.metadata") or {}):
            for name in NOT_COMPARED & (meta.get("labels") or {}).keys():
                del meta["labels"][name]
        found[obj["kind"], obj["metadata"]["name"]] = obj
    return found


@table("name", rendered.CHARTS)
def test_the_chart_makes_what_the_overlay_makes(name: str) -> None:
    assert comparable(f"chart:{name}") == comparable(name)


@table("name", rendered.CHARTS)
def test_what_helm_made_is_kept_as_helm_makes_it_now(name: str) -> None:
    kept = (rendered.KEPT / f"{name}.yaml").read_text()
    assert rendered.source_hash() in kept.splitlines()[0], (
        "deploy/chart has changed: HELM=... python -m tests.deploy.rendered"
    )


def test_the_version_is_the_same_everywhere() -> None:
    chart = yaml.safe_load((DEPLOY / "chart/Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def values(name: str) -> Any:
    return yaml.safe_load((DEPLOY / f"chart/{name}").read_text())


SCHEMA = json.loads((DEPLOY / "chart/values.schema.json").read_text())


@table("name", rendered.CHARTS)
def test_values_pass_their_schema(name: str) -> None:
    given = values("values.yaml")
    for key, value in values(f"ci/{name}-values.yaml").items():
        given[key] = {**given[key], **value} if isinstance(value, dict) else value
    jsonschema.validate(given, SCHEMA)


def test_the_values_schema_knows_every_value_and_no_other() -> None:
    known = set(SCHEMA["properties"]) - {"global"}
    assert known == values("values.yaml").keys()
    for name, given in values("values.yaml").items():
        part = SCHEMA["properties"][name]
        if part.get("additionalProperties") is False:
            assert part["properties"].keys() == given.keys(), name


@table(
    ("path", "value"),
    [
        ("name", "kube-dns"),
        ("name", "Kube"),
        ("replicas", -1),
        ("clusterIP", "ten"),
        ("image.digest", "sha256:12"),
        ("image.pullPolicy", "Sometimes"),
        ("ports.dns", 70000),
        ("config.create", True),  # without a Corefile
        ("terminationGracePeriodSeconds", 1),
        ("replcias", 2),
    ],
)
def test_the_values_schema_refuses(path: str, value: object) -> None:
    given = values("values.yaml")
    outer, _, inner = path.rpartition(".")
    (given[outer] if outer else given)[inner] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, SCHEMA)


needs_helm = pytest.mark.skipif(rendered.helm() is None, reason="helm is missing")


@needs_helm
@pytest.mark.parametrize("name", rendered.CHARTS)
def test_helm_makes_what_is_kept(name: str) -> None:
    kept = (rendered.KEPT / f"{name}.yaml").read_text()
    assert kept.partition("\n")[2] == rendered.by_helm(name)


@needs_helm
def test_the_chart_follows_other_ports_than_kubeadms() -> None:
    made = rendered.by_helm("kube-dns-2", "--set", "ports.dns=5353,probes.readiness=false")
    found = {obj["kind"]: obj for obj in yaml.safe_load_all(made) if obj}
    pod = found["Deployment"]["spec"]["template"]["spec"]
    assert "sysctls" not in pod["securityContext"]
    assert pod["containers"][0]["ports"][0]["containerPort"] == 5353
    assert "readinessProbe" not in pod["containers"][0]
    assert found["Service"]["spec"]["ports"][0]["port"] == 53
    assert found["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == 5353
