"""Latencies in constant memory, and their percentiles.

Each bucket is a twentieth wider than the one before, so that a percentile is off by at
most 2.5 %, and 400 buckets reach from a microsecond to five minutes.
"""

import math

_SMALLEST_S = 1e-6
_GROWTH = math.log(1.05)
_BUCKETS = 400


class Latencies:
    """Counts of latencies by size."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_s = 0.0
        self._counts = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        """Count one latency."""
        at = math.log(max(seconds, _SMALLEST_S) / _SMALLEST_S) / _GROWTH
        self._counts[min(int(at), _BUCKETS - 1)] += 1
        self.count += 1
        self.longest_s = max(self.longest_s, seconds)

    def percentile(self, percent: float) -> float:
        """Return the seconds that ``percent`` of all latencies do not exceed.

        Without any latency it is 0.
        """
        wanted = self.count * percent / 100
        seen = 0
        for at, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                middle = _SMALLEST_S * math.exp((at + 0.5) * _GROWTH)
                return min(middle, self.longest_s)
        return 0.0
