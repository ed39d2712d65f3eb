"""BIND's dig and nslookup: queries as of `minidns.stub.single`, with a search list.

Theory of operation: a name with at least ``ndots`` dots is tried as given first, then
with each search domain; a name with fewer the other way round. The search goes on after
NXDOMAIN alone. One type is queried at a time. Servers, time-out and attempts are those
of resolv.conf.

Source: BIND 9.18 bin/dig/dighost.c (setup_system, next_origin).
"""

from collections.abc import Callable
from random import Random

from minidns.dns import names
from minidns.stub.glibc import RELEASES
from minidns.stub.protocol import BOTH, Outcome, Resolver, Status, Steps
from minidns.stub.resolv_conf import read_glibc
from minidns.stub.single import Settings, Single


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IP address."""
    try:
        names.reverse(text)
    except ValueError:
        return False
    return True


class BindTools(Resolver):
    """One run of a tool."""

    def __init__(
        self,
        resolv_conf: str,
        rng: Random,
        server: str = "",
        *,
        change: Callable[[Settings], Settings] = lambda settings: settings,
        ndots: int | None = None,
    ) -> None:
        """Use ``server`` instead of those of ``resolv_conf``, if given.

        ``change`` returns the settings of the command line, given those of the file;
        ``ndots`` replaces the file's.
        """
        super().__init__(resolv_conf, rng)
        self._conf = read_glibc(resolv_conf, RELEASES["2.36"])
        settings = Settings(
            (server,) if server else self._conf.servers,
            self._conf.timeout_s,
            self._conf.attempts,
        )
        self._ndots = self._conf.ndots if ndots is None else ndots
        self._single = Single(change(settings), rng)

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps for ``name``; the outcome is that of the last name."""
        outcome = Outcome(Status.FAILED, name, error=Status.FAILED.value)
        for candidate in self._names(name):
            try:
                outcome = yield from self._ask(candidate, types)
            except ValueError:
                continue
            if outcome.status is not Status.NXDOMAIN:
                break
        return outcome

    def _names(self, name: str) -> list[str]:
        if name.endswith("."):
            return [name]
        own = f"{name}."
        searched = [own if d == "." else f"{own}{d}" for d in self._conf.search]
        enough = name.count(".") >= self._ndots
        return list(dict.fromkeys([own, *searched] if enough else [*searched, own]))

    def _ask(self, name: str, types: tuple[int, ...]) -> Steps:
        """Run the queries for one name with this tool's time."""
        steps = self._single.look_up(name, types)
        return (yield from self.run_steps(self._single, steps))
