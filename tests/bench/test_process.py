"""The cores that measured servers run on."""

import os
import sys

import pytest

from bench.process import CORES, LOAD_CORE, SERVER_CORE, process
from tests.table import table

pytestmark = pytest.mark.skipif(not {SERVER_CORE, LOAD_CORE} <= CORES, reason="needs two cores")


@table("core", [SERVER_CORE, LOAD_CORE])
@table("own", [SERVER_CORE, LOAD_CORE])
def test_each_has_its_core_wherever_the_bench_runs(core: int, own: int) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {own})
    try:
        text = "import sys, time; print(file=sys.stderr, flush=True); time.sleep(60)"
        with process([sys.executable, "-c", text], core) as started:
            assert started.stderr is not None
            started.stderr.read(1)  # taskset has become what it starts
            assert os.sched_getaffinity(started.pid) == {core}
    finally:
        os.sched_setaffinity(0, before)
