"""The clone's manifests: right by Kubernetes' schemas, and like those in deploy/."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
import yaml

from minidns.second_dns import manifests
from sim.api.objects import Json, dig
from tests.corefiles import cases
from tests.deploy.test_manifests import SCHEMAS, wrong
from tests.second_dns.test_pod import Made, changed, made
from tests.second_dns.world import SYSTEM, desk, kubeadm
from tests.table import table

BASE = Path(__file__).parents[2] / "minidns/second_dns/base"
REAL = {case.name: case.text for case in cases("real")}
VARIABLES = [{"name": "POD_IP", "value": "192.0.2.7"}]


def base(name: str) -> Json:
    read: Json = yaml.safe_load((BASE / f"{name}.yaml").read_text())
    return read


@pytest.mark.slow
@table("version", SCHEMAS)
@table("name", ["kubeadm", "k3s", "aks", "openshift", "gardener", "cce", "nodelocaldns"])  # fmt: skip
async def test_right_by_the_schemas(name: str, version: str) -> None:
    found = await made(changed(REAL[name], env=VARIABLES))
    for obj in (found.service, found.deployment, found.budget):
        assert wrong(obj, SCHEMAS[version]) == []


@pytest.fixture
async def kubeadms() -> Made:
    return await made(kubeadm())


async def test_the_clone_in_a_kubeadm_cluster_is_the_base(kubeadms: Made) -> None:
    """Every difference is one that the running DNS's objects or Corefile ask for."""
    expected = base("deployment")["spec"]
    pod = expected["template"]["spec"]
    (container,) = pod["containers"]
    pod["priorityClassName"] = "system-cluster-critical"  # kubeadm's
    pod["volumes"] = [v for v in pod["volumes"] if v["name"] != "custom-config-volume"]
    container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] != "custom-config-volume"]
    container["args"] += ["-as", "1.14.2"]  # by the tag of its image
    del container["env"]  # kubeadm's Corefile names no variable
    del container["livenessProbe"]["successThreshold"]  # the default
    # kubeadm's readiness probe says nothing of its intervals
    probe = container["readinessProbe"]
    container["readinessProbe"] = {"httpGet": probe["httpGet"]}
    found = kubeadms.deployment["spec"]
    found["template"]["spec"]["containers"][0]["image"] = manifests.IMAGE
    assert found == expected
    service = base("service")
    service["spec"]["clusterIP"] = "10.96.0.20"
    assert kubeadms.service["spec"] == service["spec"]
    assert kubeadms.service["metadata"]["labels"] == service["metadata"]["labels"]
    assert kubeadms.budget["spec"] == base("poddisruptionbudget")["spec"]


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
