"""The hardening checklist: 24 rows, each a test whose name begins with its number.

Rows 1 to 9 are of the manifests, 10 to 14 and 22 to 24 of the running process, 15 to 21
of what it is made from. Rows 3, 4 and 21 are checked of the image itself in
`tests.deploy.test_image`, too.
"""

import importlib
import pkgutil
import re

from tests import deploy

ROWS = {
    1: "rights to list and watch only, on what DNS needs",
    2: "an account of its own, one short-lived token in the pod",
    3: "a user by number, no privileges, no capability",
    4: "a read-only root",
    5: "the runtime's seccomp profile",
    6: "resources, priority, spread, disruption budget",
    7: "a network policy both ways",
    8: "the node's resolv.conf",
    9: "Pod Security: restricted",
    10: "pages only where the Corefile says; the local one for this machine alone",
    11: "no profiling endpoints",
    12: "no secret in any output",
    13: "no name from the network can forge a log line",
    14: "no secret on the command line",
    15: "a lock file with hashes",
    16: "few dependencies, all in a bill of materials",
    17: "known vulnerabilities looked up",
    18: "no dangerous constructions: no eval, pickle, shell, subprocess while serving",
    19: "habits of a careful project",
    20: "the same bytes from the same source",
    21: "an image without a shell",
    22: "metrics without names, clients or tokens",
    23: "clean in isolated and development mode",
    24: "TLS to the API verified",
}


def test_every_row_of_the_checklist_is_tested() -> None:
    tested = {
        int(match[1])
        for module in pkgutil.iter_modules(deploy.__path__)
        if module.name.startswith("test_hardening_")
        for name in vars(importlib.import_module(f"{deploy.__name__}.{module.name}"))
        if (match := re.match(r"test_(\d\d)_", name))
    }
    assert tested == set(ROWS) == set(range(1, 25))
