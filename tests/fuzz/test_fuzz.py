"""The targets for a moment each, and what fuzzing found before."""

import pytest

from tests.fuzz.mutate import fuzz
from tests.fuzz.targets import TARGETS
from tests.table import table

RUNS = {"query": 4000, "reply": 2000, "corefile": 400, "watch": 2000}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_target_fails(name: str) -> None:
    report = fuzz(TARGETS[name], seconds=20, seed=20, most=RUNS[name])
    assert report.runs > 50
    assert report.faults == []
    assert report.slowest_s < 2  # no input is worth seconds


FOUND = [
    ("watch", b'{"type": "AD\xafED", "object": {}}'),
    ("watch", b'{"type": "ADDED", "object": {"kind": "Service", "metadata": {"name": "\xfa"}}}'),
    ("watch", b'{"type": "ERROR", "object": {"message": "\xfa"}}'),
    ("watch", b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "\xfa"}}}'),
    ("watch", b'{"kind": "ServiceList", "metadata": {"resourceVersion": "\xfa"}, "items": []}'),
    ("watch", b'{"type": "ADDED", "object": ' + b"[" * 100_000),
    ("watch", b'{"type": "ADDED", "object": {"metadata": {"name": "a"}, "spec": ' + b"[" * 2000 + b"]" * 2000 + b"}}"),
]
"""Target and input of every fault that fuzzing found."""


@table(("name", "data"), FOUND)
def test_faults_of_the_past(name: str, data: bytes) -> None:
    TARGETS[name].run(data)
