"""The columns of `kubectl get` tables, and functions that compute their cells."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .objects import Json, condition, controller_of, dig, seconds

Cell = str | int
NONE = "<none>"
UNSET = "<unset>"
SHOWN = 3
"""Ports or addresses that a cell lists before it only counts the others."""


class Column(NamedTuple):
    """One column; ``wide`` columns are only shown by `-o wide`."""

    title: str
    cell: Callable[[Json, float], Cell]
    wide: bool = False
    type: str = "string"


def at(path: str, default: Cell = NONE) -> Callable[[Json, float], Cell]:
    """Return a cell that shows the value below ``path``."""

    def cell(obj: Json, now: float) -> Cell:
        value = dig(obj, path)
        if value is None or value == "":
            return default
        return value if isinstance(value, int) else str(value)

    return cell


def number(title: str, path: str) -> Column:
    """Return a column with the number below ``path``, 0 without one."""
    return Column(title, at(path, 0), type="integer")


def joined(path: str) -> Callable[[Json, float], Cell]:
    """Return a cell with the texts of a list."""
    return lambda obj, now: ",".join(dig(obj, path) or ())


def count(path: str) -> Callable[[Json, float], Cell]:
    """Return a cell with the number of entries below ``path``."""
    return lambda obj, now: len(dig(obj, path) or ())


def pairs(path: str) -> Callable[[Json, float], Cell]:
    """Return a cell that shows the map below ``path`` as a label selector."""

    def cell(obj: Json, now: float) -> Cell:
        labels = dig(obj, path) or {}
        return ",".join(f"{k}={v}" for k, v in sorted(labels.items())) or NONE

    return cell


def duration(age_s: float) -> str:
    """Return an age as kubectl abbreviates it.

    >>> [duration(s) for s in (5, 150, 7200, 90000, 900000)]
    ['5s', '2m30s', '120m', '25h', '10d']
    """
    s = max(int(age_s), 0)
    for below, unit, name, rest, rest_name in (
        (120, 1, "s", 0, ""),
        (600, 60, "m", 1, "s"),
        (3 * 3600, 60, "m", 0, ""),
        (8 * 3600, 3600, "h", 60, "m"),
        (48 * 3600, 3600, "h", 0, ""),
        (8 * 86400, 86400, "d", 3600, "h"),
    ):
        if s < below:
            more = s % unit // rest if rest else 0
            return f"{s // unit}{name}" + (f"{more}{rest_name}" if more else "")
    return f"{s // 86400}d"


def age(path: str) -> Callable[[Json, float], Cell]:
    """Return a cell with the age of the timestamp below ``path``."""

    def cell(obj: Json, now: float) -> Cell:
        then = dig(obj, path)
        return duration(now - seconds(then)) if then else "<unknown>"

    return cell


def shortened(items: Iterable[object]) -> str:
    """Return the first items and the number of the others."""
    texts = [str(item) for item in items]
    more = len(texts) - SHOWN
    return ",".join(texts[:SHOWN]) + (f" + {more} more..." if more > 0 else "")


def external_ip(obj: Json, now: float) -> Cell:
    """Return the external addresses of a Service."""
    spec = obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", NONE))
    ingress = dig(obj, "status.loadBalancer.ingress") or ()
    addresses = [i.get("ip") or i.get("hostname", "") for i in ingress]
    addresses += spec.get("externalIPs") or ()
    if not addresses and spec.get("type") == "LoadBalancer":
        return "<pending>"
    return ",".join(addresses) or NONE


def service_ports(obj: Json, now: float) -> Cell:
    """Return the ports of a Service; one with a node port as 80:30080/TCP."""
    ports = [
        f"{port.get('port')}"
        + (f":{port['nodePort']}" if port.get("nodePort") else "")
        + f"/{port.get('protocol', 'TCP')}"
        for port in dig(obj, "spec.ports") or ()
    ]
    return ",".join(ports) or NONE


def slice_ports(obj: Json, now: float) -> Cell:
    """Return the port numbers of an EndpointSlice."""
    ports = [p.get("port", "*") for p in obj.get("ports") or ()]
    return shortened(ports) or UNSET


def slice_addresses(obj: Json, now: float) -> Cell:
    """Return the first addresses of an EndpointSlice."""
    endpoints = obj.get("endpoints") or ()
    return shortened(a for e in endpoints for a in e.get("addresses") or ()) or UNSET


def pod_ready(obj: Json, now: float) -> Cell:
    """Return the number of ready containers and of all containers of a Pod."""
    statuses = dig(obj, "status.containerStatuses") or ()
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(dig(obj, 'spec.containers') or ())}"


def pod_status(obj: Json, now: float) -> Cell:
    """Return Terminating, the reason in the status, or the phase of a Pod."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = obj.get("status") or {}
    stopped = [
        dig(container, f"state.{state}.reason")
        for container in status.get("containerStatuses") or ()
        for state in ("waiting", "terminated")
    ]
    reasons = [status.get("reason"), *stopped, status.get("phase")]
    return str(next(filter(None, reasons), "Unknown"))


