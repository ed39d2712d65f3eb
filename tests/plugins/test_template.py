from collections.abc import Mapping, Sequence

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import zonefile
from minidns.dns.model import DnsError, Opt, Query, Rcode, Response, Reuse
from minidns.dns.rdata import CLASSES
from minidns.plugins import template
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, plugin, query, texts

BELOW = Response(Rcode.NXDOMAIN, rule="below", reuse=Reuse())


async def below(_: Query) -> Response:
    return BELOW


def site_with(body: str, world: World | None = None) -> Site:
    """Return the site whose top is the plugin as ``body`` says."""
    apply, site = plugin(world or World(), template.PLUGIN.set_up, "template", body)
    site.top = apply(below)
    return site


async def through(site: Site, sent: Query) -> Response:
    assert site.top
    return await site.top(sent)


async def ask(body: str, sent: Query) -> Response:
    return await through(site_with(body), sent)


IP = r"(^|[.])ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]example[.]$"
ANSWERS = [
    pytest.param(
        'template IN A example {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}',
        query("X.Example"),
        ["x.example. 60 A 192.0.2.1"],
        id="name-in-lower-case",
    ),
    pytest.param(
        f'template IN A example {{\nmatch {IP}\nanswer "{{{{ .Name }}}} 60 IN A'
        ' {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"\n}',
        query("a.ip-192-0-2-7.example"),
        ["a.ip-192-0-2-7.example. 60 A 192.0.2.7"],
        id="named-groups",
    ),
    pytest.param(
        "template IN PTR in-addr.arpa {\n"
        "match ^(?<d>[0-9]*)[.](?P<c>[0-9]*)[.](?P<b>[0-9]*)[.](?P<a>[0-9]*)[.]in-addr\n"
        'answer "{{ .Name }} 60 IN PTR ip-{{ .Group.a }}-{{ .Group.d }}.example."\n}',
        query("1.2.0.192.in-addr.arpa", "PTR"),
        ["1.2.0.192.in-addr.arpa. 60 PTR ip-192-1.example."],
        id="reverse",
    ),
    pytest.param(
        'template IN A {\nmatch "^x(..)[.]" "^y(..)[.]"\nmatch ^z(..)[.]\n'
        'answer "a. IN A 192.0.2.{{ index .Match 1 }}"\n}',
        query("y42.org"),
        ["a. 3600 A 192.0.2.42"],
        id="first-match-wins-and-ttl-3600",
    ),
    pytest.param(
        'template IN A {\nmatch ^x(..)[.]\nanswer "{{ .Name }} A 192.0.2.{{ parseInt (index .Group `1`) 16 8 }}"\n}',
        query("x7b.org"),
        ["x7b.org. 3600 A 192.0.2.123"],
        id="parse-int-and-numbered-group",
    ),
    pytest.param(
        'template ANY ANY {\nanswer "{{ .Zone }} TXT {{ .Class }} {{ .Type }}'
        ' {{ .Regex }} {{ .Remote }} {{ .Question.Name }} {{ .Question.Qtype }}"\n}',
        query("Example.org", "AAAA"),
        ['. 3600 TXT "IN" "AAAA" ".*" "192.0.2.53" "Example.org." "28"'],
        id="data",
    ),
    pytest.param(
        'template CH TXT {\nanswer "{{ .Name }} TXT {{ .Class }} {{ .Type }}"\n}',
        query("a", "ANY", qclass=255),
        ['a. 3600 TXT "CH" "TXT"'],
        id="class-and-type-any-are-the-template-s",
    ),
    pytest.param(
        'template IN A {\nanswer "a 60 A 192.0.2.1" "a 60 A 192.0.2.2"\nanswer "b 60 A 192.0.2.3"\n}',
        query("x"),
        ["a. 60 A 192.0.2.1", "a. 60 A 192.0.2.2", "b. 60 A 192.0.2.3"],
        id="many-answers",
    ),
    pytest.param("template IN AAAA .", query("x", "AAAA"), [], id="without-a-block"),
    pytest.param("template IN AAAA {\n}", query("x", "AAAA"), [], id="empty-block"),
    pytest.param("template IN A {\nupstream 192.0.2.1\n}", query("x"), [], id="upstream-of-old"),
]


@table(("body", "sent", "expected"), ANSWERS)
async def test_answer(body: str, sent: Query, expected: list[str]) -> None:
    response = await ask(body, sent)
    assert texts(response.answer) == expected
    assert (response.rcode, response.aa, response.ra) == (Rcode.NOERROR, True, False)
    assert response.authority == ()  # trap 10: no SOA


