"""A process that has imported minidns, of which the pods with minidns are forks.

To import minidns takes most of the time in which a server starts. Here that is done
once, while the program that started this process does its own imports; a pod is a fork
that goes on with `minidns.cli.main`. Another program is executed in the fork.

Each line on standard input is a request in JSON: ``{"start": [PROGRAM, ARGUMENT...],
"folder": FOLDER}`` or ``{"kill": PID, "signal": NUMBER}``. Each line on standard output
is a reply: ``{"pid": PID}`` for each start, in order, and ``{"ended": PID, "status":
NUMBER}`` at the end of each process. The end of standard input ends everything.
"""

import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple

from minidns import cli, plugins

from . import kind_corefile

MINIDNS = "minidns"
"""The PROGRAM of a request that stands for minidns."""
LOG, PREVIOUS, WORKING = "log", "log.previous", "empty"
"""In the folder of a process: the file of its output, that of the process before it,
and its working directory."""
CANNOT_EXECUTE = 126
"""Exit status of a process whose program cannot be executed, as of shells."""
_IMPORTED_BEFORE = (
    "minidns.commands.serve",
    "minidns.server.process",
    "minidns.server.edges",
    "minidns.server.logs",
    "minidns.kubernetes.credentials",
)
"""The modules that every server imports late, beside its plugins."""


class Start(NamedTuple):
    """A process to start."""

    command: list[str]
    folder: str


class ForkServer:
    """Forks processes, and reports their ends."""

    def __init__(self, requests: int, replies: int) -> None:
        """Serve the requests of one file descriptor; write replies to the other."""
        self._requests, self._replies = requests, replies
        self._children: set[int] = set()

    def run(self) -> Start | None:
        """Serve until the end of the requests; in a fork, return what it is to be."""
        with _child_signals() as ends, DefaultSelector() as selector:
            selector.register(self._requests, EVENT_READ)
            selector.register(ends, EVENT_READ)
            rest = b""
            while True:
                for key, _ in selector.select():
                    data = os.read(key.fd, 1 << 16)
                    if key.fd == ends:
                        self._reap()
                        continue
                    if not data:
                        for pid in self._children:
                            os.kill(pid, signal.SIGTERM)
                        return None
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        if (start := self._handle(json.loads(line))) is not None:
                            return start

    def _handle(self, request: dict[str, object]) -> Start | None:
        match request:
            case {"start": [*command], "folder": str(folder)}:
                if (pid := os.fork()) == 0:
                    return Start(list(map(str, command)), folder)
                self._children.add(pid)
                self._reply({"pid": pid})
            case {"kill": int(pid), "signal": int(number)} if pid in self._children:
                os.kill(pid, number)
        return None

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            self._reply({"ended": pid, "status": code})

    def _reply(self, reply: dict[str, int]) -> None:
        os.write(self._replies, json.dumps(reply).encode() + b"\n")


@contextlib.contextmanager
def _child_signals() -> Iterator[int]:
    """Give a file descriptor that becomes readable when a child process ends."""
    ends, wake = os.pipe()
    for end in (ends, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    try:
        yield ends
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(ends)
        os.close(wake)


def become(start: Start) -> int:
    """Go on as the process of a request, in a fork; return its exit status."""
    log = os.open(
        os.path.join(start.folder, LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
    )
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for output in (1, 2):
        os.dup2(log, output)
    os.close(log)
    os.chdir(os.path.join(start.folder, WORKING))
    program, *arguments = start.command
    if program == MINIDNS:
        sys.argv = start.command
        return cli.main(arguments)
    try:
        os.execv(program, start.command)
    except OSError as error:
        print(f"{program}: {error.strerror}", file=sys.stderr)
        return CANNOT_EXECUTE


def main() -> int:
    """Run the process."""
    replies = os.dup(1)
    os.dup2(2, 1)  # what is printed by mistake is no reply
    gc.disable()  # what modules hold is no garbage
    for module in _IMPORTED_BEFORE:
        import_module(module)
    for name in kind_corefile.directives():
        plugins.find(name)
    gc.freeze()  # else the collector of each fork touches, and so copies, all objects
    gc.enable()
    start = ForkServer(0, replies).run()
    os.close(replies)
    return 0 if start is None else become(start)


if __name__ == "__main__":
    sys.exit(main())
