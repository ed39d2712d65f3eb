import logging
from collections.abc import Sequence

import dns.message
import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import rdata, zonefile
from minidns.dns.model import (
    DnsError,
    Dropped,
    Handler,
    Opt,
    Plugin,
    Query,
    Question,
    Rcode,
    Response,
    Reuse,
    RRset,
    replace,
)
from minidns.dns.rdata import CLASSES, TYPES
from minidns.dns.wire import encode_query, encode_response
from minidns.plugins import rewrite
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, plugin, query, texts


def rrsets(*lines: str) -> tuple[RRset, ...]:
    return zonefile.rrsets(map(zonefile.record, lines))


class Below:
    """The handler after *rewrite*: answers any question with these lines."""

    def __init__(self, *lines: str, error: DnsError | None = None, **fields: object) -> None:
        self.response = Response(answer=rrsets(*lines), **fields)  # type: ignore[arg-type]
        self.error = error
        self.asked: list[Query] = []

    async def __call__(self, query: Query) -> Response:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.response

    @property
    def question(self) -> Question:
        return self.asked[-1].question


def rewriting(body: str) -> tuple[Plugin, Site]:
    return plugin(World(), rewrite.PLUGIN.set_up, "rewrite", body)


async def ask(body: str, below: Handler, client_query: Query) -> Response:
    return await rewriting(body)[0](below)(client_query)


ASKED = [
    pytest.param("rewrite name a.org b.net", "a.org", "b.net.", id="exact"),
    pytest.param("rewrite name a.org b.net", "A.Org", "b.net.", id="exact-any-case"),
    pytest.param("rewrite name a.org b.net", "x.a.org", "x.a.org.", id="exact-only"),
    pytest.param("rewrite name exact a.org b.net", "a.org", "b.net.", id="named-exact"),
    pytest.param("rewrite name prefix aaa. bbb.", "aaa.org", "bbb.org.", id="prefix"),
    pytest.param("rewrite name prefix foo- bar-", "foo-x.org", "foo-x.org.", id="trap-12-prefix"),
    pytest.param("rewrite name suffix .a .b", "x.y.a", "x.y.b.", id="suffix"),
    pytest.param("rewrite name substring mid xyz", "mid.org", "xyz.org.", id="substring"),
    pytest.param("rewrite name substring mid xyz", "amidb.org", "amidb.org.", id="trap-12-sub"),
    pytest.param(
        r"rewrite name regex (.*)-(us-west-1)\.example\.org {1}.service.{2}.consul",
        "ftp-us-west-1.example.org",
        "ftp.service.us-west-1.consul.",
        id="regex",
    ),
    pytest.param(r"rewrite name regex ^a\.org$ b.org", "a.org", "a.org.", id="trap-12-final-dot"),
    pytest.param("rewrite stop {\nname a b\n}", "a", "b.", id="block"),
    pytest.param("rewrite {\nname a b\n}", "a", "b.", id="block-without-mode"),
    pytest.param("rewrite continue {\nname regex a b\nanswer name b a\n}", "a", "b.", id="lines"),
    pytest.param("rewrite name a b\nrewrite name a c", "a", "b.", id="stop-by-default"),
    pytest.param("rewrite name a b\nrewrite name b c", "a", "b.", id="stop-after-the-first"),
    pytest.param("rewrite continue name a b\nrewrite name b c", "a", "c.", id="continue"),
    pytest.param("rewrite CONTINUE NAME a b\nrewrite Stop name b c", "a", "c.", id="any-case"),
    pytest.param("rewrite name x y\nrewrite name a b", "a", "b.", id="stop-only-if-applied"),
]


@table(("body", "name", "expected"), ASKED)
async def test_question_below(body: str, name: str, expected: str) -> None:
    below = Below()
    await ask(body, below, query(name))
    assert below.question == Question(expected, rdata.A)
    assert below.asked[0].spelled in ("", name + ".")


async def test_type_and_class() -> None:
    below = Below()
    body = "rewrite continue type any hinfo\nrewrite class CH IN"
    await ask(body, below, query("A.org", "ANY", qclass=CLASSES["CH"]))
    assert below.question == Question("a.org.", TYPES["HINFO"], CLASSES["IN"])
    assert below.asked[0].spelled == "A.org."  # the name was not touched
    await ask(body, below, query("a.org", "A"))
    assert below.question == Question("a.org.", rdata.A)


