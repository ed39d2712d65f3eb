"""Fixtures of tests in several files, and the number of examples of properties."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.crowd import Stand

os.environ["SSL_CERT_FILE"] = os.devnull
"""No test trusts the authorities of this machine; to load them takes 50 ms for each TLS context."""
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False  # else each process that a test starts compiles all modules again
# a job in the background ignores SIGINT, and so would its children
signal.signal(signal.SIGINT, signal.default_int_handler)
for name, examples in (("quick", 20), ("ordinary", 50), ("thorough", 1_000), ("survive", 10_000)):
    # how long examples take to make says how busy the machine is, and nothing about the strategy
    settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ordinary")  # --hypothesis-profile names another: `make quick`, `make survive`


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only `make survive` runs."""
    if "survive" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("survive")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    """Give a Corefile for a server of two processes."""
    made = Stand(tmp_path)
    made.write()
    return made


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    """Restore the levels that a started server sets in this process."""
    loggers = [logging.getLogger(name) for name in (None, "minidns")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
