import asyncio
import errno
import gc
import os
import sys
import threading
import weakref
from pathlib import Path

import pytest

from minidns.server.edges import Disk, settle
from minidns.system.files import MAX_BYTES
from minidns.system.threads import Threads


@pytest.mark.slow
def test_what_stays_is_not_visited_again_and_rings_are_given_back() -> None:
    class Ring:
        def __init__(self) -> None:
            self.me = self

    freed: list[str] = []
    gc.collect()
    before = gc.get_freeze_count()
    try:
        stays = [[number] for number in range(1000)]
        Ring().__dict__["told"] = type("Told", (), {"__del__": lambda _: freed.append("ring")})()
        settle()
        assert freed == ["ring"]
        assert gc.get_freeze_count() >= before + len(stays)
        visited = {id(obj) for obj in gc.get_objects()}
        assert visited.isdisjoint(map(id, stays))
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("size", "path", "number"),
    [
        pytest.param(MAX_BYTES + 1, "big", errno.EFBIG, id="too-large"),
        pytest.param(0, "no\0path", errno.EINVAL, id="nul-in-the-path"),
        pytest.param(0, "nosuch", errno.ENOENT, id="missing"),
        pytest.param(0, ".", errno.EISDIR, id="a-directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_oserror(size: int, path: str, number: int, tmp_path: Path) -> None:
    if size:
        (tmp_path / path).write_bytes(b"\n" * size)
    with pytest.raises(OSError, match=os.strerror(number) if not size else "10 MiB") as error:
        Disk().read(f"{tmp_path}/{path}")
    assert error.value.errno == number


async def test_what_is_done_aside_does_not_hold_the_loop() -> None:
    threads, released = Threads(), threading.Event()
    task = asyncio.ensure_future(threads.aside(released.wait))
    await asyncio.sleep(0)
    assert not task.done()
    released.set()
    assert await task is True
    with pytest.raises(ZeroDivisionError):
        await threads.aside(lambda: 1 // 0)
    assert gc.isenabled()
    assert sys.getswitchinterval() == pytest.approx(0.005)


async def test_who_waits_for_a_disk_that_hangs_can_be_cancelled() -> None:
    threads, released = Threads(), threading.Event()
    task = asyncio.ensure_future(threads.aside(released.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    released.set()


async def test_parts_are_freed_in_a_thread_after_their_owner() -> None:
    """A query in flight may still use the owner; the last reference decides."""

    class Owner:
        def __init__(self) -> None:
            self.parts = [Part() for _ in range(3)]

    class Part:
        pass

    threads, owner = Threads(), Owner()
    freed: list[int] = []
    for part in owner.parts:
        weakref.finalize(part, lambda: freed.append(threading.get_ident()))
    threads.free_with(owner, [*owner.parts])
    del part
    await asyncio.sleep(0)
    assert not freed
    del owner
    async with asyncio.timeout(10):
        while len(freed) < 3:  # the thread has no event
            await asyncio.sleep(0)
    assert threading.get_ident() not in freed
