"""The 48 faults of an API server, by number, and that each has a test of its own.

The tests are in the modules ``test_faults_*`` of this folder: the plugin follows the
simulated API server over HTTP, is asked throughout, and in the end answers what the
server has. A test is named after the faults that it plays, as in ``test_F3_F4_...``.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator

from tests import survival
from tests.table import table

FAULTS: dict[int, str] = {
    1: "a watch ends cleanly",
    2: "a reset in mid-stream",
    3: "half-open, without a FIN",
    4: "a frozen server",
    5: "410 in the stream",
    6: "410 instead of a watch",
    7: "410 on a later page",
    8: "deletions missed in a gap",
    9: "additions and changes missed in a gap",
    10: "the same events again",
    11: "a deletion of what nobody knows",
    12: "events out of order",
    13: "bookmarks only",
    14: "no bookmark ever",
    15: "500 InternalError in the stream",
    16: "500 StoreReadError in the stream",
    17: "an ERROR without reason or code",
    18: "no streaming lists",
    19: "a streaming list without its end",
    20: "429 with Retry-After",
    21: "503 with Retry-After at the start",
    22: "504 TooLarge",
    23: "versions go back: etcd restored",
    24: "the token is rotated",
    25: "the token file is missing or empty",
    26: "403 on one kind",
    27: "403 after the sync",
    28: "a restart by SIGTERM",
    29: "a restart by kill -9",
    30: "away for long",
    31: "away at the start",
    32: "slow to begin, slow to end",
    33: "a list cut in its middle",
    34: "a line cut, or not JSON",
    35: "lines and objects of megabytes",
    36: "objects that are none",
    37: "an unknown event type",
    38: "an object that cannot be read",
    39: "a relist of a large cluster",
    40: "a thousand events a second",
    41: "certificates that change or are wrong",
    42: "a proxy's page with 200, a redirect",
    43: "the API server's name cannot be resolved",
    44: "the clock jumps",
    45: "two servers, one of them behind",
    46: "a namespace deleted with its Services",
    47: "slices merged and deleted, with overlap",
    48: "deleted and made again in a gap",
}
"""The faults of the API server, or of the path to it, by number."""


def played() -> Iterator[int]:
    """Yield the number of every fault that a test function plays."""
    for module in pkgutil.iter_modules(survival.__path__, "tests.survival."):
        if "test_faults_" in module.name:
            for name in vars(importlib.import_module(module.name)):
                if name.startswith("test_F"):
                    yield from map(int, re.findall(r"F(\d+)_", name))


def test_there_are_48() -> None:
    assert list(FAULTS) == list(range(1, 49))


@table("number", FAULTS)
def test_a_fault_is_played(number: int) -> None:
    assert number in set(played())
