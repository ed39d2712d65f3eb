"""Measures a full relist: peak of memory, and the longest stall of answers."""

import time

from msgspec import Struct

from bench import cluster, workloads
from bench.api import Api
from bench.changes import until_seen
from bench.probe import Probe, Steady
from bench.process import Subject

DOWN_S = 0.5
BEGIN_S = 60.0
"""Maximum seconds until a server lists again."""


class Relist(Struct):
    """The results of one relist."""

    peak_mib: float
    stall_ms: float
    """The longest time of an answer, with a query every millisecond."""
    cpu_s: float
    wrong: int
    lost: int


def relist(api: Api, subject: Subject, number: int, *, streaming: bool) -> Relist:
    """Restart the API server so that ``subject`` must list all objects again.

    ``number`` is a headless Service that changes meanwhile: when the change is visible
    in an answer, the list has been processed.

    Raises:
        SystemExit: the server did not list, or did not answer with the change.

    """
    before = subject.cpu_s()
    subject.reset_peak()
    query = workloads.query(workloads.owner(0))
    with Steady(subject.port, query) as steady:
        api.restart(DOWN_S, streaming=streaming)
        _wait_for_list(api)
        address = f"10.252.{number >> 8 & 255}.{number & 255}"
        api.move_endpoint(number, address)
        until_seen(Probe(subject.port), number, address)
    api.heal()
    return Relist(
        subject.peak_mib(),
        max(steady.took_ms),
        subject.cpu_s() - before,
        steady.wrong,
        steady.lost,
    )


def _wait_for_list(api: Api) -> None:
    end = time.monotonic() + BEGIN_S
    while not api.relisted("endpointslices"):
        if time.monotonic() > end:
            raise SystemExit(f"no relist within {BEGIN_S:.0f} s of the restart")
        time.sleep(0.1)


def headless(services: int) -> int:
    """Return the last headless Service: its slice is listed late."""
    return max(n for n in range(services) if cluster.headless(n))
