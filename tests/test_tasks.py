"""A background task that fails is logged, counted, and started again."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from minidns.kubernetes.resources import Access, Event, ListWatch, Resource
from minidns.system.tasks import MOST_S, Tasks, log_failure
from tests.process import free_port
from tests.serving import Serving, serving
from tests.world import World, settle


class Unexpected(Exception):
    """An unexpected exception."""


class Works:
    """Work that fails so many times, and then waits."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.starts = 0

    async def run(self) -> None:
        self.starts += 1
        if self.left:
            self.left -= 1
            raise Unexpected
        await asyncio.Event().wait()


def failures(world: World, name: str) -> float:
    return world.metrics.value("minidns_task_failures_total", {"task": name})


async def test_it_starts_again_with_backoff(caplog: pytest.LogCaptureFixture) -> None:
    world, work = World(), Works(failures=50)
    tasks = Tasks(world.edges, world.metrics)
    tasks.keep("x", work.run)
    await settle()
    assert work.starts == 1
    await world.clock.advance(10)
    assert 2 < work.starts < 10
    before = work.starts
    await world.clock.advance(2 * MOST_S)
    assert before < work.starts, "at most two steps of the backoff pass between starts"
    assert failures(world, "x") == work.starts
    assert sum(each.levelno == logging.ERROR for each in caplog.records) == work.starts
    await tasks.stop()


async def test_what_returns_is_over() -> None:
    world = World()

    async def work() -> None: ...

    await Tasks(world.edges, world.metrics).keep("x", work)
    assert failures(world, "x") == 0


async def test_what_belongs_to_one_event_is_not_repeated() -> None:
    world, work = World(), Works(failures=1)
    await Tasks(world.edges, world.metrics).once("x", work.run())
    await world.clock.advance(100)
    assert (work.starts, failures(world, "x")) == (1, 1)


async def test_the_end_of_the_owner_ends_what_waits_to_start_again() -> None:
    world, work = World(), Works(failures=9)
    tasks = Tasks(world.edges, world.metrics)
    task = tasks.keep("x", work.run)
    await settle()
    await tasks.stop()
    assert task.cancelled()


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [
        pytest.param(Unexpected(), True, id="a-fault-of-ours"),
        pytest.param(ConnectionResetError(104, "x"), False, id="the-client-went-away"),
        pytest.param(asyncio.CancelledError(), False, id="cancelled"),
    ],
)
async def test_a_connection_that_cannot_be_opened_is_logged_if_it_is_our_fault(
    error: BaseException, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def opening() -> None:
        raise error

    task = asyncio.ensure_future(opening())
    task.add_done_callback(log_failure)
    await asyncio.wait((task,))
    await settle()
    assert [record.exc_info is not None for record in caplog.records] == ([True] if is_logged else [])


# -- those of a running server


class Quiet:
    """An API server that lists nothing and then says nothing."""

    async def list(self, limit: int, continue_: str) -> object:
        await asyncio.Event().wait()
        raise AssertionError

    def watch(self, version: str) -> AsyncIterator[Event]:
        raise AssertionError


def _quiet(access: Access, resource: Resource) -> ListWatch:
    return Quiet()  # type: ignore[return-value]  # it is never asked for more


FILES = {"/hosts": "192.0.2.1 a\n", "/zone": "@ 60 IN SOA a. b. 1 2 3 4 5\n", "/weights": "a\n192.0.2.1 3\n"}
COREFILE = """.:{port} {{
    bind 127.0.0.1
    reload 20s 0
    health 127.0.0.1:{health}
    errors {{
        consolidate 300s ".*"
    }}
    loop
    cache
    loadbalance weighted /weights
    hosts /hosts {{
        fallthrough
    }}
    file /zone example.org
    kubernetes cluster.local {{
        endpoint http://127.0.0.1:1
        namespaces one two
        audit 300s
        hold 5s
        startup_timeout 0s
    }}
    forward . 192.0.2.1 {{
        max_fails 1
    }}
}}
"""
OF_A_SERVER = {
    "file",
    "health",
    "hosts",
    "kubernetes audit",
    "kubernetes hold",
    "kubernetes services",
    "loadbalance",
    "loop",
    "reload",
}


async def _fail(task: asyncio.Task[None]) -> None:
    """Let the innermost thing that ``task`` waits for fail."""
    waits: asyncio.Future[None] = task._fut_waiter  # type: ignore[attr-defined]
    while isinstance(waits, asyncio.Task):
        waits = waits._fut_waiter  # type: ignore[attr-defined]
    waits.set_exception(Unexpected())
    await settle()


def _started(running: Serving, before: set[asyncio.Task[object]]) -> dict[str, object]:
    ours = asyncio.all_tasks() - before - {running.running}
    return {task.get_name(): task for task in ours}


async def test_every_task_of_a_running_server_survives_a_failure() -> None:
    world = World(files=dict(FILES), list_watch=_quiet)
    text = COREFILE.format(port=free_port(), health=free_port())
    before = asyncio.all_tasks()
    async with serving(text, world) as running:
        tasks = _started(running, before)
        assert tasks.keys() >= OF_A_SERVER
        for name, task in tasks.items():
            assert isinstance(task, asyncio.Task)
            await _fail(task)
            assert failures(world, name) == 1, name
            assert not task.done(), name
            assert running.running.done() is False
        await world.clock.advance(2)
        assert _started(running, before).keys() >= OF_A_SERVER
