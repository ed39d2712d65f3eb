"""Commands that are ended, or fail, at their every step: run as a program of its own.

``python -m tests.laptop.interrupted RECIPE FOLDER`` interrupts apply and undo. A step is
whatever Python is about to do to a file (its audit events). The process gets SIGKILL there
(kill), that one step fails (once), or all steps from there on fail (on). Afterwards undo
must have the machine as it was, byte for byte. Prints how many steps there were each time.
"""

import contextlib
import errno
import io
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

from minidns.laptop.split_dns import command
from tests.laptop.world import machine, snapshot, words

STEPS = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink",
    "os.chown", "os.chmod",
}  # fmt: skip


IN_SPITE_OF_IT = 9
"""Status of a command that went well although a step failed."""


def interrupt(root: Path, at: int, how: str) -> Callable[[], bool]:
    """End or fail this process at a step from now on; return whether it reached the step."""
    count = 0

    def hook(event: str, args: tuple[object, ...]) -> None:
        nonlocal count
        if event not in STEPS:
            return
        path = args[0]
        if isinstance(path, int) or str(path).startswith(str(root)):
            count += 1
            if count < at or (how == "once" and count > at):
                return
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    sys.addaudithook(hook)
    return lambda: count >= at


def run(action: str, recipe: str, root: Path) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return command.main(words(action, recipe, root))


def child(action: str, recipe: str, root: Path, at: int, how: str) -> int:
    """Run a command that is interrupted; return its status, 0 if it never was."""
    pid = os.fork()
    if not pid:
        came_to_it = interrupt(root, at, how)
        status = run(action, recipe, root)
        os._exit(status or (IN_SPITE_OF_IT if came_to_it() else 0))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check(recipe: str, action: str, how: str, folder: Path) -> int:
    """Return the number of steps of ``action``, after each of which undo restored all."""
    at = 0
    while True:
        at += 1
        root = machine(recipe, folder / "root")
        before = snapshot(root)
        if action == "undo":
            assert run("apply", recipe, root) == 0
        status = child(action, recipe, root, at, how)
        if status == 0 and action == "apply":
            assert run("apply", recipe, root) == 0
        if how == "kill" and action == "apply" and at % 2:
            assert run("apply", recipe, root) == 0  # what was begun can be done, too
        if how == "once" and action == "apply" and status not in (0, IN_SPITE_OF_IT):
            # nobody has to know of undo: what failed has undone itself
            assert snapshot(root) == before, (at, snapshot(root), before)
        assert run("undo", recipe, root) == 0, (at, status)
        assert snapshot(root) == before, (at, status, snapshot(root), before)
        shutil.rmtree(root)
        if status == 0:
            return at - 1


if __name__ == "__main__":
    for action, how in product(("apply", "undo"), ("kill", "once", "on")):
        print(check(sys.argv[1], action, how, Path(sys.argv[2])), flush=True)