def pod_restarts(obj: Json, now: float) -> Cell:
    """Return the number of container restarts of a Pod, and the time since the last."""
    statuses = dig(obj, "status.containerStatuses") or ()
    count = sum(int(status.get("restartCount", 0)) for status in statuses)
    ends = [dig(status, "lastState.terminated.finishedAt") for status in statuses]
    last = max(map(seconds, filter(None, ends)), default=None)
    if not count or last is None:
        return count
    return f"{count} ({duration(now - last)} ago)"


def deployment_ready(obj: Json, now: float) -> Cell:
    """Return the number of ready and of desired Pods of a Deployment."""
    ready = dig(obj, "status.readyReplicas") or 0
    return f"{ready}/{dig(obj, 'spec.replicas') or 0}"


def containers(field: str) -> Callable[[Json, float], Cell]:
    """Return a cell with one field of each container of a Pod template."""

    def cell(obj: Json, now: float) -> Cell:
        containers_ = dig(obj, "spec.template.spec.containers") or ()
        return ",".join(str(c.get(field, "")) for c in containers_)

    return cell


def job_status(obj: Json, now: float) -> Cell:
    """Return Complete, Failed, Suspended or Running, and Terminating."""
    names = ("Complete", "Failed", "Suspended")
    true = [name for name in names if condition(obj, name) == "True"]
    if not true and obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return true[0] if true else "Running"


def job_completions(obj: Json, now: float) -> Cell:
    """Return the number of finished and of wanted Pods of a Job."""
    done = dig(obj, "status.succeeded") or 0
    wanted, parallel = dig(obj, "spec.completions"), dig(obj, "spec.parallelism") or 0
    if wanted is None:
        wanted = f"1 of {parallel}" if parallel > 1 else 1
    return f"{done}/{wanted}"


def job_duration(obj: Json, now: float) -> Cell:
    """Return how long a Job has run, up to its end."""
    start, end = dig(obj, "status.startTime"), dig(obj, "status.completionTime")
    if not start:
        return ""
    return duration((seconds(end) if end else now) - seconds(start))


def node_status(obj: Json, now: float) -> Cell:
    """Return whether a Node is ready."""
    return "Ready" if condition(obj, "Ready") == "True" else "NotReady"


def node_ip(obj: Json, now: float) -> Cell:
    """Return the internal address of a Node."""
    for address in dig(obj, "status.addresses") or ():
        if address.get("type") == "InternalIP":
            return str(address.get("address"))
    return NONE


def role_ref(obj: Json, now: float) -> Cell:
    """Return the role of a binding, as Kind/name."""
    return f"{dig(obj, 'roleRef.kind')}/{dig(obj, 'roleRef.name')}"


def controller(obj: Json, now: float) -> Cell:
    """Return the controller of an object, as kind.group/name."""
    owner = controller_of(obj)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    name = f"{owner['kind'].lower()}.{group}" if group else owner["kind"].lower()
    return f"{name}/{owner['name']}"


def involved(obj: Json, now: float) -> Cell:
    """Return the object of an Event, as kind/name."""
    kind = str(dig(obj, "involvedObject.kind") or "").lower()
    return f"{kind}/{dig(obj, 'involvedObject.name') or ''}"


def source(obj: Json, now: float) -> Cell:
    """Return the component, and the host if there is one, that reports an Event."""
    parts = dig(obj, "source.component"), dig(obj, "source.host")
    return ", ".join(filter(None, parts))


def subsets(obj: Json, now: float) -> Cell:
    """Return the first addresses with ports of Endpoints."""
    pairs_ = [
        f"{address['ip']}:{port['port']}" if port else address["ip"]
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or (None,)
        for address in subset.get("addresses") or ()
    ]
    return shortened(pairs_) or NONE


NAME = Column("Name", at("metadata.name"))
AGE = Column("Age", age("metadata.creationTimestamp"))
CREATED = Column("Created At", at("metadata.creationTimestamp"))
