from collections.abc import Sequence

import pytest

from minidns import plugins
from minidns.corefile.errors import ConfigError
from minidns.dns import zonefile
from minidns.dns.model import DnsError, Dropped, Query, Rcode, Response, Reuse
from minidns.plugins import autopath
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, plugin, query, texts

SEARCH = ("prod.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.net.", "")
REPEAT = Reuse(depends_on=("below",))


class Below:
    """Names that exist below, with the lines they answer; the rest is NXDOMAIN."""

    def __init__(self, answers: dict[str, Sequence[str] | DnsError]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, query: Query) -> Response:
        qname = query.question.qname
        self.asked.append(qname)
        outcome = self.answers.get(qname)
        if isinstance(outcome, DnsError):
            raise outcome
        if outcome is None:
            return Response(Rcode.NXDOMAIN, rule=qname, reuse=REPEAT)
        lines = zonefile.rrsets(map(zonefile.record, outcome))
        return Response(answer=lines, aa=True, rule=qname, reuse=REPEAT)


def site_with(body: str, below: Below, files: dict[str, str] | None = None) -> Site:
    apply, site = plugin(World(files=files), autopath.PLUGIN.set_up, "autopath", body)
    site.top = apply(below)
    return site


async def ask(
    below: Below, name: str, search: Sequence[str] = SEARCH, body: str = "autopath @kubernetes"
) -> tuple[Response, Site]:
    site = site_with(body, below)
    site.offers.search_lists["kubernetes"] = lambda query: search
    assert site.top
    return await site.top(query(name)), site


def successes(site: Site) -> float:
    name = "coredns_autopath_success_total"
    return site.metrics.value(name, {"server": "dns://:53"})


FOUND = [
    pytest.param(
        "example.org.",
        ["example.org. 30 A 192.0.2.1"],
        ["{} 30 CNAME example.org.", "example.org. 30 A 192.0.2.1"],
        5,
        id="bare-name",
    ),
    pytest.param(
        "example.org.svc.cluster.local.",
        ["example.org.svc.cluster.local. 5 A 192.0.2.1"],
        ["{} 5 CNAME example.org.svc.cluster.local.", "example.org.svc.cluster.local. 5 A 192.0.2.1"],
        2,
        id="second-domain",
    ),
    pytest.param(
        "example.org.prod.svc.cluster.local.",
        ["example.org.prod.svc.cluster.local. 5 A 192.0.2.1"],
        ["{} 5 A 192.0.2.1"],
        1,
        id="as-asked-needs-no-alias",
    ),
    pytest.param("example.org.", [], [], 5, id="nodata-is-found-too"),
]


@table(("exists", "lines", "expected", "count"), FOUND)
async def test_found(exists: str, lines: list[str], expected: list[str], count: int) -> None:
    below = Below({exists: lines})
    sent = "example.org.prod.svc.cluster.local."
    response, site = await ask(below, sent)
    assert texts(response.answer) == sorted(item.format(sent) for item in expected)
    assert response.rcode == Rcode.NOERROR
    assert below.asked == [f"example.org.{domain}".rstrip(".") + "." for domain in SEARCH[:count]]
    assert successes(site) == 1


async def test_alias_has_the_letters_of_the_client() -> None:
    below = Below({"example.org.": ["example.org. 30 A 192.0.2.1"]})
    response, _ = await ask(below, "Example.org.prod.svc.cluster.LOCAL.")
    assert response.answer[0].owner == "Example.org.prod.svc.cluster.LOCAL."


async def test_nothing_found_is_the_first_answer() -> None:
    below = Below({})
    response, site = await ask(below, "gone.prod.svc.cluster.local")
    assert (response.rcode, response.rule) == (Rcode.NXDOMAIN, "gone.prod.svc.cluster.local.")
    assert len(below.asked) == 5
    assert successes(site) == 0


