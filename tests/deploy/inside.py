"""Run an image as a pod beside a simulated API server, and report what was seen.

``python -m tests.deploy.inside ROOT CONFIG WORK`` in namespaces of its own: ROOT has the
image's files, CONFIG is its config as JSON, files are made in WORK. Prints JSON.
"""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.query
import dns.rdatatype
import trustme

from minidns.http import endpoint
from sim.api import manifests
from sim.api.http import ApiServer, Tls
from sim.cluster import population
from sim.controllers.cluster import Cluster
from tests.deploy import pod

OVERLAY = Path(__file__).parents[2] / "deploy/overlays/standalone"
HERE, DNS, READY, METRICS = "127.0.0.1", 53, 8181, 9153
TOKEN = "a-token-that-nobody-guesses"
ACCOUNT = "system:serviceaccount:minidns:minidns"
DEADLINE_S = 60.0
SERVICES, ENDPOINTS = 500, 4
PREFIX = ("/usr/bin/python3.11", "-IB", "-c")


def cluster() -> Cluster:
    """Return a cluster of some size that grants the rights of the overlay standalone."""
    made = Cluster()
    made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "minidns"}})
    for obj in manifests.from_path(OVERLAY / "rbac.yaml"):
        obj["metadata"].setdefault("namespace", "minidns")
        made.apply(obj)
    made.load(population.services(SERVICES, ENDPOINTS))
    return made


def certificate(work: Path) -> Tls:
    """Return a certificate for the API server, with its authority."""
    authority = trustme.CA()
    issued = authority.issue_cert(HERE)
    files = Tls(work / "api.crt", work / "api.key", work / "account/ca.crt")
    issued.cert_chain_pems[0].write_to_path(str(files.certificate))
    issued.private_key_pem.write_to_path(str(files.key))
    authority.cert_pem.write_to_path(str(files.authority))
    return files


def volumes(work: Path) -> dict[str, Path]:
    """Make what is mounted: Corefile, service account, resolv.conf of the node."""
    for name in ("config/custom", "account", "etc"):
        (work / name).mkdir(parents=True)
    (work / "config/Corefile").write_text((OVERLAY / "Corefile").read_text())
    (work / "account/token").write_text(TOKEN)
    (work / "account/namespace").write_text("minidns")
    return {"etc/coredns": work / "config", pod.ACCOUNT: work / "account"}


async def ready(process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server says it is."""
    async with asyncio.timeout(DEADLINE_S):
        while process.poll() is None:
            try:
                if await endpoint.get((HERE, READY), "/ready") == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.02)
    raise RuntimeError(f"it ended with {process.returncode}")


async def answers(name: str) -> dict[str, list[str]]:
    """Return the answer to ``name`` over UDP and TCP."""
    query = dns.message.make_query(name, "A")
    udp = await dns.asyncquery.udp(query, HERE, DEADLINE_S, DNS)
    tcp = await dns.asyncquery.tcp(query, HERE, DEADLINE_S, DNS)
    return {"udp": _texts(udp), "tcp": _texts(tcp)}


def _texts(message: dns.message.Message) -> list[str]:
    return [rdata.to_text() for rrset in message.answer for rdata in rrset]


async def seen(root: Path, config: dict[str, Any], work: Path) -> dict[str, Any]:
    """Run the image's process to its end; return what there was to see."""
    mounted = volumes(work)
    # in the place of the files that a runtime would mount
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    tls = certificate(work)
    account = {TOKEN: ACCOUNT}
    async with ApiServer(cluster(), tls=tls, tokens=account, has_rbac=True) as api:
        at = work / "root"
        pod.root(root, mounted, at)
        environ = dict(line.split("=", 1) for line in config["Env"])
        environ["KUBERNETES_SERVICE_HOST"] = HERE
        environ["KUBERNETES_SERVICE_PORT"] = api.url.rpartition(":")[2]
        args = [*config["Entrypoint"], "-conf", "/etc/coredns/Corefile"]
        log = work / "log"
        process = pod.start(at, config["User"], args, environ, log)
        try:
            await ready(process)
            found = {
                "answers": await answers("kubernetes.default.svc.cluster.local"),
                "populated": await answers("svc-1.pop-1.svc.cluster.local"),
                "listening": pod.listening(),
                "metrics": await endpoint.get((HERE, METRICS), "/metrics"),
                "status": pod.status(process.pid),
            }
            process.send_signal(signal.SIGTERM)
            found["exit"] = await asyncio.to_thread(process.wait, DEADLINE_S)
        finally:
            process.kill()
            process.wait()
            sys.stderr.write(log.read_text())
        found["without sysctl"] = refused(at, config, environ)
    return found | {"log": log.read_text(), "ran": ran(at, config)}


def refused(at: Path, config: dict[str, Any], environ: dict[str, str]) -> str:
    """Return what it says where ports below 1024 are root's, as Linux has it."""
    pod.UNPRIVILEGED_PORTS.write_text("1024\n")
    args = [*config["Entrypoint"], "-conf", "/etc/coredns/Corefile"]
    log = at.parent / "refused"
    status = pod.start(at, config["User"], args, environ, log).wait(DEADLINE_S)
    return f"{status} {log.read_text()}"


def ran(at: Path, config: dict[str, Any]) -> dict[str, str]:
    """Return what Python says inside, in questions that need nothing to run."""
    asked = {
        "client": "from minidns.kubernetes.client import modules; from minidns.kubernetes.credentials import BASE;"
        " print([m.__name__ for m in modules(*BASE, 'kubernetes.aio.config.incluster_config',"
        " 'kubernetes.aio.config.kube_config')])",
        "authorities": "import ssl; print(ssl.create_default_context().cert_store_stats())",
        "write": "open('/tmp/x', 'w')",
        "compiled": "import minidns.server.process as s; print(s.__cached__, __import__('os').path.exists(s.__cached__))",
    }
    told = {}
    for name, code in asked.items():
        log = at.parent / f"ran-{name}"
        pod.start(at, config["User"], [*PREFIX, code], {}, log).wait(DEADLINE_S)
        told[name] = log.read_text()
    return told


def main() -> None:
    """Print what was seen."""
    root, config, work = sys.argv[1:]
    pod.network(DNS)
    report = asyncio.run(seen(Path(root), json.loads(config), Path(work)))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