NEW = "svc.ns.svc.cluster.local."
ANSWERS = [
    pytest.param(
        f"rewrite name a.org {NEW}",
        "a.org",
        [f"{NEW} 30 A 192.0.2.1"],
        ["a.org. 30 A 192.0.2.1"],
        id="exact-is-renamed-always",
    ),
    pytest.param(
        f"rewrite name a.org {NEW}",
        "a.org",
        [f"{NEW} 30 SRV 0 0 80 pod.{NEW}", f"pod.{NEW} 30 A 192.0.2.1"],
        ["a.org. 30 SRV 0 0 80 pod.a.org.", "pod.a.org. 30 A 192.0.2.1"],
        id="exact-with-values-and-names-below",
    ),
    pytest.param(
        "rewrite name suffix .a.org .b.net",
        "x.a.org",
        ["x.b.net. 30 A 192.0.2.1"],
        ["x.b.net. 30 A 192.0.2.1"],
        id="trap-12-suffix-is-not-renamed",
    ),
    pytest.param(
        "rewrite name suffix .a.org .b.net answer auto",
        "x.a.org",
        ["x.b.net. 30 CNAME y.b.net.", "y.b.net. 30 A 192.0.2.1"],
        ["x.a.org. 30 CNAME y.a.org.", "y.a.org. 30 A 192.0.2.1"],
        id="suffix-auto-swaps-suffixes",
    ),
    pytest.param(
        r"rewrite name regex (.*)\.a\.org b.net",
        "x.a.org",
        ["b.net. 30 A 192.0.2.1"],
        ["b.net. 30 A 192.0.2.1"],
        id="trap-12-regex-is-not-renamed",
    ),
    pytest.param(
        r"rewrite name regex (.*)\.a\.org b.net answer auto",
        "x.a.org",
        ["b.net. 30 CNAME y.b.net.", "y.b.net. 30 A 192.0.2.1"],
        ["x.a.org. 30 CNAME y.x.a.org.", "y.x.a.org. 30 A 192.0.2.1"],
        id="regex-auto-is-the-exact-name-back",
    ),
    pytest.param(
        "rewrite name prefix a. b. answer auto",
        "a.org",
        ["b.org. 30 A 192.0.2.1", "c.org. 30 A 192.0.2.1"],
        ["a.org. 30 A 192.0.2.1", "c.org. 30 A 192.0.2.1"],
        id="prefix-auto",
    ),
    pytest.param(
        "rewrite stop {\n"
        r"name regex (.*)-(us)\.example\.org {1}.service.{2}.consul"
        "\n"
        r"answer name (.*)\.service\.(us)\.consul {1}-{2}.example.org"
        "\n}",
        "ftp-us.example.org",
        ["ftp.service.us.consul. 0 A 192.0.2.1"],
        ["ftp-us.example.org. 0 A 192.0.2.1"],
        id="answer-name",
    ),
    pytest.param(
        "rewrite stop {\nname suffix .arpa .arpa\nanswer name auto\n"
        r"answer value (.*)\.service\.consul\. {1}.example.org."
        "\n}",
        "1.2.0.192.in-addr.arpa",
        ["1.2.0.192.in-addr.arpa. 60 PTR ftp.service.consul."],
        ["1.2.0.192.in-addr.arpa. 60 PTR ftp.example.org."],
        id="answer-value",
    ),
    pytest.param(
        "rewrite continue name a.org b.org\nrewrite name b.org c.org",
        "a.org",
        ["c.org. 30 A 192.0.2.1"],
        ["a.org. 30 A 192.0.2.1"],
        id="undone-in-reverse",
    ),
    pytest.param("rewrite ttl a.org 5", "a.org", ["a.org. 30 A 192.0.2.1"], ["a.org. 5 A 192.0.2.1"], id="ttl"),
    pytest.param(
        "rewrite continue ttl a.org 60-\nrewrite name a.org b.org",
        "a.org",
        ["b.org. 30 A 192.0.2.1", "x.org. 90 A 192.0.2.1"],
        ["a.org. 60 A 192.0.2.1", "x.org. 90 A 192.0.2.1"],
        id="ttl-at-least-and-renamed",
    ),
]


