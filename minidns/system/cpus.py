"""The number of processors that this process may use: its affinity and quota."""

import os
from math import ceil
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable(cgroup: Path = _CGROUP) -> int:
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
