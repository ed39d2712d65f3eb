"""What a naive clone of CoreDNS gets wrong: 23 traps, each a test by its number.

Those that need a process, sockets or manifests are in test_traps_process.py.
"""

import itertools
import re

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from tests import test_traps_process
from tests.conformance.api import Api, Tree
from tests.whole import Message, Resolver, shown, ttls, whole
from tests.world import InstanceAlone, World

WWW = "www.example.org."
RECORDS = {(WWW, "A"): [f"{WWW} 300 A 192.0.2.80"]}
ANSWERED = ["NOERROR", f"{WWW} 300 IN A 192.0.2.80"]
TRAPS = {
    1: "plugins are in CoreDNS's order, not in that of the file",
    2: "import paths are relative to the importing file; a glob may match nothing",
    3: "a comment begins anywhere outside quotes",
    4: "environment variables are expanded after the text is split into tokens",
    5: "zones may be networks in CIDR form; the keys of a block share one chain",
    6: "an unknown directive is fatal at the start, and only logged at a reload",
    7: "a bad Corefile is tried once at a reload, and the endpoints stay",
    8: "cache equalizes TTLs in the first reply already, with a floor of 5 s",
    9: "hosts: SERVFAIL for unknown names, pointers fall through",
    10: "template: SERVFAIL without a match, no SOA of its own",
    11: "REFUSED where no block matches, SERVFAIL where no plugin answers",
    12: "rewrite: rules in order, stop and continue, answers rewritten back",
    13: "forward passes on an upstream's SERVFAIL, and retries only what failed",
    14: "prometheus: names, labels and buckets of CoreDNS",
    15: "ready stays ready; health waits out its lame-duck period",
    16: "kubernetes denies nothing before its first sync",
    17: "loop ends the process",
    18: "fallthrough is for the zones that it names",
    19: "log: format, classes and fields of CoreDNS",
    20: "durations have Go's units",
    21: "patterns are RE2",
    22: "Services of the first deployment do not select pods of the second",
    23: "a response is never answered; odd queries are, as in CoreDNS",
}
"""The rules by the numbers of their tests, ``test_trap_NN_...``."""
TRAP = re.compile(r"test_trap_(\d\d)_")


def test_there_is_a_test_for_each() -> None:
    names = {*globals(), *vars(test_traps_process)}
    numbers = {int(match[1]) for name in names if (match := TRAP.match(name))}
    assert numbers == TRAPS.keys()


async def refusal(text: str, **more: dict[str, str]) -> str:
    """Return the one line that a Corefile is refused with."""
    with pytest.raises(ConfigError) as caught:
        async with whole(text, **more):  # type: ignore[arg-type]
            pass
    return str(caught.value)


# 1