PLAIN = [
    pytest.param("example.org", SEARCH, id="not-in-the-first-domain"),
    pytest.param("web.svc.cluster.local", SEARCH, id="in-the-second-domain"),
    pytest.param("xprod.svc.cluster.local", SEARCH, id="label-by-label"),
    pytest.param("a.prod.svc.cluster.local", (), id="unknown-client"),
]


@table(("name", "search"), PLAIN)
async def test_not_walked(name: str, search: Sequence[str]) -> None:
    below = Below({})
    await ask(below, name, search)
    assert below.asked == [name + "."]


async def test_other_zones_are_left_alone() -> None:
    below = Below({})
    body = "autopath example.net @kubernetes"
    response, _ = await ask(below, "a.prod.svc.cluster.local", body=body)
    assert len(below.asked) == 1
    assert response.reuse == REPEAT


async def test_the_domain_itself_is_an_error() -> None:
    with pytest.raises(DnsError) as error:
        await ask(Below({}), "prod.svc.cluster.local")
    assert (error.value.rcode, error.value.text) == (
        Rcode.SERVFAIL,
        "trimzone: overshot qname: prod.svc.cluster.local.for zone prod.svc.cluster.local.",
    )


ASKED = "a.prod.svc.cluster.local."
ERRORS_BELOW = [pytest.param(DnsError("i/o timeout"), id="with-a-text"), pytest.param(Dropped(), id="silence")]


@pytest.mark.parametrize("error", ERRORS_BELOW)
async def test_error_ends_the_walk(error: DnsError) -> None:
    below = Below({"a.svc.cluster.local.": error})
    with pytest.raises(type(error)):
        await ask(below, ASKED)
    assert len(below.asked) == 2


async def test_refusal_without_a_text_goes_on() -> None:
    below = Below({ASKED: DnsError(rcode=Rcode.REFUSED), "a.": ["a. 5 A 192.0.2.1"]})
    response, _ = await ask(below, ASKED)
    assert texts(response.answer)[0] == "a. 5 A 192.0.2.1"


async def test_first_refusal_is_the_answer_if_nothing_is_found() -> None:
    with pytest.raises(DnsError) as error:
        await ask(Below({ASKED: DnsError(rcode=Rcode.REFUSED)}), ASKED)
    assert error.value.rcode == Rcode.REFUSED


FILES = [
    pytest.param("search prod.svc.cluster.local example.net\n", 3, id="search"),
    pytest.param("search x\nsearch Prod.svc.Cluster.local\n", 2, id="last-counts"),
    pytest.param("domain prod.svc.cluster.local\n", 2, id="domain"),
    pytest.param("search prod.svc.cluster.local.\n", 2, id="final-dot"),
    pytest.param("# search prod.svc.cluster.local\n", 1, id="comment"),
    pytest.param("nameserver 192.0.2.53\n", 1, id="none"),
    pytest.param("search\n", 1, id="empty"),
]


@table(("text", "count"), FILES)
async def test_list_from_a_file(text: str, count: int) -> None:
    below = Below({})
    site = site_with("autopath /resolv.conf", below, {"/resolv.conf": text})
    assert site.top
    await site.top(query(ASKED))
    assert len(below.asked) == count


async def test_plugin_that_is_not_there_gives_no_list() -> None:
    below = Below({})
    site = site_with("autopath @kubernetes", below)
    assert site.top
    for hook in site.hooks.start:
        await hook()
    await site.top(query(ASKED))
    assert below.asked == [ASKED]


async def test_plugin_without_search_lists_is_an_error() -> None:
    site = site_with("autopath @hosts", Below({}))
    site.chain = tuple(map(plugins.find, ("autopath", "hosts")))
    with pytest.raises(ConfigError) as error:
        await site.hooks.start[0]()
    assert str(error.value) == ("plugin/autopath: hosts does not implement the AutoPather interface")


ERRORS = [
    ("autopath", "no resolv-conf specified"),
    ("autopath /none", 'failed to parse "/none": open /none: no such file or directory'),
]


@pytest.mark.parametrize(("body", "message"), ERRORS)
def test_error(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        site_with(body, Below({}))
    assert str(error.value) == message