@table(("body", "name", "below", "expected"), ANSWERS)
async def test_answer_above(body: str, name: str, below: list[str], expected: list[str]) -> None:
    response = await ask(body, Below(*below), query(name))
    assert texts(response.answer) == sorted(expected)


async def test_all_sections_are_undone() -> None:
    (rrset,) = rrsets("b.org. 30 NS b.org.")
    below = Below("b.org. 30 NS b.org.", authority=(rrset,), additional=(rrset,))
    response = await ask("rewrite name a.org b.org", below, query("a.org"))
    for section in (response.answer, response.authority, response.additional):
        assert texts(section) == ["a.org. 30 NS a.org."]


async def test_client_sees_its_own_question_and_owners_in_lower_case() -> None:
    question = Question("a.org.", rdata.A)
    wire = encode_query(question, 7, spelled="A.Org.")
    client_query = replace(query("A.Org"), id=7, wire=wire)
    response = await ask("rewrite name a.org b.net", Below("b.net. 30 A 192.0.2.1"), client_query)
    reply = dns.message.from_wire(encode_response(client_query, response))
    assert str(reply.question[0]) == "A.Org. IN A"
    assert [str(rrset) for rrset in reply.answer] == ["a.org. 30 IN A 192.0.2.1"]


TTLS = [
    ("5", 5),
    ("40", 40),
    ("-20", 20),
    ("-40", 30),
    ("40-", 40),
    ("20-", 30),
    ("40-50", 40),
    ("10-20", 20),
    ("0", 0),
]


@table(("bounds", "expected"), TTLS)
async def test_ttl_bounds(bounds: str, expected: int) -> None:
    below = Below("a.org. 30 A 192.0.2.1")
    response = await ask(f"rewrite ttl a.org {bounds}", below, query("a.org"))
    assert response.answer[0].ttl == expected


KINDS = [
    ("exact a.org", True),
    ("EXACT a.org", True),
    ("exact b.org", False),
    ("prefix a.", True),
    ("prefix a", True),
    ("suffix .org", True),
    ("suffix rg", True),
    ("suffix .net", False),
    ("substring org", True),
    ("substring or", False),  # the final dot again
    (r"regex (.*)\.org", True),
    ("regex ^b", False),
]


@table(("kind", "applies"), KINDS)
@table("field", ["ttl {} 5", "rcode {} NXDOMAIN NOERROR"])
async def test_kinds_of_ttl_and_rcode(field: str, kind: str, applies: bool) -> None:
    below = Below("a.org. 30 A 192.0.2.1", rcode=Rcode.NXDOMAIN)
    response = await ask(f"rewrite {field.format(kind)}", below, query("a.org"))
    changed = response.answer[0].ttl == 5 or response.rcode == Rcode.NOERROR
    assert changed is applies


RCODES = [
    pytest.param("SERVFAIL NOERROR", DnsError(), Rcode.NOERROR, id="nothing-written"),
    pytest.param("2 0", DnsError(), Rcode.NOERROR, id="numbers"),
    pytest.param("servfail nxdomain", DnsError(), Rcode.NXDOMAIN, id="any-case"),
    pytest.param("REFUSED NOERROR", DnsError(rcode=Rcode.REFUSED), Rcode.NOERROR, id="refused"),
    pytest.param("NXDOMAIN NOERROR", DnsError(), Rcode.SERVFAIL, id="another-rcode"),
    pytest.param("SERVFAIL 23", DnsError(), 23, id="highest-number"),
    pytest.param("SERVFAIL BADSIG", DnsError(), 16, id="name-of-miekg-dns"),
]


def raising(error: DnsError) -> Handler:
    async def below(_: Query) -> Response:
        raise error

    return below


@table(("codes", "error", "expected"), RCODES)
async def test_rcode_of_what_was_not_answered(codes: str, error: DnsError, expected: int) -> None:
    body = f"rewrite continue rcode regex .* {codes}"
    response = await ask(body, raising(error), query("a.org"))
    assert response == Response(expected)


async def test_an_error_with_a_text_stays_one_for_the_log() -> None:
    body = "rewrite rcode a.org SERVFAIL NOERROR"
    with pytest.raises(DnsError) as error:
        await ask(body, raising(DnsError("i/o timeout")), query("a.org"))
    assert (error.value.text, error.value.rcode) == ("i/o timeout", Rcode.NOERROR)