LINES = (
    "cache 20",
    'template IN A example.org {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}',
    "hosts {\n192.0.2.2 www.example.org\n}",
    "forward . 192.0.2.53",
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
async def test_trap_01_the_order_of_plugins_is_not_that_of_the_file(
    order: tuple[int, ...],
) -> None:
    body = "\n".join(LINES[each] for each in order)
    async with whole(f". {{\n{body}\n}}\n") as server:
        handlers = ("cache", "template", "hosts", "forward")
        assert server.instance.sites[0].handlers == handlers
        # template before hosts, both below the cache, which levels what they say
        assert await server.lines(WWW) == ["NOERROR", f"{WWW} 20 IN A 192.0.2.1"]
        assert not server.resolver.asked


# 3

COMMENTS = {
    "after-a-word": ("cache 30 # seconds\nforward . 192.0.2.53", ("cache", "forward")),
    "glued-to-a-word": ("cache#30\nforward . 192.0.2.53#:5353", ("cache", "forward")),
    "before-a-brace": ("errors\nwhoami#{", ("errors", "whoami")),
    "in-quotes-it-is-text": (
        'template IN TXT . {\nanswer "{{ .Name }} 60 IN TXT a#b"\n}',
        ("template",),
    ),
}


@pytest.mark.parametrize(("body", "handlers"), COMMENTS.values(), ids=COMMENTS)
async def test_trap_03_a_comment_begins_anywhere_outside_quotes(
    body: str, handlers: tuple[str, ...]
) -> None:
    async with whole(f". {{\n{body}\n}}\n") as server:
        assert server.instance.sites[0].handlers == handlers
        if "template" in handlers:
            assert await server.lines(WWW, "TXT") == [
                "NOERROR",
                f'{WWW} 60 IN TXT "a#b"',
            ]


# 4

ENVIRON = {
    "ZONE": "example.org",
    "BLANKS": "{{ .Name }} 60 IN A 192.0.2.1",
    "BRACE": "{",
    "INNER": "{$ZONE}",
}
ANSWER = f"{WWW} 60 IN A 192.0.2.1"
EXPANDED = {
    "key": '{$ZONE} {\ntemplate IN A {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n}',
    "percent": '{%ZONE%} {\ntemplate IN A {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}\n}',
    "a-value-with-blanks-is-one-word": ". {\ntemplate IN A {\nanswer {$BLANKS}\n}\n}",
    "a-value-that-names-another": "{$INNER} {\ntemplate IN A {\nanswer {$BLANKS}\n}\n}",
}


@pytest.mark.parametrize("text", EXPANDED.values(), ids=EXPANDED)
async def test_trap_04_the_environment_is_put_in_after_the_words_are_told_apart(
    text: str,
) -> None:
    async with whole(text, environ=ENVIRON) as server:
        assert await server.lines(WWW) == ["NOERROR", ANSWER]


NOT_EXPANDED = {
    "shell's-form-stays": ("forward . ${ZONE}", 'resolve "${ZONE}"'),
    "unset-is-an-empty-word": (
        "whoami {$UNSET}",
        "Wrong argument count or unexpected line ending after ''",
    ),
}


@pytest.mark.parametrize(
    ("line", "text"), NOT_EXPANDED.values(), ids=[f"04-{key}" for key in NOT_EXPANDED]
)
async def test_the_environment_does_no_more(line: str, text: str) -> None:
    assert text in await refusal(f". {{\n{line}\n}}\n", environ=ENVIRON)


async def test_04_a_value_takes_no_lines_into_a_block() -> None:
    text = ". {\ncache {$BRACE}\nwhoami\n}\n"
    async with whole(text, environ=ENVIRON) as server:
        assert server.instance.sites[0].handlers == ("cache", "whoami")


# 5

CIDR = {
    "10.0.0.0/24": ("7.0.0.10.in-addr.arpa.", "7.1.0.10.in-addr.arpa."),
    "10.0.0.0/17": ("1.1.127.0.10.in-addr.arpa.", "1.1.128.0.10.in-addr.arpa."),
    "10.0.0.32/27": ("63.0.0.10.in-addr.arpa.", "64.0.0.10.in-addr.arpa."),
    "fd00::/61": (
        "1.7.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
        "1.8.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
    ),
}


@pytest.mark.parametrize("key", CIDR)
async def test_trap_05_keys_may_be_networks_and_share_one_chain(key: str) -> None:
    inside, outside = CIDR[key]
    resolver = Resolver({(inside, "PTR"): [f"{inside} 60 PTR {WWW}"], **RECORDS})
    text = f"example.org, {key} {{\ncache 30\nforward . 192.0.2.53\n}}\n"
    async with whole(text, resolver=resolver) as server:
        assert len(server.instance.sites) == 1
        assert (await server.lines(inside, "PTR"))[0] == "NOERROR"
        assert (await server.lines(WWW))[0] == "NOERROR"
        assert (await server.lines(outside, "PTR"))[0] == "REFUSED"


# 8

FORWARDED = ". {\ncache 30\nforward . 192.0.2.53\n}\n"
TWO_TTLS = {
    (WWW, "A"): [f"{WWW} 20 CNAME a.example.org.", "a.example.org. 7 A 192.0.2.80"]
}


def changed(**change: object) -> Resolver:
    """Return a resolver that answers WWW, but for what ``change`` says."""

    def change_(query: Message, reply: Message) -> Message | None:
        if change.get("silent"):
            return None
        if rcode := change.get("rcode"):
            reply.set_rcode(dns.rcode.from_text(str(rcode)))
        if change.get("truncated"):
            reply.flags |= dns.flags.TC
        return reply

    return Resolver(RECORDS, change_)


async def test_trap_08_the_cache_levels_ttls_on_the_first_reply_too() -> None:
    async with whole(FORWARDED, resolver=Resolver(TWO_TTLS)) as server:
        assert ttls(await server.ask(WWW)) == {7}
        await server.pass_(3)
        assert ttls(await server.ask(WWW)) == {4}
        assert len(server.resolver.asked) == 1


TTLS = {
    "floor-of-5-seconds": (FORWARDED, [f"{WWW} 1 A 192.0.2.80"], 5),
    "ceiling": (FORWARDED, [f"{WWW} 600 A 192.0.2.80"], 30),
    "disabled-zones-too": (
        ". {\ncache 30 {\ndisable success example.org\n}\nforward . 192.0.2.53\n}\n",
        [f"{WWW} 600 A 192.0.2.80"],
        30,
    ),
    "denial-by-the-SOA's-own-TTL-not-its-MINIMUM": (
        ". {\ncache {\ndenial 10 100\n}\nforward . 192.0.2.53\n}\n",
        [],
        60,
    ),
}


@pytest.mark.parametrize(
    ("text", "records", "ttl"), TTLS.values(), ids=[f"08-{key}" for key in TTLS]
)
async def test_cached_ttls(text: str, records: list[str], ttl: int) -> None:
    resolver = Resolver({(WWW, "A"): records} if records else {})
    resolver.soa = "example.org. 60 SOA ns.example.org. admin.example.org. 1 2 3 4 5"
    async with whole(text, resolver=resolver) as server:
        assert ttls(await server.ask(WWW)) == {ttl}


NEVER_KEPT = {
    "timed-out": {"silent": True},
    "truncated": {"truncated": True},
    "refused": {"rcode": "REFUSED"},
    "NXDOMAIN-with-answers": {"rcode": "NXDOMAIN"},
}


@pytest.mark.parametrize(
    "change", NEVER_KEPT.values(), ids=[f"08-{key}" for key in NEVER_KEPT]
)
async def test_not_cached(change: dict[str, object]) -> None:
    async with whole(FORWARDED, resolver=changed(**change)) as server:
        await server.ask(WWW)
        asked = len(server.resolver.asked)
        await server.ask(WWW)
        assert len(server.resolver.asked) > asked


async def test_08_hits_are_authoritative_and_do_has_entries_of_its_own() -> None:
    async with whole(FORWARDED, resolver=Resolver(RECORDS)) as server:
        first, second = await server.ask(WWW), await server.ask(WWW)
        assert not first.flags & dns.flags.AA
        assert second.flags & dns.flags.AA
        await server.ask(WWW, do=False)
        assert len(server.resolver.asked) == 1
        await server.ask(WWW, do=True)
        assert len(server.resolver.asked) == 2


# 9

HOSTS = """. {
    hosts {
        192.0.2.9 www.example.org
    }
    forward . 192.0.2.53
}
"""
ETC_HOSTS = {"/etc/hosts": "192.0.2.8 node.example.org\n"}
OWN = {
    "inline": (WWW, "A", ["NOERROR", f"{WWW} 3600 IN A 192.0.2.9"]),
    "etc-hosts-beside-inline": (
        "node.example.org.",
        "A",
        ["NOERROR", "node.example.org. 3600 IN A 192.0.2.8"],
    ),
    "unknown-is-SERVFAIL": ("x.example.org.", "A", ["SERVFAIL"]),
    "known-of-another-type-is-NODATA": (WWW, "AAAA", ["NOERROR"]),
    "unknown-pointer-is-passed-on": ("1.2.0.192.in-addr.arpa.", "PTR", ["NXDOMAIN"]),
}


@pytest.mark.parametrize(("name", "qtype", "lines"), OWN.values(), ids=OWN)
async def test_trap_09_hosts(name: str, qtype: str, lines: list[str]) -> None:
    async with whole(HOSTS, files=ETC_HOSTS) as server:
        reply = await server.ask(name, qtype)
        assert shown(reply) == lines
        assert bool(reply.authority) == (
            lines == ["NXDOMAIN"]
        )  # never an SOA of its own
        assert bool(server.resolver.asked) == (qtype == "PTR")


# 10

TEMPLATES = {
    "no-match-without-fallthrough": ("match ^a[.]", "SERVFAIL"),
    "no-match-with-fallthrough": ("match ^a[.]\nfallthrough", "NXDOMAIN"),
    "empty-answer-without-SOA": ("rcode NOERROR", "NOERROR"),
}


@pytest.mark.parametrize(("body", "rcode"), TEMPLATES.values(), ids=TEMPLATES)
async def test_trap_10_template(body: str, rcode: str) -> None:
    text = f". {{\ntemplate IN A {{\n{body}\n}}\nforward . 192.0.2.53\n}}\n"
    async with whole(text) as server:
        reply = await server.ask(WWW)
        assert shown(reply) == [rcode]
        assert bool(reply.authority) == (rcode == "NXDOMAIN")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("template in A", "invalid query class in"),
        ("template IN a", "invalid RR class a"),
    ],
    ids=["10-class", "10-type"],
)
async def test_template_words_are_upper_case(line: str, text: str) -> None:
    assert text in await refusal(f". {{\n{line}\n}}\n")