async def test_sections() -> None:
    response = await ask(
        'template IN MX {\nanswer "{{ .Name }} MX 10 {{ .Name }}"\n'
        'additional "{{ .Name }} A 192.0.2.1" "{{ .Name }} AAAA 2001:db8::1"\n'
        'authority "example NS ns0.example."\nauthority "example NS ns1.example."\n}',
        query("x", "MX"),
    )
    assert texts(response.answer) == ["x. 3600 MX 10 x."]
    assert texts(response.additional) == ["x. 3600 A 192.0.2.1", "x. 3600 AAAA 2001:db8::1"]
    assert texts(response.authority) == ["example. 3600 NS ns0.example.", "example. 3600 NS ns1.example."]


RCODES = [
    ("NXDOMAIN", Rcode.NXDOMAIN),
    ("NOERROR", Rcode.NOERROR),
    ("REFUSED", Rcode.REFUSED),
    ("BADCOOKIE", Rcode.BADCOOKIE),
]


@table(("name", "rcode"), RCODES)
async def test_rcode(name: str, rcode: int) -> None:
    response = await ask(f"template ANY ANY internal {{\nrcode {name}\n}}", query("a.internal"))
    assert response.rcode == rcode
    assert (response.aa, response.answer, response.authority) == (True, (), ())


async def test_rcode_servfail_answers_nothing() -> None:
    with pytest.raises(DnsError) as error:
        await ask('template IN A {\nanswer "x A 192.0.2.1"\nrcode SERVFAIL\n}', query("x"))
    assert (error.value.rcode, error.value.text) == (Rcode.SERVFAIL, "")


ONLY_A = 'template IN A example {\nmatch ^yes\nanswer "a A 192.0.2.1"\n'
PASSED_ON = [
    pytest.param(ONLY_A + "}", query("yes.other"), id="zone"),
    pytest.param(ONLY_A + "}", query("no.example", "AAAA"), id="type"),
    pytest.param(ONLY_A + "}", query("no.example", qclass=3), id="class"),
    pytest.param(ONLY_A + "fallthrough\n}", query("no.example"), id="fallthrough"),
    pytest.param(ONLY_A + "fallthrough example\n}", query("no.example"), id="fallthrough-of-zone"),
    pytest.param(
        "template IN A a {\nmatch x\n}\ntemplate IN A b {\nmatch x\n}", query("c"), id="no-template-of-the-zone"
    ),
]


@table(("body", "sent"), PASSED_ON)
async def test_passed_on(body: str, sent: Query) -> None:
    assert await ask(body, sent) is BELOW


REFUSED = [
    pytest.param(ONLY_A + "}", query("no.example"), id="trap-10-no-match"),
    pytest.param(ONLY_A + "fallthrough other\n}", query("no.example"), id="fallthrough-elsewhere"),
    pytest.param(ONLY_A + "}\ntemplate IN A example", query("no.example"), id="at-once"),
]


@table(("body", "sent"), REFUSED)
async def test_no_match_without_fallthrough_is_servfail(body: str, sent: Query) -> None:
    with pytest.raises(DnsError) as error:
        await ask(body, sent)
    assert (error.value.rcode, error.value.text) == (Rcode.SERVFAIL, "")


async def test_fallthrough_tries_the_next_template() -> None:
    body = ONLY_A + 'fallthrough\n}\ntemplate IN A {\nanswer "b A 192.0.2.2"\n}'
    response = await ask(body, query("no.example"))
    assert texts(response.answer) == ["b. 3600 A 192.0.2.2"]


async def test_aks() -> None:
    body = (
        "template ANY ANY internal.cloudapp.net {\n"
        r'match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"'
        "\nrcode NXDOMAIN\nfallthrough\n}\n"
        "template ANY ANY reddog.microsoft.com {\nrcode NXDOMAIN\n}"
    )
    for name, rule in (
        ("a.b.c.d.internal.cloudapp.net", "template/rcode"),
        ("vm.internal.cloudapp.net", "below"),
        ("x.reddog.microsoft.com", "template/rcode"),
        ("example.org", "below"),
    ):
        response = await ask(body, query(name))
        assert (response.rcode, response.rule) == (Rcode.NXDOMAIN, rule)


EDES = [("21", (15, b"\0\x15")), ('17 "blocked by us"', (15, b"\0\x11blocked by us"))]


