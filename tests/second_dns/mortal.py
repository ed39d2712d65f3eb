"""A program that can be killed between any two of its writes, or while one is sent."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from minidns.kubernetes.documents import Documents, Json

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: nothing is cleaned up, nothing is sent any more."""


class Mortal(Documents):
    """Documents until death; afterwards every request is `Killed`."""

    def __init__(self, living: Documents) -> None:
        super().__init__(living._sender)
        self.lives = -1
        """Writes that it survives; -1: all."""
        self.last_arrives = False
        """True if the write during which it dies reaches the server."""
        self.is_dead = False
        self.writes = 0
        self.on_write: Callable[[], None] = lambda: None
        """Called before each write."""

    async def _ask(self, method: str, path: str, body: object = None, style: str = "") -> Json:
        if self.is_dead:
            raise Killed
        is_write = method != "GET" and "dryRun" not in f"{path}{body}" and "reviews" not in path
        if not is_write:
            return await super()._ask(method, path, body, style or "application/json")
        self.on_write()
        if self.writes == self.lives:
            self.is_dead = True
            if self.last_arrives:
                await super()._ask(method, path, body, style or "application/json")
            raise Killed
        self.writes += 1
        return await super()._ask(method, path, body, style or "application/json")


async def survives(work: Awaitable[object]) -> bool:
    """Return whether ``work`` came to its end alive."""
    try:
        await work
    except Killed:
        return False
    return True
