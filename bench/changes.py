"""Measures the time from a change in the cluster to the first correct answer."""

import itertools
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from bench import cluster, workloads
from bench.api import Api
from bench.probe import Probe

LATEST_S = 60.0
"""Seconds after which the measurement fails."""
_numbers = itertools.count()
"""Numbers of the changes: every address is used once."""


class Change(NamedTuple):
    """Milliseconds from two moments of a change to the first correct answer.

    They are 0 if the answer was earlier.
    """

    after_write_ms: float
    """Since the API server confirmed the write."""
    after_event_ms: float
    """Since another watcher received the event."""


class _Watcher(threading.Thread):
    """Records the arrival times of events by the new address in them."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self.arrived: dict[bytes, float] = {}
        self._lines = lines

    def run(self) -> None:
        """Read until the connection is closed."""
        with suppress(OSError, ValueError, AttributeError):
            for line in self._lines:
                now, at = time.time(), line.find(b'"10.251.')
                self.arrived[line[at + 1 : line.index(b'"', at + 1)]] = now


class _Writer(threading.Thread):
    """Writes changes; ``done`` has the times of their confirmations."""

    def __init__(self, api: Api) -> None:
        super().__init__(daemon=True)
        self.todo: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._api = api

    def run(self) -> None:
        """Write until None arrives."""
        while (change := self.todo.get()) is not None:
            self._api.move_endpoint(*change)
            self.done.put(time.time())


@contextmanager
def _watching(api: Api) -> Iterator[dict[bytes, float]]:
    with api.watch_slices() as lines:
        watcher = _Watcher(lines)
        watcher.start()
        yield watcher.arrived


def changes(
    api: Api, port: int, services: int, count: int, per_second: float
) -> list[Change]:
    """Make ``count`` changes to headless Services, and wait for their answers.

    Raises:
        SystemExit: an answer did not arrive in time.

    """
    probe, writer = Probe(port), _Writer(api)
    writer.start()
    began, results = time.monotonic(), []
    headless = [n for n in range(services) if cluster.headless(n)]
    with _watching(api) as arrived:
        for number_made in range(count):
            if (wait := began + number_made / per_second - time.monotonic()) > 0:
                time.sleep(wait)
            unique = next(_numbers)
            address = f"10.251.{unique >> 8 & 255}.{unique & 255}"
            number = headless[unique % len(headless)]
            writer.todo.put((number, address))
            answered = until_seen(probe, number, address)
            written, event = writer.done.get(), _when(arrived, address)
            results.append(Change(_ms(written, answered), _ms(event, answered)))
        writer.todo.put(None)
    probe.close()
    return results


def until_seen(probe: Probe, number: int, address: str) -> float:
    """Return when the first answer with ``address`` arrived."""
    query = workloads.query(workloads.owner(number))
    data = bytes(map(int, address.split(".")))
    end = time.monotonic() + LATEST_S
    while time.monotonic() < end:
        answered = probe.ask(query)
        if answered is not None and data in answered.reply:
            return answered.arrived
    raise SystemExit(f"{address} was not in an answer within {LATEST_S:g} s")


def _when(arrived: dict[bytes, float], address: str) -> float:
    end = time.monotonic() + LATEST_S
    while time.monotonic() < end:
        if (when := arrived.get(address.encode())) is not None:
            return when
        time.sleep(0.001)
    raise SystemExit(f"the event of {address} was not seen")


def _ms(since: float, until: float) -> float:
    return max(0.0, (until - since) * 1e3)