# 11

UNANSWERED = {
    "no-block": ("example.net {\nwhoami\n}", "REFUSED"),
    "block-without-plugins": ("example.org {\n}\n. {\nwhoami\n}", "REFUSED"),
    "end-of-the-chain": ("example.org {\nerrors\n}", "SERVFAIL"),
}


@pytest.mark.parametrize(("text", "rcode"), UNANSWERED.values(), ids=UNANSWERED)
async def test_trap_11_refused_is_no_block_and_servfail_no_plugin(
    text: str, rcode: str
) -> None:
    async with whole(text) as server:
        reply = await server.ask(WWW, do=True)
        assert shown(reply) == [rcode]
        assert dns.flags.to_text(reply.flags) == "QR RD"
        assert reply.edns == 0


# 12

INNER = {
    ("b.example.org.", "A"): ["b.example.org. 60 A 192.0.2.80"],
    ("x.new.example.org.", "A"): ["x.new.example.org. 60 A 192.0.2.80"],
    ("bbb.example.org.", "A"): ["bbb.example.org. 60 A 192.0.2.80"],
}
REWRITES = {
    "exact-renames-the-answer": (
        "name a.example.org b.example.org",
        "a.example.org.",
        ["NOERROR", "a.example.org. 60 IN A 192.0.2.80"],
    ),
    "suffix-does-not": (
        "name suffix .old.example.org .new.example.org",
        "x.old.example.org.",
        ["NOERROR", "x.new.example.org. 60 IN A 192.0.2.80"],
    ),
    "suffix-does-with-answer-auto": (
        "name suffix .old.example.org .new.example.org answer auto",
        "x.old.example.org.",
        ["NOERROR", "x.old.example.org. 60 IN A 192.0.2.80"],
    ),
    "prefix-means-a-label": (
        "name prefix aa bb",
        "aab.example.org.",
        ["NXDOMAIN"],
    ),
    "prefix-of-a-label": (
        "name prefix aaa. bbb.",
        "aaa.example.org.",
        ["NOERROR", "bbb.example.org. 60 IN A 192.0.2.80"],
    ),
    "substring-has-a-dot-at-its-end": (
        "name substring aa bb",
        "aab.example.org.",
        ["NXDOMAIN"],
    ),
    "regex-sees-the-last-dot": (
        "name regex ^a[.]example[.]org$ b.example.org",
        "a.example.org.",
        ["NXDOMAIN"],
    ),
    "regex-with-it": (
        "name regex ^a[.]example[.]org[.]$ b.example.org answer auto",
        "a.example.org.",
        ["NOERROR", "a.example.org. 60 IN A 192.0.2.80"],
    ),
}


