"""A Corefile from the API cannot make a simulated pod reach anything outside."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from sim.api.objects import condition
from sim.cluster.simulation import changed, started
from sim.node import confinement
from sim.node.confinement import Forbidden
from sim.node.kind_corefile import KIND, Place, Ports
from sim.node.processes import ENVIRON
from tests.table import table

PLACE = Place(Ports(1053, 1080, 1081, 1091, 1092), ("127.0.0.1", 1054), "/state/p/kubeconfig")
EVIL = "/tmp/evil"


def block(text: str, key: str = ".:53") -> str:
    return f"{key} {{\n    {text}\n}}\n"


def option(text: str) -> str:
    return block(f"kubernetes cluster.local {{\n        {text}\n    }}")


LEAVING = {
    "exec plugin of a named kubeconfig": option(f"kubeconfig {EVIL}"),
    "and a context": option(f"kubeconfig {EVIL} sim"),
    "quoted option": option(f'"kubeconfig" {EVIL}'),
    "relative kubeconfig": option("kubeconfig evil"),
    "kubeconfig on the directive's line": ".:53 { kubernetes cluster.local { kubeconfig evil } }\n",
    "quoted directive": block('"kubernetes" cluster.local {\n kubeconfig evil\n}'),
    "the pod's own kubeconfig and another": option(f"kubeconfig {PLACE.kubeconfig}\n        kubeconfig evil"),
    "endpoint": option("endpoint http://192.0.2.1"),
    "tls of the API": option("tls cert key ca"),
    "in a snippet": f"(s) {{\n kubernetes {{\n kubeconfig {EVIL}\n}}\n}}\n" + block("import s"),
    "in a snippet, its line adapted": "(s) {\n kubeconfig evil\n}\n"
    + block("kubernetes cluster.local {\n import s\n}"),
    "import": block("import /etc/shadow"),
    "import above the block": "import /etc/shadow\n" + block("whoami"),
    "import of many": block("import ../../*"),
    "hosts": block("hosts /etc/shadow"),
    "hosts, quoted": block('"hosts" evil'),
    "hosts of the machine": block('"hosts" {\n fallthrough\n}'),
    "file": block("file /etc/shadow example.org"),
    "file above": block("file ../../secret example.org"),
    "auto": block("auto {\n directory /etc\n}"),
    "root": block("root /etc\n    file shadow example.org"),
    "tls": block("tls /etc/ssl/private/a.pem /etc/ssl/private/a.key"),
    "forward's file": block("forward . /etc/passwd"),
    "forward's tls": block("forward . /etc/resolv.conf {\n tls /home/a/cert /home/a/key\n}"),
    "forward elsewhere": block("forward . 192.0.2.1"),
    "forward to loopback": block("forward . 127.0.0.1:8125"),
    "forward to both": block('"forward" . 127.0.0.1:1054 192.0.2.1'),
    "forward over TLS": block("forward . tls://192.0.2.1"),
    "bind": block("bind 0.0.0.0"),
    "bind twice": block("bind 127.0.0.1\n    bind ::"),
    "no bind": block("whoami", ".:1053"),
    "another port": block("whoami", "example.org:5300"),
    "no port": block("whoami", "example.org"),
    "two keys": block("whoami", "a.example:53 b.example:5300"),
    "health": block('"health" 0.0.0.0:80'),
    "ready": block('"ready" :8181'),
    "prometheus": block('"prometheus" 0.0.0.0:9153'),
    "path of the environment": block("file {$HOME} example.org"),
}


@table("text", LEAVING.values(), ids=LEAVING)
def test_what_leaves_the_pod_is_refused(text: str) -> None:
    with pytest.raises(Forbidden):
        confinement.check(PLACE.adapted(text), PLACE, {"HOME": "/home/a"})


STAYING = {
    "kind's": KIND,
    "no options": block("kubernetes cluster.local"),
    "stub zone of the world outside": block("forward example.org /etc/resolv.conf"),
    "hosts in the file": block("hosts {\n 192.0.2.1 a.example\n fallthrough\n}"),
    "the pod's own hosts": block("hosts /etc/hosts example.org"),
    "networks": block("acl {\n allow net 10.0.0.0/8 2001:db8::/32\n block\n}"),
    "a zone by its network": "10.0.0.0/8:53 {\n    whoami\n}\n",
    "rewrite": block(r"rewrite name regex (.*)\.a\.example {1}.b.example"),
    "snippet": "(s) {\n    errors\n    log\n}\n" + block("import s\n    whoami"),
    "template": block('template IN A a.example {\n answer "{{ .Name }} A 192.0.2.1"\n}'),
    "comment": block("whoami # /etc/shadow"),
}


@table("text", STAYING.values(), ids=STAYING)
def test_what_stays_in_the_pod_is_let_in(text: str) -> None:
    confinement.check(PLACE.adapted(text), PLACE, {})


@table("name", ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "KUBECONFIG", "SSH_AUTH_SOCK", "X"])
def test_nothing_secret_of_the_environment_is_passed_on(name: str) -> None:
    assert name not in ENVIRON


def exec_config(folder: Path, ran: Path) -> Path:
    """Write a kubeconfig whose exec plugin leaves a trace."""
    file = folder / "evil.yaml"
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "touch",
        "args": [str(ran)],
        "interactiveMode": "Never",
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": {"exec": program}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    file.write_text(json.dumps(config))
    return file


@pytest.mark.slow
async def test_a_planted_corefile_runs_nothing_and_the_old_one_stays(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    evil = exec_config(tmp_path, ran)
    (tmp_path / "sim").mkdir()
    async with started(tmp_path / "sim") as simulation:
        await simulation.ready()
        (running,) = simulation.servers(("kube-system", "kube-dns-2"))
        folder = simulation.runtime.folder(running.pod)
        before = (folder / "Corefile").read_text()
        for text in (option(f"kubeconfig {evil}"), block("import /etc/shadow")):
            change = {"data": {"Corefile": text}}
            simulation.cluster.patch("ConfigMap", "kube-system", "coredns", change)
            assert (folder / "Corefile").read_text() == before
            assert simulation.runtime.running[running.pod] == running
        # nor does a new pod start with it
        scale = {"spec": {"replicas": 0}}
        simulation.cluster.patch("Deployment", "kube-system", "coredns-2", scale)
        scale = {"spec": {"replicas": 1}}
        simulation.cluster.patch("Deployment", "kube-system", "coredns-2", scale)
        async with asyncio.timeout(20):
            while not (logs := refused(tmp_path / "sim/pods", folder)):
                await asyncio.sleep(0.01)
        assert "root:" not in logs
        pods = simulation.cluster.list("Pod", "kube-system")
        assert any(condition(pod, "Ready") != "True" for pod in pods)
        good = {"data": {"Corefile": KIND}}
        simulation.cluster.patch("ConfigMap", "kube-system", "coredns", good)
        await changed(
            simulation.cluster,
            lambda: all(condition(pod, "Ready") == "True" for pod in simulation.cluster.list("Pod", "kube-system")),
            20,
        )
        # what an object names is nobody's credential
        files = (tmp_path / "sim/pods").glob("*/kubeconfig")
        users = [yaml.safe_load(file.read_text())["users"] for file in files]
        assert all(set(user["user"]) == {"token"} for (user,) in users)
    assert not ran.exists()


def refused(pods: Path, old: Path) -> str:
    """Return what the logs of pods that did not start say."""
    logs = [file for file in pods.glob("*/log") if file.parent != old]
    return "".join(text for file in logs if "cannot start" in (text := file.read_text()))
