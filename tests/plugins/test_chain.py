from dataclasses import replace as replaced
from itertools import product

import pytest

from minidns import plugins
from minidns.dns.model import DnsError, Handler, Plugin, Query, Question, Rcode, Response, Reuse, replace
from minidns.plugins import chain
from minidns.plugins.spec import Traits
from tests.table import table


def query(name: str, qtype: int = 1, qclass: int = 1) -> Query:
    return Query(Question(name, qtype, qclass))


def answering(rule: str) -> Handler:
    async def handler(query: Query) -> Response:
        return Response(rule=f"{rule} {query.zone}")

    return handler


def passing(name: str, trace: list[str]) -> Plugin:
    def plugin(next_: Handler) -> Handler:
        async def handler(query: Query) -> Response:
            trace.append(name)
            return await next_(query)

        return handler

    return plugin


async def test_plugins_run_outermost_first_and_the_end_names_the_last() -> None:
    trace: list[str] = []
    handler = chain.build([(plugins.find(name), passing(name, trace)) for name in ("errors", "cache")])
    with pytest.raises(DnsError) as caught:
        await handler(query("a.org."))
    assert trace == ["errors", "cache"]
    assert caught.value.rcode == Rcode.SERVFAIL
    assert caught.value.text == "plugin/cache: no next plugin found"


KINDS = (Traits(0), Traits.TOUCHES_NAMES, Traits.ANSWERS_VARY)


@table("kinds", list(product(KINDS, repeat=3)), ids=str)
@table("place", range(3))
async def test_a_reply_is_reused_as_all_plugins_above_the_answer_allow(kinds: tuple[Traits, ...], place: int) -> None:
    """It is reused unless the answer may vary, and for other names if none looks."""

    async def answer(query: Query) -> Response:
        return Response(reuse=Reuse(covers_label=lambda label: True))

    handler = chain.build(
        [
            (
                replaced(plugins.find("errors"), traits=Traits.HANDLES_QUERIES | kind),
                (lambda next_: answer) if number == place else (lambda next_: next_),
            )
            for number, kind in enumerate(kinds)
        ]
    )
    reuse = (await handler(query("a.org."))).reuse
    varies = Traits.ANSWERS_VARY in kinds[: place + 1]
    assert (reuse is None) == varies
    if reuse is not None:
        assert (reuse.covers_label is None) == (Traits.TOUCHES_NAMES in kinds[:place])


ZONES = {
    ".": answering("root"),
    "cluster.local.": answering("cluster"),
    "prod.svc.cluster.local.": answering("stub"),
    "example.org.": answering("example"),
}


@table(
    ("name", "qtype", "rule"),
    [
        ("a.net.", 1, "root ."),
        (".", 1, "root ."),
        ("cluster.local.", 1, "cluster cluster.local."),
        ("web.prod.svc.cluster.local.", 1, "stub prod.svc.cluster.local."),
        ("xcluster.local.", 1, "root ."),
        (r"a\.cluster.local.", 1, "root ."),
        (r"a\.b.cluster.local.", 1, "cluster cluster.local."),
        ("a.prod.svc.cluster.local.", 43, "cluster cluster.local."),
    ],
)
async def test_the_longest_zone_answers_but_ds_the_shortest(name: str, qtype: int, rule: str) -> None:
    router = chain.route(ZONES, any_class=False)
    assert (await router(query(name, qtype))).rule == rule


async def test_no_zone_is_refused() -> None:
    router = chain.route({"example.org.": answering("x")}, any_class=False)
    with pytest.raises(DnsError) as caught:
        await router(query("example.net."))
    assert caught.value.rcode == Rcode.REFUSED
    assert caught.value.text == ""


@pytest.mark.parametrize(("any_class", "refused"), [(False, True), (True, False)])
async def test_other_classes_pass_only_beside_forward_or_chaos(*, any_class: bool, refused: bool) -> None:
    router = chain.route(ZONES, any_class=any_class)
    chaos_query = query("a.net.", qclass=3)
    if refused:
        with pytest.raises(DnsError):
            await router(chaos_query)
    else:
        assert (await router(chaos_query)).rule == "root ."


async def test_internal_query_has_the_zone_of_its_block() -> None:
    router = chain.route(ZONES, any_class=False)
    internal_query = replace(query("a.net."), zone="cluster.local.")
    assert (await router(internal_query)).rule == "root ."