async def test_without_a_rule_that_applies_errors_go_by() -> None:
    with pytest.raises(DnsError) as error:
        await ask("rewrite rcode b 2 0", raising(DnsError()), query("a.org"))
    assert error.value.rcode == Rcode.SERVFAIL


async def test_silence_stays_silence() -> None:
    with pytest.raises(Dropped):
        await ask("rewrite rcode a 2 0", raising(Dropped()), query("a"))


INVALID = [
    (r"rewrite name regex (.*)\.org {1}..net", "a.org", "a..net."),
    ("rewrite name suffix a. .b.", "a.", ".b."),
    (r"rewrite name regex (.*) {1}{1}", f"{'a' * 60}.org", f"{'a' * 60}.org." * 2 + "."),
    (r"rewrite name regex ^(\w+)\. {1}{1}.", f"{'a' * 40}.org", f"{'a' * 80}."),
]


@table(("body", "name", "result"), INVALID)
async def test_a_name_that_is_none_is_servfail(body: str, name: str, result: str) -> None:
    with pytest.raises(DnsError) as error:
        await ask(body, Below(), query(name))
    assert error.value.rcode == Rcode.SERVFAIL
    assert error.value.text == f"invalid name after rewrite: {result}"


async def test_an_answer_name_that_is_none_is_servfail() -> None:
    body = "rewrite name regex a.org b.org answer name (b).org {1}..org"
    with pytest.raises(DnsError, match="invalid name after rewrite") as error:
        await ask(body, Below("b.org 30 A 192.0.2.1"), query("a.org"))
    assert error.value.rcode == Rcode.SERVFAIL


# EDNS


L = 0xFFEE
COOKIE = (10, b"12345678")
SHOWN = [
    pytest.param("local set 0xffee a", (COOKIE,), (COOKIE, (L, b"a")), id="set"),
    pytest.param("local set 0xffee a revert", (COOKIE,), (COOKIE,), id="set-reverted"),
    pytest.param("local replace 0xffee a", ((L, b"old"),), ((L, b"a"),), id="replaced"),
    pytest.param("local replace 0xffee a revert", ((L, b"old"),), ((L, b"old"),), id="put-back"),
    pytest.param("local unset 0xffee", ((L, b"old"),), (), id="unset"),
    pytest.param("subnet set 24 56", (), (), id="ecs-is-not-shown"),
    pytest.param("nsid set", (), ((3, b""),), id="nsid"),
    pytest.param("nsid set revert", (), (), id="nsid-reverted"),
    pytest.param("nsid append revert", ((3, b""),), ((3, b""),), id="nsid-twice"),
    pytest.param("local append 0xffee a revert", ((L, b"old"),), ((L, b"a"),), id="first-removed"),
]


@table(("rule", "sent", "shown"), SHOWN)
async def test_options_the_client_sees(
    rule: str, sent: tuple[tuple[int, bytes], ...], shown: tuple[tuple[int, bytes], ...]
) -> None:
    client_query = query("a", opt=Opt(1232, do=True, options=sent))
    response = await ask(f"rewrite edns0 {rule}", Below(), client_query)
    assert response.opt == Opt(1232, do=True, options=shown)


async def test_what_one_rule_reverts_another_may_have_set() -> None:
    below = Below()
    body = "rewrite continue {\nedns0 local set 0xffee abcd\n}\nrewrite edns0 local replace 0xffee bcde revert"
    response = await ask(body, below, query("a", opt=Opt(1232)))
    assert below.asked[0].opt == Opt(1232, options=((L, b"bcde"),))
    assert response.opt == Opt(1232, options=((L, b"abcd"),))


async def test_an_upstream_s_opt_is_left_alone() -> None:
    opt = Opt(512, options=((L, b"theirs"),))
    client_query = query("a", opt=Opt(1232))
    response = await ask("rewrite edns0 local set 0xffee a", Below(opt=opt), client_query)
    assert response.opt == opt


def opt_of_4096(*options: tuple[int, bytes]) -> Opt:
    return Opt(4096, options=options)