@pytest.mark.parametrize(("rule", "name", "lines"), REWRITES.values(), ids=REWRITES)
async def test_trap_12_rewrite(rule: str, name: str, lines: list[str]) -> None:
    text = f". {{\nrewrite {rule}\nforward . 192.0.2.53\n}}\n"
    async with whole(text, resolver=Resolver(INNER)) as server:
        reply = await server.ask(name)
        assert shown(reply) == lines
        assert str(reply.question[0].name) == name


# 13


async def test_trap_13_forward_takes_an_upstreams_failure_for_an_answer() -> None:
    text = ". {\nforward . 192.0.2.1 192.0.2.2\n}\n"
    async with whole(text, resolver=changed(rcode="SERVFAIL")) as server:
        assert await server.lines(WWW) == ["SERVFAIL", *ANSWERED[1:]]
        assert len(server.resolver.asked) == 1


async def test_13_forward_hands_edns_and_flags_on() -> None:
    async with whole(". {\nforward . 192.0.2.1\n}\n") as server:
        flags = dns.flags.RD | dns.flags.AD | dns.flags.CD
        query = dns.message.make_query(
            WWW, "A", flags=flags, want_dnssec=True, payload=1400,
            options=[dns.edns.GenericOption("65001", b"x")],
        )  # fmt: skip
        await server.reply(query.to_wire())
        (sent,) = server.resolver.asked
        assert sent.flags & flags == flags
        assert sent.payload == 1400
        assert sent.ednsflags & dns.flags.DO
        assert sent.options[0].otype == 65001


