"""Aliases of a zone file whose targets other blocks or plugins of the server answer.

The rule in all rows is CoreDNS's (plugin/file lookup.go): the zone adds what it has at
the exact target; a delegation above it gives a referral; for anything else, the server
itself is asked.
"""

import pytest

from tests.table import table
from tests.whole import Resolver, whole

HEAD = "@ 60 SOA ns admin 1 2 3 4 60\n@ 60 NS ns.example.net.\n"
ZONE = (
    HEAD
    + """
www     60 CNAME www.foo
chain   60 CNAME www
own     60 CNAME web
web     60 A     192.0.2.1
wild    60 CNAME x.w
*.w     60 A     192.0.2.7
*.al    60 CNAME www.foo
old     60 DNAME foo
cut     60 CNAME host.sub
sub     60 NS    ns.sub
ns.sub  60 A     192.0.2.99
gone    60 CNAME nosuch
away    60 CNAME www.example.com.
loop    60 CNAME x.ring
*.ring  60 CNAME y.ring
mx      60 CNAME mail.foo
alias   60 DNAME alias
into    60 CNAME x.alias
near.foo 60 A    192.0.2.2
near    60 CNAME near.foo
"""
)
FOO = HEAD + "www 60 A 192.0.2.80\nmail 60 MX 10 web.example.org.\nnear 60 A 192.0.2.3\n"
ANSWER = """template IN A foo.example.org {
answer "{{ .Name }} 60 IN A 192.0.2.80"
}"""
HOSTS = "hosts /hosts foo.example.org {\nttl 60\n}"
FILE = "file /db example.org"

OTHERS = {
    "block": f"example.org {{\n{FILE}\n}}\nfoo.example.org {{\nfile /foo\n}}\n",
    "file": f"example.org {{\n{FILE}\nfile /foo foo.example.org\n}}\n",
    "hosts": f"example.org {{\n{FILE}\n{HOSTS}\n}}\n",
    "template": f"example.org {{\n{FILE}\n{ANSWER}\n}}\n",
    "hosts-in-a-block": f"example.org {{\n{FILE}\n}}\nfoo.example.org {{\n{HOSTS}\n}}\n",
    "fallthrough": f"example.org {{\n{FILE} {{\nfallthrough\n}}\nforward . 192.0.2.5\n}}\n",
    "forward": f"example.org {{\n{FILE}\n}}\nfoo.example.org {{\nforward . 192.0.2.5\n}}\n",
}
RECORDS = {("www.foo.example.org.", "A"): ["www.foo.example.org. 60 A 192.0.2.80"]}
FILES = {"/db": ZONE, "/foo": FOO, "/hosts": "192.0.2.80 www.foo.example.org\n"}
FOUND = "www.foo.example.org. 60 IN A 192.0.2.80"


async def answer(text: str, name: str, qtype: str = "A") -> tuple[str, list[str]]:
    async with whole(text, files=dict(FILES), resolver=Resolver(dict(RECORDS))) as server:
        reply = await server.ask(f"{name}.example.org", qtype)
        lines = [str(rrset) for rrset in reply.answer]
        return reply.rcode().name, [line for text in lines for line in text.splitlines()]


@table("other", OTHERS)
@table(
    ("name", "links"),
    [
        ("www", ["www CNAME www.foo"]),
        ("chain", ["chain CNAME www", "www CNAME www.foo"]),
        ("x.al", ["x.al CNAME www.foo"]),
        ("www.old", ["old DNAME foo", "www.old CNAME www.foo"]),
    ],
)
async def test_target_below_the_zone_that_something_else_answers(other: str, name: str, links: list[str]) -> None:
    rcode, lines = await answer(OTHERS[other], name)
    expected = []
    for link in links:
        owner, rtype, target = link.split()
        expected.append(f"{owner}.example.org. 60 IN {rtype} {target}.example.org.")
    assert (rcode, lines) == ("NOERROR", [*expected, FOUND])


ROWS = [
    pytest.param("own", "A", "NOERROR", ["CNAME", "A 192.0.2.1"], id="own-data"),
    pytest.param("near", "A", "NOERROR", ["CNAME", "A 192.0.2.2"], id="own-data-first"),
    pytest.param("wild", "A", "NOERROR", ["CNAME", "A 192.0.2.7"], id="own-wildcard"),
    pytest.param("cut", "A", "NOERROR", ["CNAME"], id="delegation"),
    pytest.param("gone", "A", "NXDOMAIN", ["CNAME"], id="nothing-anywhere"),
    pytest.param("into", "A", "SERVFAIL", ["CNAME"], id="dname-to-itself"),
    pytest.param("x.alias", "A", "SERVFAIL", [], id="dname-to-itself-asked-for"),
]  # fmt: skip


@table(("name", "qtype", "rcode", "expected"), ROWS)
async def test_target_in_the_zone(name: str, qtype: str, rcode: str, expected: list[str]) -> None:
    found, lines = await answer(OTHERS["block"], name, qtype)
    assert found == rcode
    data = [line.split(" IN ")[1] for line in lines]
    assert [text.split()[0] if "CNAME" in text else text for text in data] == expected


async def test_wildcard_alias_to_itself_is_servfail() -> None:
    rcode, lines = await answer(OTHERS["block"], "loop")
    assert rcode == "SERVFAIL"
    assert lines


async def test_addresses_of_targets_are_added_after_an_alias() -> None:
    async with whole(OTHERS["block"], files=dict(FILES)) as server:
        reply = await server.ask("mx.example.org", "MX")
    assert [str(rrset) for rrset in reply.additional] == ["web.example.org. 60 IN A 192.0.2.1"]


async def test_referral_after_an_alias_has_authority_and_glue() -> None:
    async with whole(OTHERS["block"], files=dict(FILES)) as server:
        reply = await server.ask("cut.example.org")
    assert [str(rrset) for rrset in reply.authority] == ["sub.example.org. 60 IN NS ns.sub.example.org."]
    assert [str(rrset) for rrset in reply.additional] == ["ns.sub.example.org. 60 IN A 192.0.2.99"]


async def test_bare_apex_falls_through() -> None:
    # erratic, because hosts and template come before file in every chain
    text = "example.org {\nfile /bare {\nfallthrough\n}\nerratic {\ndrop 0\n}\n}\n"
    async with whole(text, files={"/bare": HEAD}) as server:
        reply = await server.ask("example.org")
    assert [rrset.to_text().split()[-1] for rrset in reply.answer] == ["192.0.2.53"]


@table(
    ("lines", "rcode"),
    [
        pytest.param(FILE, "REFUSED", id="file-is-last"),
        pytest.param(f"{FILE}\nforward . 192.0.2.5", "NXDOMAIN", id="file-is-not"),
        pytest.param("hosts /hosts {\nfallthrough\n}", "SERVFAIL", id="hosts-is-last"),
    ],
)
async def test_a_name_of_no_zone(lines: str, rcode: str) -> None:
    async with whole(f". {{\n{lines}\n}}\n", files=dict(FILES)) as server:
        assert (await server.ask("example.net")).rcode().name == rcode
