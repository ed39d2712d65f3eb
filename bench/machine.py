"""The machine that figures were measured on."""

import os
import platform
from pathlib import Path
from typing import Self

from msgspec import Struct


class Machine(Struct, frozen=True):
    """The properties of a machine that figures depend on."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load: float
    """The load average of the minute before; above 0.5 it disturbs the figures."""

    @classmethod
    def here(cls) -> Self:
        """Return this machine."""
        return cls(
            _field("/proc/cpuinfo", "model name") or platform.machine(),
            os.cpu_count() or 1,
            round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            f"{platform.system()} {platform.release()}",
            f"{platform.python_implementation()} {platform.python_version()}",
            round(os.getloadavg()[0], 2),
        )

    def __str__(self) -> str:
        """Return a description in one line."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:g} GiB,"
            f" {self.system}, {self.python}, load {self.load:g} at the start"
        )


def _field(path: str, name: str) -> str:
    try:
        for line in Path(path).read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return " ".join(value.split())
    except OSError:
        pass
    return ""
