"""*erratic* - drop, truncate and delay responses, to test clients."""

from dataclasses import dataclass, replace

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import duration, integer, quote
from minidns.dns import names
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import AAAA, AXFR, NS, SOA, A, a, aaaa, soa
from minidns.plugins.contracts import ReadinessCheck
from minidns.plugins.options import flag
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words

_DATA = {A: a("192.0.2.53"), AAAA: aaaa("2001:db8::53")}
_LARGE = 30
"""Number of copies of the address with ``large``."""
_SEARCH = ("a.example.org.", "b.example.org.", "")
"""Search list of every client, for ``autopath @erratic``."""


@dataclass(frozen=True, slots=True)
class ErraticOptions:
    """The options of *erratic*; an amount of N affects every Nth query, 0 none."""

    drop: int | None = None
    """The amount; None for every second query if no other option is set."""
    truncate: int = 0
    delay: int = 0
    delay_s: float = 0.1
    large: bool = False

    @property
    def drop_every(self) -> int:
        """The amount of dropped queries."""
        if self.drop is None:
            return 0 if self.delay or self.truncate else 2
        return self.drop


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``erratic { drop N; truncate N; delay N DURATION; large }``.

    Raises:
        ConfigError: not a number or a duration, an unknown option.

    """
    return _Erratic(site, PLUGIN.read(directives, site))


def _set_amount(options: ErraticOptions, words: Words) -> ErraticOptions:
    assert isinstance(words.where, Line)
    name = words.where.name
    if words.args:
        return replace(options, **{name: _amount(words.first)})  # type: ignore[arg-type]  # an amount
    return options if name == "drop" else replace(options, **{name: 2})  # type: ignore[arg-type]  # an amount


def _set_delay(options: ErraticOptions, words: Words) -> ErraticOptions:
    options = _set_amount(options, words)
    for text in words.args[1:]:
        options = replace(options, delay_s=duration(text))
    return options


def _amount(text: str) -> int:
    try:
        amount = integer(text)
    except ValueError as error:
        raise ConfigError(str(error).replace("Atoi", "ParseInt", 1)) from error
    if amount < 0:
        raise ConfigError(f"illegal amount value given {quote(text)}")
    return amount


class _Erratic:
    def __init__(self, site: Site, options: ErraticOptions) -> None:
        self._sleep = site.edges.sleep
        self._options = options
        self._count = 0
        # ready now and then only, to test the clients of *ready*
        site.offers.search_lists["erratic"] = lambda query: _SEARCH
        site.readiness["erratic"] = ReadinessCheck(lambda: self._count in (3, 4))

    def __call__(self, next_: Handler) -> Handler:
        async def erratic(query: Query) -> Response:
            number, self._count = self._count, self._count + 1
            if _is_due(number, self._options.drop_every):
                raise Dropped("erratic")
            if _is_due(number, self._options.delay):
                await self._sleep(self._options.delay_s)
            # unlike CoreDNS: the number's bits are not compared with the amount's
            return self._answer(query, _is_due(number, self._options.truncate))

        return erratic

    def _answer(self, query: Query, truncated: bool) -> Response:
        qtype = query.question.qtype
        if qtype == AXFR:
            return Response(answer=_zone(query.owner, truncated), aa=True)
        if qtype not in _DATA:
            raise DnsError()
        copies = _LARGE if self._options.large and qtype == A else 1
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
    summary="drop, truncate and delay responses, to test clients",
    syntax="erratic",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=ErraticOptions(),
    options=(
        Option(
            name="drop",
            arguments="[AMOUNT]",
            meaning="Every AMOUNT-th query gets no reply.",
            example="drop 3",
            most=1,
            field="drop",
            apply=_set_amount,
        ),
        Option(
            name="truncate",
            arguments="[AMOUNT]",
            meaning="Every AMOUNT-th reply has the TC bit.",
            example="truncate 3",
            most=1,
            field="truncate",
            apply=_set_amount,
        ),
        Option(
            name="delay",
            arguments="[AMOUNT [DURATION]]",
            meaning="Every AMOUNT-th reply is late by DURATION.",
            example="delay 3 50ms",
            most=2,
            field="delay",
            apply=_set_delay,
        ),
        flag("large", "large", f"A reply for A has {_LARGE} addresses."),
    ),
)
