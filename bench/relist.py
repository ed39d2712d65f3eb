"""What a full relist costs: memory at its peak, and how long nobody is answered."""

import time

from msgspec import Struct

from bench import cluster, workloads
from bench.api import Api
from bench.changes import until_seen
from bench.probe import Probe, Steady
from bench.process import Subject

DOWN_S = 0.5
BEGIN_S = 60.0
"""How long a server may take to come back to its API server."""


class Relist(Struct):
    """One relist."""

    peak_mib: float
    stall_ms: float
    """The longest that an answer took, of one a millisecond."""
    cpu_s: float
    wrong: int
    lost: int


def relist(api: Api, subject: Subject, number: int, *, streaming: bool) -> Relist:
    """Restart the API server such that ``subject`` has to list all there is.

    ``number`` is a headless Service, which changes meanwhile: once that is answered,
    the list has been taken in.

    Raises:
        SystemExit: the server never listed, or never knew of the change.

    """
    before = subject.cpu_s()
    subject.reset_peak()
    asked = workloads.query(workloads.owner(0))
    with Steady(subject.port, asked) as steady:
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
