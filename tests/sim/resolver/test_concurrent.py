from collections.abc import Generator
from random import Random

import pytest

from minidns.dns.rdata import AAAA, A
from minidns.stub.protocol import Event, Wait
from minidns.stub.single import Settings, Single
from sim.resolver.concurrent import together

Steps = Generator[Wait, Event, str]


def waits(until: float, result: str, log: list[str]) -> Steps:
    """Wait once; note the event."""
    event = yield Wait((), until)
    log.append(f"{result} {event.now:g}")
    return result


def test_each_part_gets_its_own_time_out() -> None:
    log: list[str] = []
    steps = together([waits(2, "late", log), waits(1, "early", log)])
    assert next(steps).until == 1
    assert steps.send(Event(1)).until == 2
    with pytest.raises(StopIteration) as end:
        steps.send(Event(2))
    assert log == ["early 1", "late 2"]
    assert end.value.value == ["late", "early"]


def test_events_reach_the_part_with_the_socket() -> None:
    single = Single(Settings(("192.0.2.1",)), Random(1))
    steps = together([single.look_up("a.example", (kind,)) for kind in (A, AAAA)])
    first, second = next(steps).sends
    assert first.source != second.source
    waiting = steps.send(Event(0.5, source=1))  # nobody's socket
    assert waiting.sends == ()
    assert waiting.until == 5


def test_nothing_is_over_at_once() -> None:
    with pytest.raises(StopIteration) as end:
        next(together([]))
    assert end.value.value == []
