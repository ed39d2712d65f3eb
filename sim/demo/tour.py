"""``minidns-sim demo``: what minidns is for, told on a simulated cluster and checked.

Nothing printed is canned: every answer came over a socket from a minidns process, every
table is made of the objects in the API. Change one (``--apply``) and see it go wrong.
"""

import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

import yaml
from aiohttp import ClientError

from minidns.http import endpoint

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
from .story import Story, wants_color

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
"""What may go wrong in a step and is told, not raised."""


async def services(scene: Scene) -> None:
    """Show both DNS services and who is behind them."""
    story = scene.story
    story.step("Two DNS services, a minidns process of its own behind each")
    story.say(f"    GET {DNS_SERVICES}")
    found = await scene.get(DNS_SERVICES)
    rows = [_row(service) for service in found["items"]]
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
        story.show(_where(name, each) for each in running)
    pids = {each.pid for running in servers.values() for each in running}
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
    """Return the HTTP status of the metrics behind a ClusterIP; 0 if nobody is."""
    flow = Flow((scene.sim.container("default", "app").address, 40000), (address, 9153))
    path = scene.sim.plane.route(flow._replace(protocol="TCP"))
    return await endpoint.get(path.real, "/metrics") if path.real else 0


async def dnsutils_file(scene: Scene) -> None:
    """Show what dnsPolicy None makes of a pod's resolv.conf."""
    story = scene.story
    story.step("Pod dnsutils: dnsPolicy None, so only what its dnsConfig says")
    story.say(f"    GET {PODS}/dnsutils")
    pod = await scene.get(f"{PODS}/dnsutils")
    for field in ("dnsPolicy", "dnsConfig"):
        told = yaml.safe_dump(pod["spec"].get(field), default_flow_style=True)
        story.show(f"{field}: {told.splitlines()[0]}")
    output = await scene.run("dnsutils", "cat /etc/resolv.conf")
    story.check("the kubelet wrote that", f"nameserver {SECOND_DNS}\n", output.text)


async def app_file(scene: Scene) -> None:
    """Show what dnsPolicy ClusterFirst makes of a pod's resolv.conf."""
    scene.story.step("Pod app: dnsPolicy ClusterFirst, as pods have by default")
    output = await scene.run("app", "cat /etc/resolv.conf")
    scene.story.check(
        "kube-dns, three search domains, ndots:5",
        "search default.svc.cluster.local svc.cluster.local cluster.local\n"
        f"nameserver {CLUSTER_DNS}\noptions ndots:5\n",
        output.text,
    )


async def outside_name(scene: Scene) -> None:
    """Look a name of the world outside up."""
    story, internet = scene.story, scene.sim.internet
    story.step("A name outside: forwarded to whom the node's /etc/resolv.conf names")
    host, port = scene.sim.outside
    node = kube_system.NODE_RESOLV_CONF.strip()
    story.show(f"node: {node} -> really {host}:{port}, the simulated internet")
    before = len(internet.asked)
    output = await scene.run("dnsutils", "nslookup google.com")
    scene.check_lines(
        output,
        f"Server:\t\t{SECOND_DNS}",
        "Non-authoritative answer:",
        "Name:\tgoogle.com",
    )
    asked = sorted(set(internet.asked[before:]))
    story.check("the simulated internet was asked", ["google.com."], asked)


async def cluster_name(scene: Scene) -> None:
    """Look a name of the cluster up."""
    scene.story.step("A name of the cluster")
    name = "kubernetes.default.svc.cluster.local"
    output = await scene.run("dnsutils", f"nslookup {name}")
    lines = (f"Server:\t\t{SECOND_DNS}", f"Name:\t{name}", "Address: 10.96.0.1")
    scene.check_lines(output, *lines)
    service = await scene.get(f"{SERVICES}/kubernetes")
    address = dig(service, "spec.clusterIP")
    scene.story.check("which is that Service's clusterIP", "10.96.0.1", address)


