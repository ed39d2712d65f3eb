"""Where figures were taken."""

import os
import platform
from pathlib import Path
from typing import Self

from msgspec import Struct


class Machine(Struct, frozen=True):
    """What figures depend on besides the code."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load: float
    """Processes that wanted a core in the minute before; more than 0.5 disturbs."""

    @classmethod
    def here(cls) -> Self:
        """Describe this one."""
        return cls(
            _field("/proc/cpuinfo", "model name") or platform.machine(),
            os.cpu_count() or 1,
            round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            f"{platform.system()} {platform.release()}",
            f"{platform.python_implementation()} {platform.python_version()}",
            round(os.getloadavg()[0], 2),
        )

    def __str__(self) -> str:
        """Return one line for people."""
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
