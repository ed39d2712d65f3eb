"""Limits: open files, processors, and those of a TCP connection."""

import contextlib
import os
import resource
from math import ceil
from pathlib import Path
from typing import NamedTuple

_PLENTY = 1 << 20
_CGROUP = Path("/sys/fs/cgroup")


class StreamLimits(NamedTuple):
    """Limits of a TCP or TLS connection; the defaults are those of CoreDNS."""

    read_s: float = 3.0
    """Seconds to read the first query, and any query from its first byte on."""
    write_s: float = 5.0
    """Seconds to write a reply."""
    idle_s: float = 10.0
    """Seconds between queries."""
    max_queries: int = -1
    """Number of queries before the connection is closed; -1 for unlimited."""


def open_files() -> int:
    """Raise the soft limit to the hard one, as every Go program does; return it.

    The soft limit is low for the sake of programs that call select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # keep the soft limit (macOS)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return _PLENTY if soft == resource.RLIM_INFINITY else soft


def fair_share(most: int) -> int:
    """Return how many clients or upstream queries a listener may have, up to ``most``.

    The result is at most a quarter of the open files, so that some are left for the
    API server, for HTTP, and for a second listener.
    """
    return min(most, max(open_files() // 4, 1))


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Return the number of processors that this process may use, at least 1.

    The CPU limit of a container applies, rounded up (cgroups 1 and 2).
    """
    if hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:
        bound = os.cpu_count() or 1
    return min(bound, ceil(_quota(cgroup) or bound))


def _quota(cgroup: Path) -> float | None:
    """Return the CPU limit in processors, None without a limit."""
    try:
        quota, period = _words(cgroup / "cpu.max")
    except (OSError, ValueError):
        try:
            (quota,) = _words(cgroup / "cpu/cpu.cfs_quota_us")
            (period,) = _words(cgroup / "cpu/cpu.cfs_period_us")
        except (OSError, ValueError):
            return None
    if quota == "max" or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _words(path: Path) -> list[str]:
    return path.read_text().split()
