"""The chain builder draws from a plugin's traits which replies are remembered."""

from minidns.dns.model import Handler, Query, Response, Reuse
from minidns.plugins import chain, registry
from minidns.plugins.chain import Choice
from minidns.plugins.spec import PluginSpec, Traits
from tests.table import table
from tests.world import query

COVERING = Response(reuse=Reuse(covers_label=lambda label: True))
SPECS = {spec.name: spec for spec in registry() if Traits.HANDLES_QUERIES in spec.traits}


async def below(_: Query) -> Response:
    return COVERING


def passes_on(next_: Handler) -> Handler:
    return next_


def answers(_: Handler) -> Handler:
    return below


@table("spec", SPECS.values(), ids=SPECS)
async def test_traits_decide_what_is_remembered(spec: PluginSpec) -> None:
    any_spec = SPECS["whoami"]  # what it is like has no say: it is the last one
    last = PluginSpec(name="last", summary="", traits=Traits.HANDLES_QUERIES, setup=any_spec.setup)
    handler = chain.build([(spec, passes_on), (last, answers)])
    reuse = (await handler(query("a.b.example.org"))).reuse
    assert (reuse is None) == (Traits.ANSWERS_VARY in spec.traits)
    if reuse is not None:
        is_apart = reuse.covers_label is None
        assert is_apart == (Traits.TOUCHES_NAMES in spec.traits)


@table("name", ["whoami", "erratic", "log", "acl", "autopath", "dns64"])
def test_plugins_whose_replies_vary(name: str) -> None:
    assert Traits.ANSWERS_VARY in SPECS[name].traits


BESIDE = {
    # id: another zone of the listener, whether one reply serves many first labels
    "none": ("", True),
    "elsewhere": ("example.net.", True),
    "above": ("org.", True),
    "the-parent": ("b.example.org.", True),
    "beside-the-name": ("x.b.example.org.", False),
    "below-a-name-beside": ("y.x.b.example.org.", False),
    "below-another-parent": ("x.c.example.org.", True),
}


@table(("zone", "is_shared"), BESIDE.values(), ids=BESIDE)
async def test_a_zone_beside_a_name_is_answered_by_its_own_block(zone: str, *, is_shared: bool) -> None:
    blocks = {item: [Choice(below)] for item in {".", zone} - {""}}
    top = chain.route(chain.by_zone(blocks), any_class=False)
    reuse = (await top(query("a.b.example.org"))).reuse
    assert reuse is not None
    assert (reuse.covers_label is not None) == is_shared