WITHOUT_OPT = [
    # rule, OPT that the next plugin sees, OPT of the reply
    ("local set 0xffee a", opt_of_4096((L, b"a")), opt_of_4096((L, b"a"))),
    ("local append 0xffee a", opt_of_4096((L, b"a")), opt_of_4096((L, b"a"))),
    ("local set 0xffee a revert", opt_of_4096((L, b"a")), opt_of_4096()),
    ("local append 0xffee a revert", opt_of_4096((L, b"a")), opt_of_4096()),
    ("local replace 0xffee a", opt_of_4096(), opt_of_4096()),
    ("local unset 0xffee", opt_of_4096(), opt_of_4096()),
    ("local set 0xffee {qname}", opt_of_4096((L, b"a.")), opt_of_4096((L, b"a."))),
    ("local set 0xffee {no/label}", None, None),
    ("nsid set", opt_of_4096((3, b"")), opt_of_4096((3, b""))),
    ("nsid append revert", opt_of_4096((3, b"")), opt_of_4096()),
    ("nsid replace", opt_of_4096(), opt_of_4096()),
    ("subnet set 24 56", opt_of_4096((8, bytes((0, 1, 24, 0, 192, 0, 2)))), opt_of_4096()),
    ("subnet unset", opt_of_4096(), opt_of_4096()),
]
"""Recorded from CoreDNS 1.14.7 with *whoami*, *hosts*, *template* and *erratic*."""


@table(("rule", "seen", "shown"), WITHOUT_OPT)
@table("fails", [False, True], ids=["answered", "failed"])
async def test_query_without_opt_gets_one(rule: str, seen: Opt | None, shown: Opt | None, fails: bool) -> None:
    below = Below(error=DnsError("nothing answered") if fails else None)
    if fails:
        with pytest.raises(DnsError) as raised:
            await ask(f"rewrite edns0 {rule}", below, query("a"))
        opt = raised.value.opt
    else:
        opt = (await ask(f"rewrite edns0 {rule}", below, query("a"))).opt
    assert below.asked[0].opt == seen
    assert opt == shown


async def test_rule_without_an_option_to_replace_does_not_end_the_rules() -> None:
    below = Below()
    await ask("rewrite edns0 nsid replace\nrewrite name a b", below, query("a"))
    assert below.asked[0].question.qname == "b."
    assert below.asked[0].opt == Opt(4096)


async def test_revert_takes_an_option_out_of_an_upstream_s_opt() -> None:
    below = Below(opt=Opt(512, options=((L, b"a"), (65500, b"theirs"))))
    response = await ask("rewrite edns0 local set 0xffee a revert", below, query("a"))
    assert response.opt == Opt(512, options=((65500, b"theirs"),))


async def test_metadata_as_option() -> None:
    below = Below()
    apply, site = rewriting("rewrite edns0 local set 0xffee {kubernetes/namespace}")
    handler = apply(below)
    await handler(query("a"))
    site.metadata.labels["kubernetes/namespace"] = lambda query, response: "prod"
    await handler(query("a"))
    site.metadata.zones = (".",)
    await handler(query("a"))
    assert [received.opt for received in below.asked] == [None, None, Opt(4096, options=((L, b"prod"),))]


# repetition and provenance


REPEATS = [
    ("rewrite name a b", True),
    ("rewrite name b c", True),
    ("rewrite ttl a 5", True),
    ("rewrite edns0 local set 0xffee x", True),
    ("rewrite edns0 local set 0xffee {client_ip}", False),
    ("rewrite edns0 subnet set 24 56", False),
]


@table(("body", "cached"), REPEATS)
async def test_leave_to_repeat(body: str, cached: bool) -> None:
    reuse = Reuse(depends_on=("below",))
    response = await ask(body, Below(reuse=reuse), query("a"))
    assert response.reuse == (reuse if cached else None)


@table("body", ["rewrite ttl a 5", "rewrite ttl a 5-60", "rewrite ttl regex .* 100-"])
async def test_ttls_that_count_down_are_bounded_for_each_client(body: str) -> None:
    response = await ask(body, Below(reuse=Reuse(ttls_true_at=1000.0)), query("a"))
    assert response.reuse is None


async def test_answer_says_what_was_asked_instead() -> None:
    response = await ask("rewrite name a b", Below(), query("a", "AAAA"))
    assert [(source.kind, source.name) for source in response.sources] == [("rewrite", "a. AAAA -> b. AAAA")]


# cname


