"""The start of the simulated cluster: ``minidns-sim up`` until its servers answer.

It is up when it has printed its usage: the API server answers, and both DNS servers are
Ready, which means that they have the objects of the cluster. Both are asked for a name
of the cluster, as a check. No core is set: three processes start at the same time.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from bench.figures import CPU_S, OURS, SECONDS, Figures
from bench.process import CORES, Ready, Subject

RUNS = 5
_LAST_LINE = "Ctrl-C ends it."
_SERVER = re.compile(r" -> 127\.0\.0\.1:(\d+), process \d+")
_QUERY = b"\1\0\0\1\0\0\0\0\0\0\12kubernetes\7default\3svc\7cluster\5local\0\0\1\0\1"


def measure(figures: Figures) -> None:
    """Start the cluster several times; add the seconds and the CPU time of each start.

    Raises:
        SystemExit: it does not come up, or a server does not answer.

    """
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            _start(folder, figures)


def _start(folder: str, figures: Figures) -> None:
    command = (sys.executable, "-m", "sim", "up", "--state", f"{folder}/sim")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    began = time.monotonic()
    try:
        up = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    finally:
        os.sched_setaffinity(0, before)
    with contextlib.closing(up.stdout or sys.stdin) as lines:
        text = ""
        while _LAST_LINE not in text:
            if not (line := lines.readline()):
                raise SystemExit(f"minidns-sim up ended: {text}")
            text += line
        ready_s = time.monotonic() - began
        figures.add("simulation", SECONDS, OURS, ready_s)
        figures.add("simulation", CPU_S, OURS, Subject("up", 0, up.pid).cpu_s())
        ports = [int(port) for port in _SERVER.findall(text)]
        if len(ports) != 2 or not all(map(Ready(_QUERY).holds, ports)):
            raise SystemExit(f"the servers of minidns-sim up do not answer: {text}")
        up.send_signal(signal.SIGINT)
        up.wait()