@pytest.mark.parametrize(
    ("options", "transport", "used"),
    [
        ("", "udp", "udp"),
        ("", "tcp", "tcp"),
        ("{\nforce_tcp\n}", "udp", "tcp"),
        ("{\nprefer_udp\n}", "tcp", "udp"),
    ],
)
async def test_13_forward_uses_the_clients_transport(
    options: str, transport: str, used: str
) -> None:
    async with whole(f". {{\nforward . 192.0.2.1 {options}\n}}\n") as server:
        await server.ask(WWW, transport=transport)  # type: ignore[arg-type]
        assert [to.transport for to in server.resolver.to] == [used]


async def test_13_forward_marks_an_upstream_down_only_after_failed_checks() -> None:
    def silent_once(query: Message, reply: Message) -> Message | None:
        return None if len(resolver.asked) == 1 else reply

    resolver = Resolver(RECORDS, silent_once)
    async with whole(". {\nforward . 192.0.2.1\n}\n", resolver=resolver) as server:
        assert (await server.lines(WWW)) == ANSWERED
        assert (await server.lines(WWW)) == ANSWERED


async def test_13_forward_asks_any_upstream_first_unless_told() -> None:
    text = ". {\nforward . 192.0.2.1 192.0.2.2 192.0.2.3\n}\n"
    async with whole(text, resolver=Resolver(RECORDS)) as server:
        for _ in range(40):
            await server.ask(WWW)
        assert {to.host for to in server.resolver.to} == {
            f"192.0.2.{n}" for n in (1, 2, 3)
        }


