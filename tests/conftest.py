"""Fixtures of tests in several files."""

from pathlib import Path

import pytest

from tests.crowd import Stand


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    """Give a Corefile for a server of two processes."""
    made = Stand(tmp_path)
    made.write()
    return made
