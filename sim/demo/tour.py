"""``minidns-sim demo``: the purpose of minidns, shown on a simulated cluster.

All output is live: every answer comes from a minidns process over a socket, every table
from objects of the API. Change an object with ``--apply`` and checks fail.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import yaml
from aiohttp import ClientError

from minidns.http import endpoint
from minidns.text.terminal import wants_color

from ..api import manifests
from ..api.objects import Json, dig
from ..api.status import ApiError
from ..api.writing import Write
from ..cluster.simulation import NotReady, Simulation, started
from ..node import kube_system
from ..node.kind_corefile import HOST
from ..node.kube_proxy import Flow
from ..node.kube_system import CLUSTER_DNS, SECOND_DNS
from ..node.runtime import Running
from .scene import Scene, both, table
from .story import Story

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
DNS_SERVICES = "/api/v1/namespaces/kube-system/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
PORTS = "53/UDP,53/TCP,9153/TCP"
NAMESPACE, SVC, ZONE = (
    "default.svc.cluster.local.",
    "svc.cluster.local.",
    "cluster.local.",
)
TROUBLE = (ApiError, ClientError, LookupError, NotReady, OSError, TimeoutError)
"""Errors of a step that the story reports."""


async def services(scene: Scene) -> None:
    """Show both DNS services and the processes behind them."""
    story = scene.story
    story.step("Two DNS services, each with its own minidns process")
    story.say(f"    GET {DNS_SERVICES}")
    services_ = await scene.get(DNS_SERVICES)
    rows = [_row(service) for service in services_["items"]]
    story.show(table([("NAME", "TYPE", "CLUSTER-IP", "PORT(S)"), *rows]))
    story.check(
        "kube-dns and kube-dns-2, each 53/UDP, 53/TCP, 9153/TCP",
        [
            ("kube-dns", "ClusterIP", CLUSTER_DNS, PORTS),
            ("kube-dns-2", "ClusterIP", SECOND_DNS, PORTS),
        ],
        rows,
    )
    servers = {name: scene.servers(name) for name, *_ in rows}
    for name, running in servers.items():
        story.show(_where(name, process) for process in running)
    pids = {process.pid for running in servers.values() for process in running}
    story.check("two processes", 2, len(pids))
    for name, _, address, _ in rows:
        story.check(f"{name} answers at 9153/TCP", 200, await _metrics(scene, address))


def _row(service: Json) -> tuple[str, ...]:
    spec = service["spec"]
    ports = ",".join(f"{p['port']}/{p['protocol']}" for p in spec.get("ports") or ())
    return service["metadata"]["name"], spec["type"], spec.get("clusterIP", ""), ports


def _where(name: str, running: Running) -> str:
    return (
        f"{name} -> pod {running.pod[1]} {running.address}:53"
        f" -> really {HOST}:{running.place.ports.dns}, process {running.pid}"
    )


async def _metrics(scene: Scene, address: str) -> int:
    """Return the HTTP status of the metrics at a ClusterIP; 0 without an endpoint."""
    flow = Flow((scene.sim.container("default", "app").address, 40000), (address, 9153))
    path = scene.sim.plane.route(flow._replace(protocol="TCP"))
    return await endpoint.get(path.real, "/metrics") if path.real else 0


async def dnsutils_file(scene: Scene) -> None:
    """Show the resolv.conf of a pod with dnsPolicy None."""
    story = scene.story
    story.step("Pod dnsutils: dnsPolicy None, so only its dnsConfig counts")
    story.say(f"    GET {PODS}/dnsutils")
    pod = await scene.get(f"{PODS}/dnsutils")
    for field in ("dnsPolicy", "dnsConfig"):
        text = yaml.safe_dump(pod["spec"].get(field), default_flow_style=True)
        story.show(f"{field}: {text.splitlines()[0]}")
    output = await scene.run("dnsutils", "cat /etc/resolv.conf")
    story.check("the kubelet wrote that", f"nameserver {SECOND_DNS}\n", output.text)


async def app_file(scene: Scene) -> None:
    """Show the resolv.conf of a pod with dnsPolicy ClusterFirst."""
    scene.story.step("Pod app: dnsPolicy ClusterFirst, as pods have by default")
    output = await scene.run("app", "cat /etc/resolv.conf")
    scene.story.check(
        "kube-dns, three search domains, ndots:5",
        "search default.svc.cluster.local svc.cluster.local cluster.local\n"
        f"nameserver {CLUSTER_DNS}\noptions ndots:5\n",
        output.text,
    )


async def outside_name(scene: Scene) -> None:
    """Look an external name up."""
    story, internet = scene.story, scene.sim.internet
    story.step("An external name: forwarded to the resolver in the node's resolv.conf")
    host, port = scene.sim.outside
    node = kube_system.NODE_RESOLV_CONF.strip()
    story.show(f"node: {node} -> really {host}:{port}, the simulated internet")
    count = len(internet.questions)
    output = await scene.run("dnsutils", "nslookup google.com")
    scene.check_lines(
        output,
        f"Server:\t\t{SECOND_DNS}",
        "Non-authoritative answer:",
        "Name:\tgoogle.com",
    )
    names = sorted(set(internet.questions[count:]))
    story.check("the simulated internet got the query", ["google.com."], names)


async def cluster_name(scene: Scene) -> None:
    """Look a cluster name up."""
    scene.story.step("A name of the cluster")
    name = "kubernetes.default.svc.cluster.local"
    output = await scene.run("dnsutils", f"nslookup {name}")
    lines = (f"Server:\t\t{SECOND_DNS}", f"Name:\t{name}", "Address: 10.96.0.1")
    scene.check_lines(output, *lines)
    service = await scene.get(f"{SERVICES}/kubernetes")
    address = dig(service, "spec.clusterIP")
    scene.story.check("which is that Service's clusterIP", "10.96.0.1", address)


async def short_name(scene: Scene) -> None:
    """Show how the search list resolves a short name."""
    scene.story.step("The client searches, not the server: kubernetes.default")
    queries = [
        *both(f"kubernetes.default.{NAMESPACE}", "NXDOMAIN"),
        *both(f"kubernetes.default.{SVC}", "NOERROR", "NODATA"),
    ]
    await scene.searched("kubernetes.default", queries, ("10.96.0.1",))


async def outside_name_searched(scene: Scene) -> None:
    """Show the queries that ndots:5 adds for an external name."""
    scene.story.step("What ndots:5 costs: google.com as it is comes last")
    ends = (NAMESPACE, SVC, ZONE)
    misses = [line for end in ends for line in both(f"google.com.{end}", "NXDOMAIN")]
    addresses = ("192.0.2.100", "2001:db8::100")
    queries = [*misses, *both("google.com.", "NOERROR")]
    await scene.searched("google.com", queries, addresses)


async def new_service(scene: Scene) -> None:
    """Create a Service and look it up until it resolves."""
    scene.story.step("A Service is created; the next lookups show it")
    name = "web.default.svc.cluster.local"
    output = await scene.run("dnsutils", f"nslookup {name}")
    scene.check_lines(output, f"** server can't find {name}: NXDOMAIN")
    spec: Json = {"ports": [{"name": "http", "port": 80}]}
    begin = time.perf_counter()
    service = await scene.write("POST", SERVICES, _service("web", spec))
    address = dig(service, "spec.clusterIP")
    scene.story.show(f"POST {SERVICES}: web, given clusterIP {address}")
    await scene.until("web", [address], begin)


async def changed_slice(scene: Scene) -> None:
    """Change an EndpointSlice and look its Service up until the answer changes."""
    scene.story.step("An EndpointSlice is changed: one endpoint goes, another comes")
    first, then = ["10.244.1.21", "10.244.1.22"], ["10.244.1.22", "10.244.1.23"]
    spec: Json = {"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]}
    await scene.write("POST", SERVICES, _service("db", spec))
    begin = time.perf_counter()
    await scene.write("POST", SLICES, _slice("db", first))
    scene.story.show(f"POST {SLICES}: db-1 of headless Service db")
    await scene.until("db", first, begin)
    begin = time.perf_counter()
    change = {"endpoints": _slice("db", then)["endpoints"]}
    await scene.write("PATCH", f"{SLICES}/db-1", change)
    scene.story.show(f"PATCH {SLICES}/db-1")
    await scene.until("db", then, begin)


def _service(name: str, spec: Json) -> Json:
    kind = {"apiVersion": "v1", "kind": "Service"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def _slice(service: str, addresses: Iterable[str]) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-1",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}}
            for address in addresses
        ],
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
    }


async def why(scene: Scene) -> None:
    """Show the explanation of an answer."""
    scene.story.step("Why this answer: the objects behind it, with their versions")
    servers = scene.servers("kube-dns-2")
    if not servers:
        raise LookupError("nobody is behind kube-dns-2")
    url = f"http://{HOST}:{servers[0].place.ports.explain}"
    name = "db.default.svc.cluster.local"
    status, text = await scene.minidns("why", name, "--server", url)
    scene.story.check("minidns why succeeds", 0, status)
    for path in (f"{SERVICES}/db", f"{SLICES}/db-1"):
        obj = await scene.get(path)
        named = f"{obj['kind']} default/{obj['metadata']['name']}"
        version = dig(obj, "metadata.resourceVersion")
        expected = f"{named} (resourceVersion {version},"
        actual = expected if expected in text else text
        scene.story.check(f"it names {named}, version {version}", expected, actual)


STEPS: tuple[Callable[[Scene], Awaitable[None]], ...] = (
    services,
    dnsutils_file,
    app_file,
    outside_name,
    cluster_name,
    short_name,
    outside_name_searched,
    new_service,
    changed_slice,
    why,
)


async def tell(simulation: Simulation, story: Story) -> None:
    """Run every step; an error in one does not stop the next."""
    async with simulation.http() as http:
        scene = Scene(simulation, story, http)
        for step in STEPS:
            try:
                await step(scene)
            except TROUBLE as error:
                story.fail("the step itself", str(error) or repr(error))


def _introduction(simulation: Simulation, seconds: float) -> Iterator[str]:
    """Yield what is real, and how the servers' Corefile differs from kind's."""
    yield f"A simulated cluster, up after {seconds:.1f} s. Nothing leaves this machine."
    yield "Real:      minidns, two processes that list and watch the API over HTTP"
    yield f"           ({simulation.api.url}), and every datagram and TCP stream."
    yield "Simulated: the addresses 10.x, pods, kubelet, kube-proxy, the internet."
    yield "Corefile:  kind's, from the ConfigMap coredns; on loopback and without root,"
    for running in simulation.servers(("kube-system", "kube-dns")):
        for line, new in running.place.changes(running.corefile):
            yield f"           {line or '(new)':29} -> {new}"


async def run(out: TextIO, apply: Path | None = None) -> int:
    """Run the demo; return 0 only if all checks passed.

    The manifest ``apply`` is applied before the first step, to make checks fail.

    Raises:
        ApiError: the manifest cannot be applied.
        OSError: the manifest cannot be read.

    """
    story = Story(out, wants_color(out))
    objects = list(manifests.from_path(apply)) if apply else []
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="minidns-sim-") as folder:
        async with started(Path(folder)) as simulation:
            try:
                await simulation.ready()
            except NotReady as error:
                story.fail("both servers become ready", *str(error).splitlines())
                return story.end()
            for line in _introduction(simulation, time.perf_counter() - begin):
                story.say(line)
            for obj in objects:
                simulation.cluster.apply(obj, Write(manager="kubectl"))
                story.say(f"Applied: {obj['kind']} {obj['metadata']['name']}")
            await tell(simulation, story)
        return story.end()