class Resolver:
    """The whole server: what an alias of *rewrite* is looked up by."""

    def __init__(self, answers: dict[str, Sequence[str]], **fields: object) -> None:
        self.answers = answers
        self.fields = fields
        self.asked: list[Query] = []

    async def __call__(self, query: Query) -> Response:
        self.asked.append(query)
        if query.question.qname not in self.answers:
            raise DnsError("unreachable")
        answer = rrsets(*self.answers[query.question.qname])
        return Response(answer=answer, **self.fields)  # type: ignore[arg-type]


OLD = [
    "my-app.com. 200 CNAME my-app.example.",
    "my-app.example. 200 CNAME my-app.com.cdn.example.net.",
    "my-app.com.cdn.example.net. 300 A 192.0.2.1",
]
CNAMES = [
    pytest.param(
        "rewrite cname regex (.*).cdn.example.net. {1}.other.example.",
        "my-app.com.other.example.",
        [OLD[0], "my-app.example. 200 CNAME my-app.com.other.example."],
        id="regex",
    ),
    pytest.param(
        "rewrite cname my-app.com.cdn.example.net other.example",
        "other.example.",
        [OLD[0], "my-app.example. 200 CNAME other.example."],
        id="exact-by-default",
    ),
    pytest.param(
        "rewrite cname EXACT My-App.example. Other.example.",
        "other.example.",
        ["my-app.com. 200 CNAME other.example."],
        id="first-alias",
    ),
    pytest.param(
        "rewrite cname prefix my-app.com. x.",
        "x.cdn.example.net.",
        [OLD[0], "my-app.example. 200 CNAME x.cdn.example.net."],
        id="prefix",
    ),
    pytest.param(
        "rewrite cname suffix .net. .org.",
        "my-app.com.cdn.example.org.",
        [OLD[0], "my-app.example. 200 CNAME my-app.com.cdn.example.org."],
        id="suffix",
    ),
    pytest.param(
        "rewrite cname substring cdn other",
        "my-app.com.other.example.net.",
        [OLD[0], "my-app.example. 200 CNAME my-app.com.other.example.net."],
        id="substring-without-added-dot",
    ),
]


@table(("body", "target", "aliases"), CNAMES)
async def test_cname(body: str, target: str, aliases: list[str]) -> None:
    apply, site = rewriting(body)
    site.top = resolver = Resolver({target: [f"{target} 100 A 192.0.2.9"]}, tc=True)
    response = await apply(Below(*OLD))(query("my-app.com"))
    assert texts(response.answer) == sorted([*aliases, f"{target} 100 A 192.0.2.9"])
    assert response.tc
    assert resolver.asked[0].question == Question(target, rdata.A)


async def test_cname_rule_for_other_aliases_changes_nothing() -> None:
    response = await ask("rewrite cname x y", Below(*OLD), query("my-app.com"))
    assert texts(response.answer) == sorted(OLD)


async def test_cname_that_cannot_be_looked_up_is_shown_alone() -> None:
    apply, site = rewriting("rewrite cname my-app.example other.example")
    site.top = Resolver({})
    response = await apply(Below(*OLD))(query("my-app.com"))
    assert texts(response.answer) == ["my-app.com. 200 CNAME other.example."]


async def test_cname_keeps_the_answer_when_its_target_is_no_name(caplog: pytest.LogCaptureFixture) -> None:
    body = "rewrite cname regex (.*) {1}..example."
    response = await ask(body, Below(*OLD), query("my-app.com"))
    assert texts(response.answer) == sorted(OLD)
    assert caplog.records[0].message.startswith("upstream lookup failed: ")


async def test_cname_ring_comes_to_an_end(caplog: pytest.LogCaptureFixture) -> None:
    apply, site = rewriting("rewrite cname regex .* ring.example.")

    async def below(query: Query) -> Response:
        return Response(answer=rrsets(f"{query.question.qname} 60 CNAME x.example."))

    site.top = apply(below)
    caplog.set_level(logging.ERROR)
    response = await site.top(query("a"))
    assert response.rcode == Rcode.NOERROR
    assert len(response.answer) <= 12
    assert [record.message for record in caplog.records] == [
        "upstream lookup failed: ring.example.: too many rewritten aliases"
    ]


COMBINED = [
    pytest.param(Reuse(9.0, ("a",)), Reuse(5.0, ("b",)), Reuse(5.0, ("a", "b")), id="y"),
    pytest.param(Reuse(), None, None, id="not-the-target"),
]


