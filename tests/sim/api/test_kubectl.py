"""The real kubectl against the simulated API server."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from sim.api.kinds import named
from sim.api.objects import version_of
from sim.api.server import ClusterApi
from sim.controllers.cluster import Cluster
from tests.sim.builders import DEADLINE_S, Client, certificates, deployment, names, pod, service, serving, until

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: example}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: imported}
spec: {type: ClusterSetIP, ips: [192.0.2.1], ports: [{port: 80, protocol: TCP}]}
"""


@dataclass
class Kubectl:
    """kubectl with a kubeconfig of one server and a cache of its own."""

    api: Client
    home: Path

    @property
    def cluster(self) -> ClusterApi:
        return self.api.server.cluster

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        config = self.api.server.kubeconfig(self.home / "config")
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return await asyncio.create_subprocess_exec(
            KUBECTL or "kubectl",
            *args,
            env=env | {"KUBECONFIG": str(config)},
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def fails(self, *args: str, text: str = "") -> tuple[int, str]:
        process = await self.start(*args)
        async with asyncio.timeout(3 * DEADLINE_S):
            output, _ = await process.communicate(text.encode())
        return process.returncode or 0, output.decode()

    async def __call__(self, *args: str, text: str = "") -> str:
        status, output = await self.fails(*args, text=text)
        assert status == 0, output
        return output


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with serving(Cluster()) as api:
        yield Kubectl(api, tmp_path)


def words(output: str) -> list[list[str]]:
    """Return the rows of a table, without its head."""
    return [line.split() for line in output.splitlines()[1:] if line]


async def test_get_in_rows(kubectl: Kubectl) -> None:
    kubectl.cluster.create(service())
    kubectl.cluster.create(pod())
    rows = words(await kubectl("get", "svc"))
    assert rows[0][:5] == ["kubernetes", "ClusterIP", "10.96.0.1", "<none>", "443/TCP"]
    assert rows[1][:5] == ["web", "ClusterIP", "10.96.1.0", "<none>", "80/TCP"]
    output = await kubectl("get", "svc,endpointslices,pods,ns", "-A")
    for text in ("service/web", "endpointslice.discovery.k8s.io/web-", "pod/web-1", "namespace/kube-system"):
        assert text in output
    assert "10.244.0.2" in await kubectl("get", "pods", "-o", "wide")


async def test_get_in_other_forms(kubectl: Kubectl) -> None:
    kubectl.cluster.create(service())
    assert "clusterIP: 10.96.1.0" in await kubectl("get", "svc", "web", "-o", "yaml")
    names_only = await kubectl("get", "svc", "-o", "name")
    assert names_only.split() == ["service/kubernetes", "service/web"]
    path = "jsonpath={.items[*].spec.clusterIP}"
    assert await kubectl("get", "svc", "-o", path) == "10.96.0.1 10.96.1.0"
    assert (await kubectl("get", "--raw", "/readyz")) == "ok"


async def test_get_selected(kubectl: Kubectl) -> None:
    for name in ("a-1", "b-1"):
        kubectl.cluster.create(pod(name))
    output = await kubectl("get", "pods", "-l", "app in (a),!x", "-o", "name")
    assert output.split() == ["pod/a-1"]
    field = "--field-selector=metadata.name=b-1"
    assert (await kubectl("get", "pods", field, "-o", "name")).split() == ["pod/b-1"]


async def test_get_in_small_pages(kubectl: Kubectl) -> None:
    for index in range(5):
        kubectl.cluster.create(service(f"s{index}"))
    assert len(words(await kubectl("get", "svc", "--chunk-size=2"))) == 6
    assert kubectl.api.server.requests.count("list", "services") == 3


async def test_get_and_watch(kubectl: Kubectl) -> None:
    process = await kubectl.start("get", "svc", "-w")
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        await process.stdout.readline()
        await process.stdout.readline()
        await until(lambda: bool(kubectl.api.server.streams))
        kubectl.cluster.create(service("new"))
        assert (await process.stdout.readline()).split()[0] == b"new"
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client", "server"])
async def test_apply_again_and_changed(kubectl: Kubectl, how: tuple[str, ...]) -> None:
    for _ in range(2):
        output = await kubectl("apply", *how, "-f", "-", text=WEB)
        assert len(output.splitlines()) == 3
    version = kubectl.cluster.version
    await kubectl("apply", *how, "-f", "-", text=WEB)
    assert kubectl.cluster.version == version
    changed = WEB.replace("port: 80,", "port: 81,").replace("replicas: 2", "replicas: 3")
    changed = changed.replace(", labels: {tier: front}", "")
    await kubectl("apply", *how, "-f", "-", text=changed)
    found = kubectl.cluster.get("Service", "default", "web")
    assert [port["port"] for port in found["spec"]["ports"]] == [81]
    assert not found["metadata"].get("labels")
    assert len(kubectl.cluster.list("Pod")) == 3


async def test_apply_from_client_to_server_side(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", text=WEB)
    await kubectl("apply", "--server-side", "-f", "-", text=WEB)
    other = WEB.replace("port: 80,", "port: 80, appProtocol: x,")
    await kubectl("apply", "--server-side", "-f", "-", text=other)
    status, output = await kubectl.fails(
        "apply",
        "--server-side",
        "--field-manager=other",
        "-f",
        "-",
        text=other.replace("appProtocol: x", "appProtocol: y"),
    )
    assert status == 1
    assert 'conflict with "kubectl"' in output


async def test_diff(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", text=WEB)
    changed = WEB.replace("replicas: 2", "replicas: 5")
    status, output = await kubectl.fails("diff", "-f", "-", text=changed)
    assert status == 1
    assert "-  replicas: 2\n+  replicas: 5\n" in output
    assert len(kubectl.cluster.list("Pod")) == 2


async def test_create_patch_label_annotate_delete(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", text=WEB)
    patch = '{"spec":{"ports":[{"port":80,"protocol":"TCP","targetPort":9090}]}}'
    await kubectl("patch", "svc", "web", "-p", patch)
    await kubectl("patch", "svc", "web", "--type=merge", "-p", '{"spec":{"type":null}}')
    remove = '[{"op":"remove","path":"/metadata/labels/tier"}]'
    await kubectl("patch", "svc", "web", "--type=json", "-p", remove)
    await kubectl("label", "svc", "web", "a=b")
    await kubectl("annotate", "svc", "web", "c=d")
    found = kubectl.cluster.get("Service", "default", "web")
    assert found["spec"]["ports"][0]["name"] == "http"
    assert found["spec"]["ports"][0]["targetPort"] == 9090
    assert found["metadata"]["labels"] == {"a": "b"}
    assert found["metadata"]["annotations"] == {"c": "d"}
    await kubectl("label", "svc", "web", "a-")
    await kubectl("delete", "-f", "-", text=WEB)
    assert names(kubectl.cluster.list("Service")) == ["kubernetes"]
    assert kubectl.cluster.list("Pod") == []


async def test_describe(kubectl: Kubectl) -> None:
    kubectl.cluster.create(service())
    kubectl.cluster.create(deployment())
    (made,) = kubectl.cluster.list("Pod")
    ip = made["status"]["podIP"]
    output = await kubectl("describe", "svc", "web")
    assert f"{ip}:8080" in output
    for what in ("deploy", "pods", "endpointslices", "ns", "node"):
        assert await kubectl("describe", what)


async def test_run_wait_and_make_not_ready(kubectl: Kubectl) -> None:
    await kubectl("run", "p", "--image=example")
    await kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=5s")
    await kubectl("annotate", "pod", "p", "sim/ready=false")
    assert words(await kubectl("get", "pod", "p"))[0][1] == "0/1"
    path = "--for=jsonpath={.status.phase}=Running"
    await kubectl("wait", path, "pod/p", "--timeout=5s")
    await kubectl("delete", "pod", "p")
    assert kubectl.cluster.list("Pod") == []


async def test_rollout_and_scale(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", text=WEB)
    before = names(kubectl.cluster.list("Pod"))
    await kubectl("set", "image", "deploy/web", "c=other")
    output = await kubectl("rollout", "status", "deploy/web", "--timeout=5s")
    assert "successfully rolled out" in output
    assert not set(before) & set(names(kubectl.cluster.list("Pod")))
    await kubectl("rollout", "restart", "deploy/web")
    await kubectl("scale", "deploy/web", "--replicas=4")
    assert len(kubectl.cluster.list("Pod")) == 4


async def test_delete_a_namespace_and_wait(kubectl: Kubectl) -> None:
    space = '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod"}}'
    await kubectl("apply", "-f", "-", text=space)
    await kubectl("apply", "-n", "prod", "-f", "-", text=WEB)
    await kubectl("delete", "ns", "prod", "--timeout=5s")
    assert kubectl.cluster.list("Pod", "prod") == []
    assert "prod" not in await kubectl("get", "ns")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("get", "svc", "none"), '(NotFound): services "none" not found'),
        (("get", "nonsense"), 'the server doesn\'t have a resource type "nonsense"'),
        (("get", "svc", "-n", "none"), "No resources found in none namespace."),
        (("delete", "ns", "default"), "this namespace may not be deleted"),
    ],
)
async def test_messages(kubectl: Kubectl, args: tuple[str, ...], message: str) -> None:
    assert message in (await kubectl.fails(*args))[1]


async def test_invalid_object_is_explained(kubectl: Kubectl) -> None:
    text = WEB.replace("selector: {app: web}\n", "clusterIP: 10.96.0.1\n", 1)
    status, output = await kubectl.fails("apply", "-f", "-", text=text)
    assert status == 1
    assert (
        'The Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.1"]: '
        "failed to allocate IP 10.96.0.1: provided IP is already allocated"
    ) in output


@pytest.mark.parametrize(
    "command",
    [
        "ns prod",
        "svc clusterip web --tcp=80:8080 --tcp=81:http",
        "svc clusterip web --clusterip=None --tcp=80",
        "svc externalname web --external-name=example.org",
        "svc nodeport web --tcp=80 --node-port=30080",
        "deployment web --image=example --replicas=0 --port=80 -- run it",
        "job j --image=example -- run it",
        "configmap cm --from-literal=a=b --from-literal=empty=",
        "serviceaccount sa",
        "role r --verb=get,list --resource=pods,deployments.apps",
        "rolebinding b --role=r --serviceaccount=default:sa",
        "clusterrole c --verb=get --non-resource-url=/metrics",
        "clusterrolebinding b --clusterrole=c --user=jane --group=all",
        "pdb p --min-available=50% --selector=app=web",
    ],
)
async def test_create_posts_protobuf(kubectl: Kubectl, command: str) -> None:
    args = ("create", *command.split(" -- ")[0].split())
    rest = ("--", *command.split(" -- ")[1].split()) if " -- " in command else ()
    await kubectl(*args, *rest)
    # what the same command says it would send, as JSON
    said = json.loads(await kubectl(*args, "--dry-run=client", "-o", "json", *rest))
    said.pop("status", None)  # not the writer's to say
    meta = said["metadata"]
    kind = named(said["kind"])
    space = "default" if kind.namespaced else ""
    found = kubectl.cluster.get(kind.name, space, meta["name"])
    assert is_within(said, found)


def is_within(wanted: object, found: object) -> bool:
    """Return whether everything in ``wanted`` that is not empty is in ``found``."""
    if isinstance(wanted, dict):
        return all(
            value in (None, {}, "") or (isinstance(found, dict) and is_within(value, found.get(key)))
            for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(is_within, wanted, found))
    return wanted == found


async def test_auth_can_i(tmp_path: Path) -> None:
    account = "system:serviceaccount:default:sa"
    tokens = {"admin": "kubernetes-admin", "sim-admin": account}
    tls = certificates(tmp_path, trustme.CA(), "server")
    # kubectl sends no token over plain HTTP
    async with serving(Cluster(), has_rbac=True, tokens=tokens, tls=tls) as api:
        kubectl = Kubectl(api, tmp_path)
        status, output = await kubectl.fails("auth", "can-i", "list", "pods")
        assert (status, output.split()[0]) == (1, "no")
        admin = ("--token=admin",)
        role = ("create", "clusterrole", "r", "--verb=list", "--resource=pods")
        await kubectl(*role, *admin)
        user = "--serviceaccount=default:sa"
        bind = ("create", "clusterrolebinding", "b", "--clusterrole=r", user)
        await kubectl(*bind, *admin)
        assert (await kubectl("auth", "can-i", "list", "pods")).split() == ["yes"]
        assert ["pods", "[]", "[]", "[list]"] in words(await kubectl("auth", "can-i", "--list"))
        assert ["*.*", "[]", "[]", "[*]"] in words(await kubectl("auth", "can-i", "--list", *admin))
        assert account in await kubectl("auth", "whoami")


async def test_dry_run(kubectl: Kubectl) -> None:
    version = kubectl.cluster.version
    await kubectl("apply", "--dry-run=server", "-f", "-", text=WEB)
    assert kubectl.cluster.version == version


async def test_edit_conflict(kubectl: Kubectl) -> None:
    kubectl.cluster.create(service())
    text = await kubectl("get", "svc", "web", "-o", "yaml")
    kubectl.cluster.patch("Service", "default", "web", {"metadata": {"labels": {"a": "b"}}})
    status, output = await kubectl.fails("replace", "-f", "-", text=text)
    assert status == 1
    assert "the object has been modified" in output


@pytest.mark.parametrize("minor", [29, 31, 33])
async def test_clients_of_other_versions(tmp_path: Path, minor: int) -> None:
    # some kubectl are dispatchers that run the client of the server's version
    async with serving(Cluster(), version=f"v1.{minor}.0") as api:
        kubectl = Kubectl(api, tmp_path)
        await kubectl("apply", "-f", "-", text=WEB)
        await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=WEB)
        assert "10.96.1.0" in await kubectl("get", "svc")
        assert "web" in await kubectl("describe", "svc", "web")
        obj = kubectl.cluster.get("Service", "default", "web")
        assert version_of(obj) <= kubectl.cluster.version
