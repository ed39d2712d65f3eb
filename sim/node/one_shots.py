"""Pods that run one command of `commands` to its end, as `kubectl run` and Jobs make.

A pod does so if it is not restarted always, and its first container names a command
that simulated containers have. The output is the pod's log; the pod is Succeeded or
Failed then.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ..api.objects import Json, Key, dig, key_of
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change
from ..controllers.pods import PHASE
from . import commands
from .container import Container


def command_of(pod: Json) -> list[str]:
    """Return the command that a pod runs once; empty if it does not."""
    if dig(pod, "spec.restartPolicy") == "Always":
        return []
    first = (dig(pod, "spec.containers") or [{}])[0]
    words = [*(first.get("command") or ()), *(first.get("args") or ())]
    return words if words and commands.is_known(words[0]) else []


class OneShots:
    """Runs the commands of new pods."""

    def __init__(
        self,
        cluster: ClusterApi,
        container: Callable[[str, str], Container],
        log_file: Callable[[Key], Path],
    ) -> None:
        self._cluster = cluster
        self._container = container
        self._log_file = log_file
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Run the commands of all new pods until the end of the block."""
        end = self._cluster.subscribe(self._follow)
        try:
            yield
        finally:
            end()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _follow(self, change: Change) -> None:
        if change.kind.name == "Pod" and change.type == "ADDED":
            words = command_of(change.obj)
            if words:
                work = self._run(key_of(change.obj), words)
                task = asyncio.get_running_loop().create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _run(self, key: Key, words: list[str]) -> None:
        """Run the command of a pod, and tell how it has ended."""
        path = self._log_file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file, contextlib.suppress(ApiError, LookupError):
            container = self._container(*key)

            async def write(text: str) -> None:
                file.write(text)
                file.flush()

            status = await commands.run_to(container, words, write)
            phase = "Failed" if status else "Succeeded"
            patch = {"metadata": {"annotations": {PHASE: phase}}}
            self._cluster.patch("Pod", *key, patch)