@pytest.mark.parametrize(("words", "option"), EDES)
async def test_extended_error(words: str, option: tuple[int, bytes]) -> None:
    body = f"template IN A {{\nrcode NXDOMAIN\nederror {words}\n}}"
    sent = query("x", opt=Opt(1232, do=True, options=((10, b"12345678"),)))
    response = await ask(body, sent)
    assert response.opt == Opt(1232, do=True, options=(option,))
    assert (await ask(body, query("x"))).opt is None


ALIAS = 'template IN ANY foogle.com {\nmatch "^foogle\\.com\\.$"\nanswer "foogle.com 60 IN CNAME google.com"\n}'
TOP = {"google.com.": ["google.com. 30 A 192.0.2.1"]}


def resolver(site: Site, answers: Mapping[str, Sequence[str]]) -> list[Query]:
    """Let the site ask itself through this, after the plugin."""
    plugin_top = site.top
    received: list[Query] = []

    async def top(query: Query) -> Response:
        received.append(query)
        lines = answers.get(query.question.qname)
        if lines is None:
            assert plugin_top
            return await plugin_top(query)
        return Response(answer=zonefile.rrsets(map(zonefile.record, lines)), tc=True)

    site.top = top
    return received


async def test_alias_is_followed_for_addresses() -> None:
    site = site_with(ALIAS)
    received = resolver(site, TOP)
    response = await through(site, query("foogle.com"))
    assert texts(response.answer) == ["foogle.com. 60 CNAME google.com.", "google.com. 30 A 192.0.2.1"]
    assert (response.rule, response.tc) == ("template/cname", True)
    assert [item.question.qname for item in received] == ["foogle.com.", "google.com."]


async def test_alias_is_not_followed_for_other_types() -> None:
    site = site_with(ALIAS)
    sent = resolver(site, TOP)
    response = await through(site, query("foogle.com", "TXT"))
    assert texts(response.answer) == ["foogle.com. 60 CNAME google.com."]
    assert len(sent) == 1


async def test_alias_that_leads_nowhere_is_shown_alone() -> None:
    site = site_with('template IN A {\nanswer "{{ .Name }} 60 CNAME {{ .Name }}"\n}')
    response = await through(site, query("ring"))
    assert set(texts(response.answer)) == {"ring. 60 CNAME ring."}


async def test_never_repeated_by_the_edge_as_each_answer_is_counted() -> None:
    world = World()
    site = site_with('template IN ANY example {\nanswer "a TXT x"\n}', world)
    for qtype in ("A", "A", "AAAA"):
        response = await through(site, query("x.example", qtype))
        assert response.reuse is None
    family = next(family_ for family_ in world.metrics.families() if family_.name == "coredns_template_matches_total")
    assert family.labels == ("server", "zone", "view", "class", "type")
    assert family.values == {
        ("dns://:53", "example.", "", "IN", "A"): 2,
        ("dns://:53", "example.", "", "IN", "AAAA"): 1,
    }


async def test_source_is_the_line_of_the_corefile() -> None:
    response = await ask("\ntemplate IN A", query("x"))
    assert [(source.kind, source.name) for source in response.sources] == [("template", "Corefile:3")]


async def test_series_are_bounded_by_the_names_of_types() -> None:
    world = World()
    site = site_with("template ANY ANY", world)
    for number in range(65280, 65380):
        await through(site, query("x", f"TYPE{number}"))
    labels = {"server": "dns://:53", "zone": ".", "view": "", "class": "IN", "type": ""}
    assert world.metrics.value("coredns_template_matches_total", labels) == 100


FAILURES = [
    pytest.param("{{ index .Match 5 }}", "template_failures", "error calling index", id="template"),
    pytest.param("{{ .Name }} A x", "rr_failures", "line 1: ", id="rr"),
    pytest.param("{{ .Group.none }}", "rr_failures", "line 1: ", id="no-value"),
    pytest.param("", "rr_failures", "no record", id="no-record"),
    pytest.param("$INCLUDE /etc/passwd", "rr_failures", "$INCLUDE", id="no-files"),
]


