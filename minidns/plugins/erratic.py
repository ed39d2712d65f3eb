"""*erratic* - answer badly on purpose, to test clients."""

from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import duration, integer, quote
from minidns.dns import names
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import AAAA, AXFR, NS, SOA, A, a, aaaa, soa
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

_DATA = {A: a("192.0.2.53"), AAAA: aaaa("2001:db8::53")}
_LARGE = 30
"""How many copies of the address ``large`` gives."""
_SEARCH = ("a.example.org.", "b.example.org.", "")
"""Search list of every client, for ``autopath @erratic``."""


@dataclass(slots=True)
class Faults:
    """Every how many queries something goes wrong; 0 is never."""

    drop: int | None = None
    truncate: int = 0
    delay: int = 0
    delay_s: float = 0.1
    large: bool = False

    def read(self, line: Line) -> None:
        """Take over what an option says."""
        most = {"drop": 1, "truncate": 1, "delay": 2, "large": 0}.get(line.name)
        if most is None:
            raise line.error(f"unknown property '{line.name}'")
        if len(line.args) > most:
            raise line.arg_error()
        if line.name == "large":
            self.large = True
        elif line.args:
            setattr(self, line.name, _amount(line.args[0]))
        elif line.name != "drop":
            setattr(self, line.name, 2)
        for text in line.args[1:]:
            self.delay_s = _delay(text)

    @property
    def drop_every(self) -> int:
        """Two without any option, else what was asked for."""
        if self.drop is None:
            return 0 if self.delay or self.truncate else 2
        return self.drop


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``erratic { drop N; truncate N; delay N DURATION; large }``.

    Raises:
        ConfigError: not a number or a duration, an unknown option.

    """
    faults = Faults()
    for directive in directives:
        for line in directive.block:
            faults.read(line)
    return _Erratic(site, faults)


def _amount(text: str) -> int:
    try:
        amount = integer(text)
    except ValueError as error:
        raise ConfigError(str(error).replace("Atoi", "ParseInt", 1)) from error
    if amount < 0:
        raise ConfigError(f"illegal amount value given {quote(text)}")
    return amount


def _delay(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


class _Erratic:
    def __init__(self, site: Site, faults: Faults) -> None:
        self._sleep = site.edges.sleep
        self._faults = faults
        self._count = 0
        # ready now and then only, to test who asks
        site.autopaths["erratic"] = lambda query: _SEARCH
        site.checks["erratic"] = lambda: self._count in (3, 4)

    def __call__(self, next_: Handler) -> Handler:
        async def erratic(query: Query) -> Response:
            number, self._count = self._count, self._count + 1
            if _is_due(number, self._faults.drop_every):
                raise Dropped("erratic")
            if _is_due(number, self._faults.delay):
                await self._sleep(self._faults.delay_s)
            # unlike CoreDNS: the number's bits are not compared with the amount's
            return self._answer(query, _is_due(number, self._faults.truncate))

        return erratic

    def _answer(self, query: Query, truncated: bool) -> Response:
        qtype = query.question.qtype
        if qtype == AXFR:
            return Response(answer=_zone(query.owner, truncated), aa=True)
        if qtype not in _DATA:
            raise DnsError()
        copies = _LARGE if self._faults.large and qtype == A else 1
        answer = RRset(query.owner, qtype, 0, (_DATA[qtype],) * copies)
        return Response(answer=(answer,), aa=True, tc=truncated, rule="erratic")


def _is_due(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _zone(apex: str, truncated: bool) -> tuple[RRset, ...]:
    """Return a small zone; truncated it lacks the SOA that ends a transfer."""
    hosts = [f"{label}.{'' if apex == '.' else apex}" for label in "ab"]
    start = RRset(apex, SOA, 0, (soa(hosts[0], hosts[1], 1, 7200, 3600, 86400, 3600),))
    zone = (
        start,
        RRset(apex, NS, 0, tuple(map(names.to_wire, hosts))),
        *(RRset(host, AAAA, 0, (_DATA[AAAA],)) for host in hosts),
    )
    return zone if truncated else (*zone, start)


PLUGIN = PluginSpec(
    name="erratic",
    summary="answer badly on purpose, to test clients",
    syntax="erratic",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=None,
)