@pytest.mark.parametrize(("first", "second", "expected"), COMBINED)
async def test_cname_needs_leave_of_both(first: Reuse, second: Reuse | None, expected: Reuse | None) -> None:
    apply, site = rewriting("rewrite cname my-app.example other.example")
    site.top = Resolver({"other.example.": []}, reuse=second)
    response = await apply(Below(*OLD, reuse=first))(query("my-app.com"))
    assert response.reuse == expected


# errors


ERRORS = [
    ("rewrite", "no rule type specified for rewrite"),
    ("rewrite {\n}", "no rule type specified for rewrite"),
    ("rewrite stop", "stop rule must begin with a rule type"),
    ("rewrite continue {\n}", "continue rule must begin with a rule type"),
    ("rewrite foo", 'invalid rule type "foo"'),
    ("rewrite foo bar baz", 'invalid rule type "foo"'),
    ("rewrite continue foo bar", 'invalid rule type "continue"'),
    ("rewrite answer name a b", "response rewrites must begin with a name rule"),
    ("rewrite name a b {\ntype A B\n}", "no rule type specified for rewrite"),
    ("rewrite name a", "too few arguments for a name rule"),
    ("rewrite type A", "type rules must have exactly two arguments"),
    ("rewrite type A B C", "type rules must have exactly two arguments"),
    ("rewrite type frob A", 'invalid type "FROB"'),
    ("rewrite type A frob", 'invalid type "FROB"'),
    ("rewrite class IN", "class rules must have exactly two arguments"),
    ("rewrite class IN frob", 'invalid class "FROB"'),
    ("rewrite edns0 local", "too few arguments for an EDNS0 rule"),
    ("rewrite ttl a", "too few (1) arguments for a ttl rule"),
    ("rewrite ttl a x", "invalid TTL 'x' for a ttl rule"),
    ("rewrite ttl a -", "invalid TTL '-' for a ttl rule"),
    ("rewrite ttl a 1-2-3", "invalid TTL '1-2-3' for a ttl rule"),
    ("rewrite ttl a 5-4", "invalid TTL '5-4' for a ttl rule"),
    ("rewrite ttl a 4294967296", "invalid TTL '4294967296' for a ttl rule"),
    ("rewrite ttl exact a 5 6", "invalid TTL '' for a ttl rule"),
    ("rewrite ttl infix a 5", "ttl rule supports only exact, prefix, suffix, substring, and regex name matching"),
    ("rewrite ttl regex ( 5", "invalid regex pattern in a ttl rule: ("),
    (f"rewrite ttl regex {'a' * 10001} 5", "regex pattern too long in a ttl rule: 10001 > 10000"),
    ("rewrite rcode a 2", "too few (2) arguments for a rcode rule"),
    ("rewrite rcode a x 2", "invalid matching RCODE 'x' for a rcode rule"),
    ("rewrite rcode a 2 24", "invalid replacement RCODE '24' for a rcode rule"),
    ("rewrite rcode exact a 2 0 0", "invalid matching RCODE '' for a rcode rule"),
    ("rewrite rcode infix a 2 0", "rcode rule supports only exact, prefix, suffix, substring, and regex name matching"),
    ("rewrite rcode regex ( 2 0", "invalid regex pattern in a rcode rule: ("),
    ("rewrite cname a", "too few (1) arguments for a cname rule"),
    ("rewrite cname exact a b c", "too few (4) arguments for a cname rule"),
    ("rewrite cname infix a b", "unknown cname rewrite type: infix"),
    ("rewrite cname regex ( b", "invalid cname rewrite regex pattern: error parsing regexp: missing closing ): `(`"),
    (f"rewrite cname regex {'a' * 10001} b", "regex pattern too long in a cname rule: 10001 > 10000"),
]


@table(("body", "message"), ERRORS)
def test_error(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        rewriting(body)
    assert str(error.value) == message


HOSTILE = ["rewrite name regex (a+)+$ b", "rewrite name regex (.*)(.*)(.*)(.*)(.*)x b"]


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.timeout(5)
async def test_patterns_take_linear_time(body: str) -> None:
    below = Below()
    await ask(body, below, query(".".join(["a" * 60] * 4)))
    assert below.asked