async def test_13_resolv_conf_is_read_once_and_its_search_list_not_at_all() -> None:
    files = {"/etc/resolv.conf": "nameserver 192.0.2.7\nsearch example.org\n"}
    async with whole(". {\nforward . /etc/resolv.conf\n}\n", files=files) as server:
        await server.ask("www.")
        server.world.files.texts["/etc/resolv.conf"] = "nameserver 192.0.2.8\n"
        await server.pass_(3600)
        await server.ask("www.")
        assert [to.host for to in server.resolver.to] == ["192.0.2.7"] * 2
        assert server.resolver.names == ["www."] * 2


# 14


async def test_trap_14_prometheus() -> None:
    text = "example.org:5353 {\nprometheus\nforward . 192.0.2.53\n}\n"
    site = World(files={}).site(text)
    plugins.configure(site)
    assert isinstance(site.instance, InstanceAlone)
    assert ("localhost:9153", "/metrics") in site.instance.endpoints
    text = text.replace("prometheus", "prometheus 127.0.0.1:0")
    async with whole(text, resolver=Resolver(RECORDS)) as server:
        await server.ask(WWW)
        families = {each.name: each for each in server.world.metrics.families()}
        requests = families["coredns_dns_requests_total"]
        # the block's zone, not the name's; an empty view
        labels = ("dns://:5353", "example.org.", "", "udp", "1", "A")
        assert requests.labels == ("server", "zone", "view", "proto", "family", "type")
        assert requests.values == {labels: 1}
        assert not any(
            re.match("coredns_forward_(request|response)", name) for name in families
        )
        for name in (
            "panics", "forward_healthcheck_broken", "forward_max_concurrent_rejects",
            "health_request_failures", "reload_failed", "local_localhost_requests",
        ):  # fmt: skip
            assert families[f"coredns_{name}_total"].values == {(): 0}


# 18

CLUSTER: list[Tree] = [{"kind": "Namespace", "metadata": {"name": "a"}}]
SCOPES = {
    "kubernetes": (
        "kubernetes cluster.local in-addr.arpa {\nfallthrough in-addr.arpa\n}",
        "x.a.svc.cluster.local.",
        "7.2.0.192.in-addr.arpa.",
    ),
    "hosts": (
        "hosts {\n192.0.2.1 a\nfallthrough example.net\n}",
        "x.example.org.",
        "x.example.net.",
    ),
    "template": (
        "template IN ANY . {\nmatch ^never$\nfallthrough example.net\n}",
        "x.example.org.",
        "x.example.net.",
    ),
    "file": (
        "file /db example.org example.net {\nfallthrough example.net\n}",
        "x.example.org.",
        "x.example.net.",
    ),
    "k8s_external": (
        "kubernetes cluster.local\nk8s_external example.org {\nfallthrough b.example.org\n}",
        "x.a.example.org.",
        "x.b.example.org.",
    ),
}
ZONE_FILE = "@ 60 IN SOA ns admin 1 2 3 4 5\n@ 60 IN NS ns\n"


@pytest.mark.parametrize(("lines", "kept", "passed"), SCOPES.values(), ids=SCOPES)
async def test_trap_18_fallthrough_is_for_the_zones_it_names(
    lines: str, kept: str, passed: str
) -> None:
    text = f". {{\n{lines}\nforward . 192.0.2.53\n}}\n"
    async with whole(text, files={"/db": ZONE_FILE}, api=Api(CLUSTER)) as server:
        await server.ask(kept)
        assert server.resolver.names == []
        await server.ask(passed)
        assert server.resolver.names == [passed]


# 19


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    name = "minidns.plugins.log"
    return [each.getMessage() for each in caplog.records if each.name == name]


