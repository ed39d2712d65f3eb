import os
from pathlib import Path

import pytest

from minidns.system import limits

BOUND = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, BOUND, id="no-cgroup"),
        pytest.param({"cpu.max": "max 100000"}, BOUND, id="no-limit"),
        pytest.param({"cpu.max": "100000 100000"}, 1, id="one"),
        pytest.param({"cpu.max": "10000 100000"}, 1, id="a-tenth"),
        pytest.param({"cpu.max": "99900000 100000"}, BOUND, id="more-than-there-are"),
        pytest.param({"cpu.max": "110000 100000"}, min(2, BOUND), id="rounded-up"),
        pytest.param({"cpu.max": "what"}, BOUND, id="nonsense"),
        pytest.param({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1, id="cgroup-1"),
        pytest.param({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, BOUND, id="cgroup-1-no-limit"),
    ],
)
def test_usable(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert limits.usable_cpus(tmp_path) == expected
