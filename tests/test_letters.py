"""Letters' case of owners in replies to a question in mixed case, as in CoreDNS 1.14.7.

Seen from CoreDNS 1.14.7 (kubernetes and cache: from its source): plugins that answer from the lower-cased name give lower
case, others the client's letters.
"""

import pytest

from tests.conformance.api import Api, Tree
from tests.table import table
from tests.whole import whole

DB = """@ 60 SOA ns admin 1 2 3 4 60
@ 60 NS ns
web 60 A 192.0.2.1
*.w 60 A 192.0.2.7
www 60 CNAME web
old 60 DNAME web
"""
FILES = {"/db": DB, "/ap": "search s.org\n", "/hosts": "192.0.2.1 web.example.org\n"}
FILE = "file /db example.org"
HOSTS = "hosts /hosts"
CLUSTER: list[Tree] = [
    {"kind": "Namespace", "metadata": {"name": "prod"}},
    {"kind": "Service", "metadata": {"namespace": "prod", "name": "web"}, "spec": {"clusterIP": "10.96.0.1"}},
]
CLUSTER_NAME = "Web.Prod.SVC.cluster.LOCAL."
ANSWER = 'template IN A {\nanswer "{{ .Name }} 60 IN A 192.0.2.1"\n}'
SAME = 'template IN A {\nanswer "{{ .Question.Name }} 60 IN A 192.0.2.1"\n}'
D64 = "dns64 {\nallow_ipv4\n}\n" + ANSWER + "\ntemplate IN AAAA {\nrcode NOERROR\n}"
ROWS = [
    pytest.param(HOSTS, "Web.Example.org.", "A", ["web.example.org."], id="hosts"),
    pytest.param(HOSTS, "1.2.0.192.In-Addr.arpa.", "PTR", ["1.2.0.192.in-addr.arpa."], id="hosts-ptr"),
    pytest.param(FILE, "Web.Example.org.", "A", ["web.example.org."], id="file"),
    pytest.param(FILE, "X.W.Example.org.", "A", ["x.w.example.org."], id="file-wildcard"),
    pytest.param(FILE, "WWW.Example.org.", "A", ["www.example.org.", "web.example.org."], id="file-alias"),
    pytest.param(FILE, "X.Old.Example.org.", "CNAME", ["old.example.org.", "x.old.example.org."], id="file-dname"),
    pytest.param(ANSWER, "Web.Example.org.", "A", ["web.example.org."], id="template-name"),
    pytest.param(SAME, "Web.Example.org.", "A", ["Web.Example.org."], id="template-question"),
    pytest.param(f"rewrite name a.org web.example.org\n{HOSTS}", "A.Org.", "A", ["a.org."], id="rewrite"),
    pytest.param("whoami", "Web.Example.org.", "A", [], id="whoami"),
    pytest.param("erratic {\ndrop 0\n}", "Web.Example.org.", "A", ["Web.Example.org."], id="erratic"),
    pytest.param("autopath @erratic\nerratic {\ndrop 0\n}", "Web.A.Example.org.", "A", ["Web.a.example.org."], id="autopath-erratic"),
    pytest.param(f"cache\n{HOSTS}", "Web.Example.org.", "A", ["web.example.org."], id="cache"),
    pytest.param(D64, "Web.Example.org.", "AAAA", ["web.example.org."], id="dns64"),
    pytest.param("kubernetes cluster.local", CLUSTER_NAME, "A", [CLUSTER_NAME], id="kubernetes"),
]  # fmt: skip


@table(("lines", "name", "qtype", "owners"), ROWS)
@table("transport", ["udp", "tcp"])
async def test_owners(lines: str, name: str, qtype: str, owners: list[str], transport: str) -> None:
    text = f". {{\n{lines}\n}}\n"
    async with whole(text, files=dict(FILES), api=Api(CLUSTER)) as server:
        for _ in range(3):  # a cached or remembered reply has the same letters
            reply = await server.ask(name, qtype, transport="tcp" if transport == "tcp" else "udp")
            assert str(reply.question[0].name) == name
            assert [str(rrset.name) for rrset in reply.answer] == owners


async def test_a_cached_answer_has_the_letters_that_a_fresh_one_has() -> None:
    async with whole(f". {{\ncache\n{HOSTS}\n}}\n", files=dict(FILES)) as server:
        for name in ("WEB.example.org.", "web.EXAMPLE.org.", "web.example.org."):
            reply = await server.ask(name)
            assert [str(rrset.name) for rrset in reply.answer] == ["web.example.org."]


async def test_autopath_keeps_the_letters_of_what_precedes_the_search_domain() -> None:
    text = ". {\nautopath /ap\nerratic {\ndrop 0\n}\n}\n"
    files = {**FILES, "/ap": "search s.org\n"}
    async with whole(text, files=files) as server:
        for name, owner in (("Web.S.org.", "Web.s.org."), ("web.S.org.", "web.s.org.")):
            reply = await server.ask(name)
            assert [str(rrset.name) for rrset in reply.answer] == [owner]