@table("section", ["answer", "additional", "authority"])
@table(("text", "metric", "why"), FAILURES)
async def test_failure_is_servfail_and_counted(text: str, metric: str, why: str, section: str) -> None:
    world = World()
    site = site_with(f'template IN A {{\n{section} "{text}"\n}}', world)
    with pytest.raises(DnsError) as error:
        await through(site, query("x"))
    assert error.value.rcode == Rcode.SERVFAIL
    assert error.value.text.startswith(f"template: {section}: {why}")
    labels = {
        "server": "dns://:53",
        "zone": ".",
        "view": "",
        "class": "IN",
        "type": "A",
        "section": section,
        "template": text,
    }
    assert world.metrics.value(f"coredns_template_{metric}_total", labels) == 1


async def test_metadata() -> None:
    site = site_with('template IN TXT {\nanswer "x TXT a{{ .Meta `k/pod` }}"\n}')
    site.metadata.labels["k/pod"] = lambda query, response: "web-0"
    assert texts((await through(site, query("x", "TXT"))).answer) == ['x. 3600 TXT "a"']
    site.metadata.zones = (".",)
    assert texts((await through(site, query("x", "TXT"))).answer) == ['x. 3600 TXT "aweb-0"']


WORDS = "Corefile:{} - Error during parsing: "
COUNT = "Wrong argument count or unexpected line ending after '{}'"
ERRORS = [
    ("template", WORDS.format(2) + COUNT.format("template")),
    ("template IN", WORDS.format(2) + COUNT.format("IN")),
    ("template in A", WORDS.format(2) + "invalid query class in"),
    ("template FOO", WORDS.format(2) + "invalid query class FOO"),
    ("template IN a", WORDS.format(2) + "invalid RR class a"),
    ("template IN TYPE65", WORDS.format(2) + "invalid RR class TYPE65"),
    ("template IN A {\nmatch\n}", WORDS.format(3) + COUNT.format("match")),
    ("template IN A {\nanswer\n}", WORDS.format(3) + COUNT.format("answer")),
    ("template IN A {\nadditional\n}", WORDS.format(3) + COUNT.format("additional")),
    ("template IN A {\nauthority\n}", WORDS.format(3) + COUNT.format("authority")),
    ("template IN A {\nrcode\n}", WORDS.format(3) + COUNT.format("rcode")),
    ("template IN A {\nrcode FOO\n}", WORDS.format(3) + "unknown rcode FOO"),
    ("template IN A {\nrcode noerror\n}", WORDS.format(3) + "unknown rcode noerror"),
    ("template IN A {\nrcode NXDOMAIN x\n}", WORDS.format(3) + COUNT.format("x")),
    ("template IN A {\nederror\n}", WORDS.format(3) + COUNT.format("ederror")),
    ("template IN A {\nederror 1 a b\n}", WORDS.format(3) + COUNT.format("b")),
    (
        "template IN A {\nederror x\n}",
        WORDS.format(3) + 'error parsing extended DNS error code x, strconv.ParseUint: parsing "x": invalid syntax',
    ),
    (
        "template IN A {\nederror 65536\n}",
        WORDS.format(3) + "error parsing extended DNS error code 65536,"
        ' strconv.ParseUint: parsing "65536": value out of range',
    ),
    ("template IN A {\nfoo\n}", WORDS.format(3) + COUNT.format("foo")),
    ("template IN A {\nfoo bar\n}", WORDS.format(3) + COUNT.format("foo")),
    (
        "template IN A {\nmatch (\n}",
        WORDS.format(3) + "could not parse regex: (, error parsing regexp: missing closing ): `(`",
    ),
    (f"template IN A {{\nmatch {'a' * 10001}\n}}", WORDS.format(3) + "regex pattern too long: 10001 > 10000"),
    (
        'template IN A {\nanswer "{{ foo }}"\n}',
        WORDS.format(3) + 'could not compile template: {{ foo }}, template: answer: function "foo" not defined',
    ),
    (
        'template IN A {\nadditional "{{ .Nmae }}"\n}',
        WORDS.format(3) + "could not compile template: {{ .Nmae }}, template: additional: there is no field .Nmae",
    ),
    ("template IN A {\nvar ip 1\n}", WORDS.format(3) + "var is not supported by minidns"),
    ("template IN A {\nexpr true\n}", WORDS.format(3) + "expr is not supported by minidns"),
]


@table(("body", "message"), ERRORS)
def test_error(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        site_with(body)
    assert str(error.value) == message


async def test_classes_by_number() -> None:
    body = 'template CH TXT {\nanswer "{{ .Name }} CH TXT {{ .Class }}"\n}'
    response = await ask(body, query("x", "TXT", qclass=CLASSES["CH"]))
    assert response.answer[0].rclass == CLASSES["CH"]
