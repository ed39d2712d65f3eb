"""*erratic* - drop, truncate and delay responses, to test clients."""

from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError
from minidns.corefile.options import Words, option, switch
from minidns.corefile.values import duration, integer, quote
from minidns.dns import names
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import AAAA, AXFR, NS, SOA, A, a, aaaa, soa
from minidns.dns.rules import AnswerRule
from minidns.plugins.contracts import ReadinessCheck
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

_DATA = {A: a("192.0.2.53"), AAAA: aaaa("2001:db8::53")}
_DELAY_S = 0.1
_LARGE = 30
"""Number of copies of the address with ``large``."""
_SEARCH = ("a.example.org.", "b.example.org.", "")
"""Search list of every client, for ``autopath @erratic``."""


class ErraticRule(AnswerRule):
    """The rules of *erratic*."""

    ADDRESS = "erratic", "every name has the same address"
    DROP = "erratic/drop", "this query gets no reply on purpose"


def _amount_of(text: str) -> int:
    try:
        amount = integer(text)
    except ValueError as error:
        raise ConfigError(str(error).replace("Atoi", "ParseInt", 1)) from error
    if amount < 0:
        raise ConfigError(f"illegal amount value given {quote(text)}")
    return amount


def _read_amount(words: Words) -> int:
    return _amount_of(words.first) if words.args else 2


def _read_delay(words: Words) -> tuple[int, float]:
    seconds = duration(words.args[1]) if len(words.args) > 1 else _DELAY_S
    return _read_amount(words), seconds


@dataclass(frozen=True, slots=True)
class ErraticOptions:
    """The options of *erratic*; an amount of N affects every Nth query, 0 none."""

    drop: int | None = option(
        "drop [NUMBER]",
        "Gives no reply to every NUMBERth query: 2 without other options, 0 with"
        " `truncate` or `delay`.",
        None,
        lambda words: _amount_of(words.first) if words.args else None,
        example="3",
    )
    truncate: int = option(
        "truncate [NUMBER]",
        "Sets TC in every NUMBERth reply (2).",
        0,
        _read_amount,
        example="3",
    )
    delay: tuple[int, float] = option(
        "delay [NUMBER [DURATION]]",
        "Holds every NUMBERth reply (2) back for DURATION (`100ms`).",
        (0, _DELAY_S),
        _read_delay,
        example="3 50ms",
    )
    large: bool = switch("large", f"A reply for A has {_LARGE} addresses.")

    @property
    def drop_every(self) -> int:
        """The amount of dropped queries."""
        if self.drop is None:
            return 0 if self.delay[0] or self.truncate else 2
        return self.drop


def setup(options: ErraticOptions, site: Site) -> Plugin:
    """Return the plugin that answers every query, or not."""
    return as_plugin(_Erratic(site, options).handle)


class _Erratic:
    def __init__(self, site: Site, options: ErraticOptions) -> None:
        self._sleep = site.edges.sleep
        self._options = options
        self._count = 0
        # ready now and then only, to test the clients of *ready*
        site.offers.search_lists["erratic"] = lambda query: _SEARCH
        site.readiness["erratic"] = ReadinessCheck(lambda: self._count in (3, 4))

    async def handle(self, next_: Handler, query: Query) -> Response:
        number, self._count = self._count, self._count + 1
        if _is_due(number, self._options.drop_every):
            raise Dropped(ErraticRule.DROP)
        every, seconds = self._options.delay
        if _is_due(number, every):
            await self._sleep(seconds)
        # unlike CoreDNS: the number's bits are not compared with the amount's
        return self._answer(query, _is_due(number, self._options.truncate))

    def _answer(self, query: Query, truncated: bool) -> Response:
        qtype = query.question.qtype
        if qtype == AXFR:
            return Response(answer=_zone(query.owner, truncated), aa=True)
        if qtype not in _DATA:
            raise DnsError()
        copies = _LARGE if self._options.large and qtype == A else 1
        answer = RRset(query.owner, qtype, 0, (_DATA[qtype],) * copies)
        return Response(
            answer=(answer,), aa=True, tc=truncated, rule=ErraticRule.ADDRESS
        )


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
    summary="drop, truncate and delay responses, to test clients",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=ErraticOptions(),
    repeated=Repeated.MERGED,
)
