"""Measures what a server costs that nobody asks anything."""

import time
import urllib.request

from bench.process import Subject

SETTLE_S, REST_S = 10.0, 20.0
"""Seconds before the measurement, and of it."""
PROBE_EVERY_S = 10.0
"""Seconds between two probes of health and readiness (kubeadm)."""


def millicores(subject: Subject) -> float:
    """Return the CPU of a server that is only probed, in thousandths of a core."""
    time.sleep(SETTLE_S)
    before, began = subject.cpu_s(), time.monotonic()
    while (passed := time.monotonic() - began) < REST_S:
        time.sleep(min(PROBE_EVERY_S, REST_S - passed))
        for url in subject.probes:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
    return (subject.cpu_s() - before) * 1e3 / (time.monotonic() - began)
