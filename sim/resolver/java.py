"""Java's InetAddress: the C library's getaddrinfo behind a cache by name.

Theory of operation: a successful lookup is kept for 30 seconds whatever the TTL, a
failed one for ten, whatever the cause: a lost packet and NXDOMAIN are the same
UnknownHostException. With a security manager (up to Java 23) or
``networkaddress.cache.ttl=-1`` a success is kept for ever. With
``networkaddress.cache.stale.ttl`` an expired success is used on if the lookup fails.

Source: OpenJDK 25 src/java.base/share/classes/java/net/InetAddress.java
(CachedLookup, ValidCachedLookup, NameServiceAddresses),
sun/net/InetAddressCachePolicy.java, and conf/security/java.security
(networkaddress.cache.negative.ttl=10).
"""

from dataclasses import dataclass
from math import inf
from random import Random

from minidns.stub.glibc import Glibc
from minidns.stub.protocol import BOTH, Outcome, Resolver, Status, Steps


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The properties of the cache, in seconds."""

    positive_s: float = 30
    negative_s: float = 10
    stale_s: float = 0


FOREVER = CachePolicy(positive_s=inf)
"""The policy with a security manager."""


class Java(Resolver):
    """The InetAddress of one Java virtual machine."""

    def __init__(
        self, resolv_conf: str, rng: Random, policy: CachePolicy = CachePolicy()
    ) -> None:
        """Use glibc below a cache with ``policy``."""
        super().__init__(resolv_conf, rng)
        self._libc = Glibc(resolv_conf, rng)
        self._policy = policy
        self._cache: dict[tuple[str, tuple[int, ...]], tuple[float, Outcome]] = {}
        """The time of expiry and the outcome, by name."""

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of ``InetAddress.getAllByName``; none for a cached name."""
        expires, known = self._cache.get((name, types), (-inf, None))
        if known is not None and self.now <= expires:
            return known
        outcome = yield from self._native(name, types)
        if outcome.status is not Status.ANSWERED:
            stale = known is not None and self.now <= expires + self._policy.stale_s
            if known is not None and not known.error and stale:
                return known
            outcome = outcome._replace(error=f"UnknownHostException ({outcome.error})")
        kept_s = self._policy.negative_s if outcome.error else self._policy.positive_s
        if kept_s:
            self._cache[name, types] = self.now + kept_s, outcome
        return outcome

    def _native(self, name: str, types: tuple[int, ...]) -> Steps:
        """Run the C library's lookup with this machine's time."""
        self._libc.resolv_conf = self.resolv_conf
        steps = self._libc.look_up(name, types)
        return (yield from self.run_steps(self._libc, steps))
