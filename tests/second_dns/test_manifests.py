"""The clone's manifests: right by Kubernetes' schemas, and like those in deploy/."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import yaml

from minidns.second_dns import manifests
from minidns.second_dns.objects import value_at
from sim.api.objects import Json, dig
from tests.corefiles import cases
from tests.deploy.test_manifests import SCHEMAS, wrong
from tests.second_dns.test_pod import Made, changed, made
from tests.second_dns.world import SYSTEM, desk, kubeadm

BASE = Path(__file__).parents[2] / "minidns/second_dns/base"
REAL = {case.name: case.text for case in cases("real")}
VARIABLES = [{"name": "POD_IP", "value": "192.0.2.7"}]


def base(name: str) -> Json:
    read: Json = yaml.safe_load((BASE / f"{name}.yaml").read_text())
    return read


@pytest.mark.parametrize("version", SCHEMAS)
@pytest.mark.parametrize("name", ["kubeadm", "k3s", "aks", "openshift", "gardener", "cce", "nodelocaldns"])  # fmt: skip
async def test_right_by_the_schemas(name: str, version: str) -> None:
    found = await made(changed(REAL[name], env=VARIABLES))
    for obj in (found.service, found.deployment, found.budget):
        assert wrong(obj, SCHEMAS[version]) == []


ALIKE = (
    "enableServiceLinks",
    "automountServiceAccountToken",
    "dnsPolicy",
    "nodeSelector",
    "serviceAccountName",
    "securityContext",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
)
CONTAINER = ("args", "imagePullPolicy", "image", "name", "ports", "securityContext")
"""What follows neither from kubeadm's own Deployment nor from what it mounts."""


@pytest.fixture
async def kubeadms() -> Made:
    return await made(kubeadm())


@pytest.mark.parametrize("field", ALIKE)
async def test_pods_are_like_those_of_deploy(field: str, kubeadms: Made) -> None:
    assert kubeadms.pod[field] == dig(base("deployment"), "spec.template.spec")[field]


@pytest.mark.parametrize("field", CONTAINER)
async def test_containers_are_like_those_of_deploy(field: str, kubeadms: Made) -> None:
    (container,) = dig(base("deployment"), "spec.template.spec.containers")
    ours = kubeadms.container | {"image": manifests.IMAGE}
    ours["args"] = ours["args"][:2]  # -as follows from the image of the first
    assert ours[field] == container[field]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("deployment", ("metadata", "labels")),
        ("deployment", ("spec", "selector")),
        ("deployment", ("spec", "strategy")),
        ("deployment", ("spec", "template", "metadata")),
        ("service", ("metadata", "labels")),
        ("service", ("spec", "selector")),
        ("service", ("spec", "ports")),
        ("poddisruptionbudget", ("spec",)),
    ],
)
async def test_objects_are_like_those_of_deploy(
    name: str, path: tuple[str, ...], kubeadms: Made
) -> None:
    ours = {
        "deployment": kubeadms.deployment,
        "service": kubeadms.service,
        "poddisruptionbudget": kubeadms.budget,
    }[name]
    assert value_at(ours, path) == value_at(base(name), path)


async def test_the_token_is_mounted_as_in_deploy(kubeadms: Made) -> None:
    def token(pod: Json) -> Json:
        (found,) = (v for v in pod["volumes"] if "projected" in v)
        return dict(found)

    assert token(kubeadms.pod) == token(dig(base("deployment"), "spec.template.spec"))


KUBECTL = shutil.which("kubectl")


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
@pytest.mark.parametrize("form", ["yaml", "json"])
async def test_kubectl_takes_what_is_printed(form: str, tmp_path: Path) -> None:
    async with desk() as at:
        assert await at.run(f"clone -o {form}") == 0
        file = tmp_path / f"clone.{form}"
        file.write_text("\n".join(at.out))
        kubeconfig = at.server.kubeconfig(tmp_path / "kubeconfig")
        process = await asyncio.create_subprocess_exec(
            # of a List the simulated server has no OpenAPI to check it by
            str(KUBECTL), "apply", "-f", str(file), f"--validate={form != 'json'}".lower(),
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert (process.returncode, said.count(b"created")) == (0, 3), said
        assert at.cluster.find("Service", SYSTEM, "kube-dns-2")
        assert await at.run("clone --delete") == 0