async def short_name(scene: Scene) -> None:
    """Show the search list finding a short name."""
    scene.story.step("The client searches, not the server: kubernetes.default")
    queries = [
        *both(f"kubernetes.default.{NAMESPACE}", "NXDOMAIN"),
        *both(f"kubernetes.default.{SVC}", "NOERROR", "NODATA"),
    ]
    await scene.searched("kubernetes.default", queries, ("10.96.0.1",))


async def outside_name_searched(scene: Scene) -> None:
    """Show what ndots:5 costs for a name outside."""
    scene.story.step("What ndots:5 costs: google.com as it is comes last")
    ends = (NAMESPACE, SVC, ZONE)
    misses = [line for end in ends for line in both(f"google.com.{end}", "NXDOMAIN")]
    addresses = ("192.0.2.100", "2001:db8::100")
    queries = [*misses, *both("google.com.", "NOERROR")]
    await scene.searched("google.com", queries, addresses)


async def new_service(scene: Scene) -> None:
    """Create a Service and look it up until it is there."""
    scene.story.step("A Service is created; the next look-ups show it")
    name = "web.default.svc.cluster.local"
    before = await scene.run("dnsutils", f"nslookup {name}")
    scene.check_lines(before, f"** server can't find {name}: NXDOMAIN")
    spec: Json = {"ports": [{"name": "http", "port": 80}]}
    begin = time.perf_counter()
    made = await scene.write("POST", SERVICES, _service("web", spec))
    address = dig(made, "spec.clusterIP")
    scene.story.show(f"POST {SERVICES}: web, given clusterIP {address}")
    await scene.until("web", [address], begin)


async def changed_slice(scene: Scene) -> None:
    """Change one EndpointSlice and look its Service up until it shows."""
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
    """Ask minidns why it answers so."""
    scene.story.step("Why that answer: the objects it follows from, at their versions")
    servers = scene.servers("kube-dns-2")
    if not servers:
        raise LookupError("nobody is behind kube-dns-2")
    url = f"http://{HOST}:{servers[0].place.ports.explain}"
    name = "db.default.svc.cluster.local"
    status, text = await scene.minidns("why", name, "--server", url)
    scene.story.check("minidns why can say", 0, status)
    for path in (f"{SERVICES}/db", f"{SLICES}/db-1"):
        found = await scene.get(path)
        named = f"{found['kind']} default/{found['metadata']['name']}"
        version = dig(found, "metadata.resourceVersion")
        wanted = f"{named} (resourceVersion {version},"
        came = wanted if wanted in text else text
        scene.story.check(f"it names {named}, version {version}", wanted, came)


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
    """Tell every step; what goes wrong in one does not keep the next from it."""
    async with simulation.http() as http:
        scene = Scene(simulation, story, http)
        for step in STEPS:
            try:
                await step(scene)
            except TROUBLE as error:
                story.fail("the step itself", str(error) or repr(error))


def _introduction(simulation: Simulation, seconds: float) -> Iterator[str]:
    """Say what is real, and how the servers' Corefile differs from kind's."""
    yield f"A simulated cluster, up after {seconds:.1f} s. Nothing leaves this machine."
    yield "Real:      minidns, two processes that list and watch the API over HTTP"
    yield f"           ({simulation.api.url}), and every datagram and TCP stream."
    yield "Simulated: the addresses 10.x, pods, kubelet, kube-proxy, the internet."
    yield "Corefile:  kind's, from the ConfigMap coredns; on loopback and without root,"
    for running in simulation.servers(("kube-system", "kube-dns")):
        for line, new in running.place.changes(running.corefile):
            yield f"           {line or '(new)':29} -> {new}"


async def run(out: TextIO, apply: Path | None = None) -> int:
    """Tell the story on ``out``; return 0 only if everything came as said.

    ``apply`` is a manifest applied before the first step, to see it go wrong.

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
