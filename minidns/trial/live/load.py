"""The load that a trial may add: a share of what CoreDNS's pods answer anyway."""

import re
from collections.abc import Iterable

from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import ApiError
from minidns.second_dns.objects import POD
from minidns.second_dns.session import Session

SHARE = 0.05
"""The part of its own load that a CoreDNS pod gets from a trial."""
LEAST = 1.0
"""Lookups a second that are allowed in any case."""
SAMPLE_S = 5.0
"""Seconds between two readings of a pod's counters."""
_REQUESTS = re.compile(r"^coredns_dns_requests_total(?:\{[^}]*\})? (\S+)", re.MULTILINE)


def requests_of(metrics: str) -> float:
    """Return the requests that a CoreDNS has had, by the text of its metrics.

    >>> requests_of('coredns_dns_requests_total{type="A"} 40')
    40.0
    """
    return sum(map(float, _REQUESTS.findall(metrics)))


async def queries_per_s(
    session: Session, namespace: str, pods: Iterable[str], port: int
) -> float | None:
    """Return the queries a second of the least loaded pod; None if it is not known.

    The metrics are read through the API server, which needs the right to get
    pods/proxy.
    """
    names = tuple(pods)
    try:
        before = [await _requests(session.api, namespace, n, port) for n in names]
        began = session.wall()
        await session.sleep(SAMPLE_S)
        after = [await _requests(session.api, namespace, n, port) for n in names]
    except ApiError:
        return None
    seconds = session.wall() - began
    # a counter that is lower than before is that of a container that started again
    rates = [max(b - a, 0) / seconds for a, b in zip(before, after, strict=True)]
    return min(rates, default=None)


async def _requests(api: Documents, namespace: str, pod: str, port: int) -> float:
    path = POD.path(namespace, f"{pod}:{port}")
    return requests_of(await api.text(f"{path}/proxy/metrics"))


def allowed(load: float | None) -> float:
    """Return the lookups a second that each CoreDNS pod may get from a trial."""
    return LEAST if load is None else max(SHARE * load, LEAST)