async def test_trap_19_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    text = (
        '. {\nlog "{remote} {rcode}"\nforward . 192.0.2.53\n}\n'
        "example.org:53 {\nlog\nforward . 192.0.2.53\n}\n"
        "example.net:53 {\nlog . {\nclass denial\n}\nforward . 192.0.2.53\n}\n"
    )
    many = [f"{WWW} 300 A 192.0.2.{n}" for n in range(1, 21)]
    async with whole(text, resolver=Resolver({(WWW, "A"): many})) as server:
        await server.ask("nothing.test.")  # a lone argument is a name, not a format
        assert logged(caplog) == []
        query = dns.message.make_query(WWW, "A", use_edns=0, payload=1232)
        reply = await server.reply(query.to_wire())
        assert reply is not None
        (line,) = logged(caplog)
        # what the reply would have taken without compression, and without its OPT cut
        plain = 12 + 4 + 17 + 20 * (17 + 14) + 11
        expected = (
            f'{"192.0.2.200"}:40000 - {query.id} "A IN {WWW} udp {len(query.to_wire())}'
            f' false 1232" NOERROR qr,rd,ra {plain} 0s'
        )
        assert line == expected
        caplog.clear()
        await server.ask("a.example.net.", qclass="CH")
        assert " CH a.example.net. udp " in logged(caplog)[0]
        caplog.clear()
        server.resolver.records["b.example.net.", "A"] = [
            "b.example.net. 60 A 192.0.2.1"
        ]
        await server.ask("b.example.net.")
        assert logged(caplog) == []  # a success is no denial


# 20

DURATIONS = {
    "health {\nlameduck %s\n}": "lameduck duration value",
    "reload %s": "time:",
    "errors {\nconsolidate %s x\n}": "time:",
    "cache {\nservfail %s\n}": "time:",
    "cache {\nprefetch 1 %s\n}": "time:",
    "cache {\nserve_stale %s\n}": "time:",
    "forward . 192.0.2.1 {\nexpire %s\n}": "time:",
    "forward . 192.0.2.1 {\nhealth_check %s\n}": "time:",
    "file /db {\nreload %s\n}": "time:",
    "kubernetes {\nstartup_timeout %s\n}": "time:",
}
WRONG = {
    "5": 'missing unit in duration "5"',
    "1d": 'unknown unit "d" in duration "1d"',
}


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("line", DURATIONS, ids=lambda line: line.split()[0])
async def test_trap_20_durations_have_units_that_go_knows(line: str, text: str) -> None:
    said = await refusal(f". {{\n{line % text}\n}}\n", files={"/db": ZONE_FILE})
    assert DURATIONS[line] in said
    assert WRONG[text] in said


# 21

PATTERNS = {
    "named-group-of-either-spelling": (r"(?<a>w+)\.example\.org\.$", True),
    "posix-class": (r"^[[:alpha:]]+\.example", True),
    "end-of-text": (r"org\.\z", True),
    "quoted": (r"^www\Q.example.\E", True),
    "digits-are-ASCII": (r"^\d+\.", False),
    "not-anchored": (r"example", True),
    "hostile": (r"^(w+)+\.x$", False),
}


@pytest.mark.parametrize(("regex", "matches"), PATTERNS.values(), ids=PATTERNS)
async def test_trap_21_patterns_are_re2(regex: str, matches: bool) -> None:
    text = f'. {{\ntemplate IN A {{\nmatch "{regex}"\nanswer "{{{{ .Name }}}} 60 IN A 192.0.2.1"\n}}\n}}\n'
    async with whole(text) as server:
        expected = ["NOERROR", ANSWER] if matches else ["SERVFAIL"]
        assert await server.lines(WWW) == expected


@pytest.mark.parametrize(
    "regex",
    ["(?=look)", "(?<!behind)x", r"(a)\1"],
    ids=["21-ahead", "21-behind", "21-back"],
)
async def test_patterns_of_python_are_refused(regex: str) -> None:
    text = f'. {{\ntemplate IN A {{\nmatch "{regex}"\n}}\n}}\n'
    assert "error parsing regexp" in await refusal(text)
